"""Convolutions with SAME padding on images with the batch last, [C, H, W, B].

Each is written twice with the same results. Backends other than the CPU take XLA's
convolution. CPUs take one matrix product over gathered patches, since there XLA's
convolution gradients are 7 to 10 times slower inside `lax.scan` and `lax.fori_loop`.
With jax 0.10.2 and batches of 128, a DCGAN's 5x5 layers with many channels and their
gradients reach 50 to 65 GFLOP/s on one core there; those with a single channel take a
fifth to a ninth of XLA's time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

FORMULATIONS = ("patches", "xla")
_DIMENSION_NUMBERS = ("CHWN", "HWIO", "CHWN")


def _choose(formulation: str | None) -> str:
    """The one place that says which backend takes which formulation."""
    if formulation is None:
        return "patches" if jax.default_backend() == "cpu" else "xla"
    if formulation not in FORMULATIONS:
        raise ValueError(
            f"formulation must be one of {FORMULATIONS}, not {formulation!r}"
        )
    return formulation


def conv(
    images: jax.Array,
    kernel: jax.Array,
    strides: int,
    *,
    formulation: str | None = None,
) -> jax.Array:
    """Convolution with SAME padding.

    Args:
      images: [C, H, W, B].
      kernel: [h, w, C, F].
      strides: steps of the patches along height and width alike.
      formulation: one of `FORMULATIONS`; None takes the backend's.

    Returns:
      [F, ceil(H / strides), ceil(W / strides), B].

    Raises:
      ValueError: for an unknown formulation.
    """
    size, kernel_size = images.shape[1:3], kernel.shape[:2]
    pads = lax.padtype_to_pads(size, kernel_size, (strides, strides), "SAME")
    if _choose(formulation) == "xla":
        return lax.conv_general_dilated(
            images,
            kernel,
            (strides, strides),
            pads,
            dimension_numbers=_DIMENSION_NUMBERS,
        )
    grid = _Grid(
        kernel_size,
        strides,
        size=size,
        count=tuple(-(-length // strides) for length in size),
        start=tuple(before for before, _ in pads),
    )
    patches = _gather(grid, images)
    features = kernel.shape[-1]
    outputs = kernel.reshape(-1, features).T @ patches.reshape(patches.shape[0], -1)
    return outputs.reshape(features, *patches.shape[1:])


def conv_transpose(
    images: jax.Array,
    kernel: jax.Array,
    strides: int,
    *,
    formulation: str | None = None,
) -> jax.Array:
    """Transposed convolution with SAME padding; the kernel is not flipped.

    The convolution, with stride 1, of the images spread out with strides - 1 zeros
    between neighbours.

    Args:
      images: [C, H, W, B].
      kernel: [h, w, C, F].
      strides: how many times the outputs are higher and wider.
      formulation: one of `FORMULATIONS`; None takes the backend's.

    Returns:
      [F, H * strides, W * strides, B].

    Raises:
      ValueError: for an unknown formulation.
    """
    channels, height, width, batch = images.shape
    kernel_size = kernel.shape[:2]
    pads = [_transpose_pads(length, strides) for length in kernel_size]
    if _choose(formulation) == "xla":
        return lax.conv_general_dilated(
            images,
            kernel,
            (1, 1),
            pads,
            lhs_dilation=(strides, strides),
            dimension_numbers=_DIMENSION_NUMBERS,
        )
    # Every input paints one patch, in which the kernel stands upside down.
    grid = _Grid(
        kernel_size,
        strides,
        size=(height * strides, width * strides),
        count=(height, width),
        start=tuple(
            length - 1 - before
            for length, (before, _) in zip(kernel_size, pads, strict=True)
        ),
    )
    weights = kernel[::-1, ::-1].transpose(0, 1, 3, 2).reshape(-1, channels)
    patches = weights @ images.reshape(channels, -1)
    return _scatter(grid, patches.reshape(-1, height, width, batch))


def _transpose_pads(length: int, strides: int) -> tuple[int, int]:
    """How `lax.conv_transpose` pads the spread-out images for SAME."""
    total = length + strides - 2
    before = length - 1 if strides > length - 1 else -(-total // 2)
    return before, total - before


class _Grid(NamedTuple):
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
def _gather(grid: _Grid, images: jax.Array) -> jax.Array:
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
def _scatter(grid: _Grid, patches: jax.Array) -> jax.Array:
    """The sum of patches laid over each other; the transpose of `_gather`."""
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


_gather.defvjp(
    lambda grid, images: (_gather(grid, images), None),
    lambda grid, _, cotangents: (_scatter(grid, cotangents),),
)
_scatter.defvjp(
    lambda grid, patches: (_scatter(grid, patches), None),
    lambda grid, _, cotangents: (_gather(grid, cotangents),),
)


def _window(images: jax.Array, start: Sequence[int], size: Sequence[int]) -> jax.Array:
    """The window of `size` from `start` on, zeros where it reaches over the images."""
    edges = [
        (-first, first + length - available, 0)
        for first, length, available in zip(start, size, images.shape[1:3], strict=True)
    ]
    zero = jnp.zeros((), images.dtype)
    return lax.pad(images, zero, [(0, 0, 0), *edges, (0, 0, 0)])


class _Convolution(nn.Module):
    """What both layers share; `apply_kernel` is what they do not."""

    features: int
    kernel_size: int
    strides: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, images.shape[0], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        outputs = self.apply_kernel(images, kernel, self.strides)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
            outputs = outputs + bias.reshape(-1, 1, 1, 1)
        return outputs


class Conv(_Convolution):
    """Convolution of [C, H, W, B] to [features, ceil(H / s), ceil(W / s), B].

    Parameters, initialisation and results are those of `nn.Conv` with SAME padding, but
    for the order of the images' axes: `kernel` [k, k, C, features], `bias` [features].
    """

    apply_kernel = staticmethod(conv)


class ConvTranspose(_Convolution):
    """Transposed convolution of [C, H, W, B] to [features, H * s, W * s, B].

    Parameters, initialisation and results are those of `nn.ConvTranspose` with SAME
    padding, but for the order of the images' axes: `kernel` [k, k, C, features], `bias`
    [features].
    """

    apply_kernel = staticmethod(conv_transpose)
