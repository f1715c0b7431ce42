"""Convolutions as products of discrete Fourier transforms, in real arithmetic.

A convolution is a product at each frequency. A stride splits images and kernels into
phases, whose products are summed. Each complex product is three real ones, so that all
is one bilinear form,

    outputs = inverse @ ((forward_kernel @ kernel) * (forward_image @ images)),

where @ runs over pixels and * is, for each of R products, a matrix product over
channels. For 5x5 kernels on 7x7 images R is 121 in place of the 1,225 matrix products
of the definition. Rounding errors stay as small, since Fourier transforms keep the norm
up to a factor. Images are [C, H, W, B].

Source: Mathieu, Henaff, LeCun 2014, "Fast Training of Convolutional Networks through
FFTs".
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.networks.cpu.patches import Grid


class _Axis(NamedTuple):
    """One axis of a grid, cut into phases: `strides * i + phase` is phase's i-th."""

    period: int  # of the transform
    length: int  # of each phase of the images, zeros at the end included
    taps: int  # of each phase of the kernel, zeros included
    first_tap: int  # the tap q of patch i meets the images' i + first_tap + q
    skipped: int  # zeros before the kernel, so that its taps fall into their phases


def convolve(grid: Grid, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Products of all patches with the kernel.

    Takes images [C, *size, B] and a kernel [*kernel_size, C, F], returns
    [F, *count, B].
    """
    forward_image, _, inverse = _transforms(grid)
    spectrum = _transform(forward_image, _phases(grid, images))
    products = _contract((1, 1), _kernel_spectrum(grid, kernel), spectrum)
    outputs = _apply(inverse, products.reshape(len(products), -1))
    outputs = outputs.reshape(*grid.count, *products.shape[1:])
    return outputs.transpose(2, 0, 1, 3)


def convolve_transposed(grid: Grid, images: jax.Array, kernel: jax.Array) -> jax.Array:
    """The transpose of `convolve` in its images: every image pixel paints a patch.

    Takes images [F, *count, B] and a kernel [*kernel_size, C, F], returns
    [C, *size, B].
    """
    forward_image, _, inverse = _transforms(grid)
    images = images.transpose(1, 2, 0, 3)
    features, batch = images.shape[2:]
    spectrum = _apply(inverse.T, images.reshape(-1, features * batch))
    spectrum = spectrum.reshape(-1, features, batch)
    products = _contract((2, 1), _kernel_spectrum(grid, kernel), spectrum)
    phases = _apply(forward_image.T, products.reshape(len(products), -1))
    rows, columns = (_axis(grid, axis).length for axis in (0, 1))
    strides = grid.strides
    phases = phases.reshape(rows, columns, -1, strides, strides, batch)
    images = phases.transpose(2, 0, 3, 1, 4, 5)
    images = images.reshape(-1, rows * strides, columns * strides, batch)
    return images[:, : grid.size[0], : grid.size[1]]


def rank(grid: Grid) -> int:
    """R, the number of products for each pair of channels."""
    periods = [_axis(grid, axis).period for axis in (0, 1)]
    # Frequencies that are their own negatives have one product, pairs of others three.
    alone = math.prod(2 - period % 2 for period in periods)
    return alone + 3 * (math.prod(periods) - alone) // 2


def multiplications(grid: Grid, channels: int, features: int, batch: int) -> int:
    """How many a batch takes: transforms of images, kernel and outputs, and products.

    `channels` are those of the grid's images, `features` those of its patches' values.
    """
    axes = [_axis(grid, axis) for axis in (0, 1)]
    phased_channels = grid.strides**2 * channels
    return rank(grid) * (
        math.prod(axis.length for axis in axes) * phased_channels * batch
        + math.prod(axis.taps for axis in axes) * phased_channels * features
        + phased_channels * features * batch
        + math.prod(grid.count) * features * batch
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _contract(axes: tuple[int, int], left: jax.Array, right: jax.Array) -> jax.Array:
    """The product summed over one axis of each of two matrices, or stacks of them.

    [rest of left, rest of right], after the first axis if that numbers a stack. Its
    derivatives are of its own kind, with nothing transposed, where JAX's own make
    whole copies of transposed results on CPUs.
    """
    stack = tuple(range(left.ndim - 2))
    return jax.lax.dot_general(left, right, (((axes[0],), (axes[1],)), (stack, stack)))


def _contract_forward(axes, left, right):
    return _contract(axes, left, right), (left, right)


def _contract_backward(axes, operands, cotangents):
    left, right = operands
    first, last = left.ndim - 2, left.ndim - 1
    left_rest, right_rest = (first + last - axis for axis in axes)
    if axes[0] == first:
        of_left = _contract((right_rest, last), right, cotangents)
    else:
        of_left = _contract((last, right_rest), cotangents, right)
    if axes[1] == first:
        of_right = _contract((left_rest, first), left, cotangents)
    else:
        of_right = _contract((first, left_rest), cotangents, left)
    return of_left, of_right


_contract.defvjp(_contract_forward, _contract_backward)


def _apply(matrix: np.ndarray, columns: jax.Array) -> jax.Array:
    """The product with a constant matrix, in the columns' type."""
    return _contract((1, 0), jnp.asarray(matrix, columns.dtype), columns)


def _transform(matrix: np.ndarray, phases: jax.Array) -> jax.Array:
    """[R, rows * columns] of [C, rows, s, columns, s, X]: [R, C * s * s, X]."""
    pixels = phases.transpose(1, 3, 0, 2, 4, 5)
    spectrum = _apply(matrix, pixels.reshape(matrix.shape[1], -1))
    return spectrum.reshape(len(matrix), -1, phases.shape[-1])


def _phases(grid: Grid, images: jax.Array) -> jax.Array:
    """[C, H, W, B] to [C, rows, s, columns, s, B], zeros where images end before."""
    height, width = (_axis(grid, axis).length for axis in (0, 1))
    pads = [
        (0, length * grid.strides - size)
        for length, size in zip((height, width), grid.size, strict=True)
    ]
    images = jnp.pad(images, ((0, 0), *pads, (0, 0)))
    channels, batch = images.shape[0], images.shape[-1]
    return images.reshape(channels, height, grid.strides, width, grid.strides, batch)


def _kernel_spectrum(grid: Grid, kernel: jax.Array) -> jax.Array:
    """[h, w, C, F] to [R, C * s * s, F]."""
    _, forward_kernel, _ = _transforms(grid)
    axes = [_axis(grid, axis) for axis in (0, 1)]
    pads = [
        (axis.skipped, axis.taps * grid.strides - axis.skipped - length)
        for axis, length in zip(axes, grid.kernel_size, strict=True)
    ]
    kernel = jnp.pad(kernel, (*pads, (0, 0), (0, 0)))
    phases = kernel.reshape(
        axes[0].taps, grid.strides, axes[1].taps, grid.strides, *kernel.shape[2:]
    )
    return _transform(forward_kernel, phases.transpose(4, 0, 1, 2, 3, 5))


def _axis(grid: Grid, axis: int) -> _Axis:
    strides, start = grid.strides, grid.start[axis]
    # Patch i's first row is strides * (i + first_tap) + skipped.
    first_tap, skipped = divmod(-start, strides)
    taps = -(-(skipped + grid.kernel_size[axis]) // strides)
    length = -(-grid.size[axis] // strides)
    # What a patch meets before and after the images must be zeros in the period too.
    period = max(
        length - first_tap, grid.count[axis] + first_tap + taps - 1, length, taps
    )
    return _Axis(period, length, taps, first_tap, skipped)


@functools.cache
def _transforms(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of images and kernel [R, pixels of a phase], and back [pixels, R].

    A frequency that is its own negative has one product, of real numbers. Another and
    its negative have three: with x = a + ib of the images and w = c + id of the kernel,
    c (a + b), (d - c) a and (c + d) b, from which Re xw = first - third and
    Im xw = first + second.
    """
    axes = [_axis(grid, axis) for axis in (0, 1)]
    periods = [axis.period for axis in axes]

    def angles(frequency, *positions):
        along_height, along_width = (
            2 * math.pi * number * np.asarray(position) / period
            for number, position, period in zip(
                frequency, positions, periods, strict=True
            )
        )
        return along_height[:, None] + along_width

    forward_image, forward_kernel, inverse = [], [], []
    for frequency in np.ndindex(*periods):
        negative = tuple(
            -number % period for number, period in zip(frequency, periods, strict=True)
        )
        if negative < frequency:
            continue
        of_image = angles(frequency, *(range(axis.length) for axis in axes))
        of_kernel = angles(
            frequency, *(range(axis.taps) + np.int64(axis.first_tap) for axis in axes)
        )
        of_output = angles(frequency, *(range(count) for count in grid.count))
        a, b = np.cos(of_image), -np.sin(of_image)
        c, d = np.cos(of_kernel), np.sin(of_kernel)
        real, imaginary = np.cos(of_output), -np.sin(of_output)
        if negative == frequency:
            forward_image += [a]
            forward_kernel += [c]
            inverse += [real]
        else:
            forward_image += [a + b, a, b]
            forward_kernel += [c, d - c, c + d]
            inverse += [2 * (real + imaginary), 2 * imaginary, -2 * real]
    image, kernel, back = (
        np.stack(rows).reshape(len(rows), -1)
        for rows in (forward_image, forward_kernel, inverse)
    )
    return tuple(
        transform.astype(np.float32)
        for transform in (image, kernel, back.T / math.prod(periods))
    )
