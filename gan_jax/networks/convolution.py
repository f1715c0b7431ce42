"""Convolutions on images with the batch last, [C, H, W, B].

Each is written three times with the same results; cpu/choice.py says which is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.networks.cpu import fourier
from gan_jax.networks.cpu.choice import choose
from gan_jax.networks.cpu.patches import Grid, gather, scatter
from gan_jax.networks.layers import max_pool_2x2

_DIMENSION_NUMBERS = ("CHWN", "HWIO", "CHWN")


def conv_grid(
    size: tuple[int, int],
    kernel_size: tuple[int, int],
    strides: int,
    padding: str = "SAME",
) -> Grid:
    """Where the patches of a convolution lie in its images.

    Raises:
      ValueError: the padding is neither 'SAME' nor 'VALID', or no patch fits.
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be 'SAME' or 'VALID', not {padding!r}")
    pads = lax.padtype_to_pads(size, kernel_size, (strides, strides), padding)
    count = tuple(
        (length + sum(pad) - covered) // strides + 1
        for length, pad, covered in zip(size, pads, kernel_size, strict=True)
    )
    if min(count) < 1:
        raise ValueError(f"patches of {kernel_size} do not fit into images of {size}")
    start = tuple(before for before, _ in pads)
    return Grid(kernel_size, strides, size=size, count=count, start=start)


def conv_transpose_grid(
    size: tuple[int, int], kernel_size: tuple[int, int], strides: int
) -> Grid:
    """Where the patches that a transposed convolution paints lie in its outputs.

    `size` is that of its images, each of whose pixels paints one.
    """
    return Grid(
        kernel_size,
        strides,
        size=tuple(length * strides for length in size),
        count=size,
        start=tuple(
            length - 1 - _transpose_pads(length, strides)[0] for length in kernel_size
        ),
    )


def conv(
    images: jax.Array,
    kernel: jax.Array,
    strides: int,
    *,
    padding: str = "SAME",
    formulation: str | None = None,
    fourier_allowed: bool = True,
) -> jax.Array:
    """Convolution.

    Args:
      images: [C, H, W, B].
      kernel: [h, w, C, F].
      strides: steps of the patches along height and width alike.
      padding: 'SAME' or 'VALID'.
      formulation: one of `FORMULATIONS`; None takes the backend's.
      fourier_allowed: whether that may be 'fourier'.

    Returns:
      [F, ceil(H / strides), ceil(W / strides), B] with padding 'SAME', with 'VALID'
      [F, ceil((H - h + 1) / strides), ceil((W - w + 1) / strides), B].

    Raises:
      ValueError: for an unknown formulation or padding, or a kernel that does not fit.
    """
    channels, height, width, batch = images.shape
    *kernel_size, _, features = kernel.shape
    grid = conv_grid((height, width), tuple(kernel_size), strides, padding)
    chosen = choose(
        formulation, grid, channels, features, batch, images.dtype, fourier_allowed
    )
    match chosen:
        case "patches":
            patches = gather(grid, images)
            weights = kernel.reshape(-1, features).T
            outputs = weights @ patches.reshape(patches.shape[0], -1)
            return outputs.reshape(features, *patches.shape[1:])
        case "fourier":
            return fourier.convolve(grid, images, kernel)
        case "xla":
            return lax.conv_general_dilated(
                images,
                kernel,
                (strides, strides),
                padding,
                dimension_numbers=_DIMENSION_NUMBERS,
            )


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
    *kernel_size, _, features = kernel.shape
    grid = conv_transpose_grid((height, width), tuple(kernel_size), strides)
    # The kernel stands upside down in the patches.
    painted = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    match choose(formulation, grid, features, channels, batch, images.dtype):
        case "patches":
            patches = painted.reshape(-1, channels) @ images.reshape(channels, -1)
            return scatter(grid, patches.reshape(-1, height, width, batch))
        case "fourier":
            return fourier.convolve_transposed(grid, images, painted)
        case "xla":
            return lax.conv_general_dilated(
                images,
                kernel,
                (1, 1),
                [_transpose_pads(length, strides) for length in kernel_size],
                lhs_dilation=(strides, strides),
                dimension_numbers=_DIMENSION_NUMBERS,
            )


def _transpose_pads(length: int, strides: int) -> tuple[int, int]:
    """How `lax.conv_transpose` pads the spread-out images for SAME."""
    total = length + strides - 2
    before = length - 1 if strides > length - 1 else -(-total // 2)
    return before, total - before


class _Convolution(nn.Module):
    """What both layers share; `apply_kernel` is what they do not."""

    features: int
    kernel_size: int
    strides: int = 1
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        shape = (self.kernel_size, self.kernel_size, images.shape[0], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        outputs = self.apply_kernel(
            images.astype(self.dtype), kernel.astype(self.dtype)
        )
        if self.use_bias:
            bias = self.param(
                "bias", nn.initializers.zeros_init(), (self.features,), jnp.float32
            )
            outputs = outputs + bias.astype(self.dtype).reshape(-1, 1, 1, 1)
        return outputs


class Conv(_Convolution):
    """Convolution of [C, H, W, B] to [features, H', W', B], sizes as in `conv`.

    Parameters, initialisation and results are those of `nn.Conv`, but for the order of
    the images' axes: `kernel` [k, k, C, features], `bias` [features].

    Attributes:
      padding: 'SAME' or 'VALID'.
      pool: whether `max_pool_2x2` follows; it comes before the bias, which changes
        nothing and costs less.
      fourier_allowed: see `conv`.
    """

    padding: str = "SAME"
    pool: bool = False
    fourier_allowed: bool = True

    def apply_kernel(self, images: jax.Array, kernel: jax.Array) -> jax.Array:
        outputs = conv(
            images,
            kernel,
            self.strides,
            padding=self.padding,
            fourier_allowed=self.fourier_allowed,
        )
        return max_pool_2x2(outputs) if self.pool else outputs


class ConvTranspose(_Convolution):
    """Transposed convolution of [C, H, W, B] to [features, H * s, W * s, B].

    Parameters, initialisation and results are those of `nn.ConvTranspose` with SAME
    padding, but for the order of the images' axes: `kernel` [k, k, C, features], `bias`
    [features].
    """

    def apply_kernel(self, images: jax.Array, kernel: jax.Array) -> jax.Array:
        return conv_transpose(images, kernel, self.strides)
