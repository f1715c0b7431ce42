"""Patches of images, gathered and laid back, on images with the batch last."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Grid(NamedTuple):
    """Where patches lie in images; every field is (along height, along width).

    Patch i's row r is the images' row i * strides + r - start; rows outside are zeros.
    """

    kernel_size: tuple[int, int]
    strides: int
    size: tuple[int, int]  # of the images
    count: tuple[int, int]  # of the patches
    start: tuple[int, int]


# Gathering and scattering are linear and each other's transposes. JAX's own transpose
# of the slices is a sum of as many padded images, with which most layers and their
# gradients took a quarter longer. Both go along one axis after the other, which XLA
# compiles several times faster than a slice for every row and column of the kernel.
@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def gather(grid: Grid, images: jax.Array) -> jax.Array:
    """[C, H, W, B] to [h * w * C, *count, B], ordered (row, column, channel)."""
    strides = grid.strides
    spans = [
        (count - 1) * strides + length
        for count, length in zip(grid.count, grid.kernel_size, strict=True)
    ]
    images = _window(images, [-first for first in grid.start], spans)
    rows, columns = ((count - 1) * strides + 1 for count in grid.count)
    patches = jnp.concatenate(
        [
            images[:, :, column : column + columns : strides]
            for column in range(grid.kernel_size[1])
        ]
    )
    return jnp.concatenate(
        [patches[:, row : row + rows : strides] for row in range(grid.kernel_size[0])]
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def scatter(grid: Grid, patches: jax.Array) -> jax.Array:
    """The sum of patches laid over each other; the transpose of `gather`."""
    strides, batch = grid.strides, patches.shape[-1]
    rows, columns = grid.count
    patches = patches.reshape(*grid.kernel_size, -1, rows, columns, batch)
    channels = patches.shape[2]
    # Rows, and columns, that leave the same remainder to the stride are kept apart
    # until the end, so that whole patches are added to contiguous numbers.
    height, width = (
        count - 1 + -(-length // strides)
        for count, length in zip(grid.count, grid.kernel_size, strict=True)
    )
    phases = [
        jnp.zeros((channels, height, width, strides, batch), patches.dtype)
        for _ in range(strides)
    ]
    for row in range(grid.kernel_size[0]):
        top = row // strides
        sums = _sum_columns(patches[row], strides, width)
        phases[row % strides] = phases[row % strides].at[:, top : top + rows].add(sums)
    images = jnp.stack(phases, axis=2)
    images = images.reshape(channels, height * strides, width * strides, batch)
    return _window(images, grid.start, grid.size)


def _sum_columns(patches: jax.Array, strides: int, width: int) -> jax.Array:
    """One row of all patches, [w, C, rows, columns, B], to [C, rows, width, s, B]."""
    _, channels, rows, _, batch = patches.shape
    phases = []
    for phase in range(strides):
        total = jnp.zeros((channels, rows, width, batch), patches.dtype)
        for column in range(phase, patches.shape[0], strides):
            start = [0, -(column // strides)]
            total = total + _window(patches[column], start, [rows, width])
        phases.append(total)
    return jnp.stack(phases, axis=3)


gather.defvjp(
    lambda grid, images: (gather(grid, images), None),
    lambda grid, _, cotangents: (scatter(grid, cotangents),),
)
scatter.defvjp(
    lambda grid, patches: (scatter(grid, patches), None),
    lambda grid, _, cotangents: (gather(grid, cotangents),),
)


def _window(images: jax.Array, start: Sequence[int], size: Sequence[int]) -> jax.Array:
    """The window of `size` from `start` on, zeros where it reaches over the images."""
    edges = [
        (-first, first + length - available, 0)
        for first, length, available in zip(start, size, images.shape[1:3], strict=True)
    ]
    zero = jnp.zeros((), images.dtype)
    return lax.pad(images, zero, [(0, 0, 0), *edges, (0, 0, 0)])
