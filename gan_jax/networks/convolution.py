"""Convolutions on images with the batch last, [C, H, W, B].

Each is written three times with the same results. Backends other than the CPU take
XLA's convolution. On CPUs its gradients are 7 to 10 times slower inside `lax.scan` and
`lax.fori_loop`; matrix products are not. Those of patches take the definition's
multiplications, those of Fourier transforms often fewer; `estimated_milliseconds` says
which is faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from gan_jax.networks.cpu import fourier
from gan_jax.networks.cpu.patches import Grid, gather, scatter

FORMULATIONS = ("patches", "fourier", "xla")
_DIMENSION_NUMBERS = ("CHWN", "HWIO", "CHWN")


def _choose(
    formulation: str | None,
    grid: Grid,
    channels: int,
    features: int,
    batch: int,
    dtype: jnp.dtype,
    fourier_allowed: bool = True,
) -> str:
    """The one place that says what takes which formulation.

    `channels` are those of the grid's images, `features` those of its patches' values.
    """
    if formulation is None:
        if jax.default_backend() != "cpu":
            return "xla"
        # Sums of many rounded terms are no Fourier transform.
        if not fourier_allowed or dtype != jnp.float32:
            return "patches"
        estimates = estimated_milliseconds(grid, channels, features, batch)
        return min(estimates, key=estimates.get)
    if formulation not in FORMULATIONS:
        raise ValueError(
            f"formulation must be one of {FORMULATIONS}, not {formulation!r}"
        )
    return formulation


# Milliseconds for a multiplication and for a number moved, on two CPU cores with
# jax 0.10.2. Fitted to 29 layers of this project's systems, with both their gradients;
# `python -m benchmarks.convolutions` fits them anew.
_MILLISECONDS = {"patches": (4.2e-8, 9.7e-7), "fourier": (1.9e-8, 4.0e-6)}


def estimated_milliseconds(
    grid: Grid, channels: int, features: int, batch: int
) -> dict[str, float]:
    """Of a layer with its gradients on a CPU, for comparisons; see `counts`."""
    milliseconds = {}
    for name, (products, moved) in counts(grid, channels, features, batch).items():
        per_product, per_moved = _MILLISECONDS[name]
        milliseconds[name] = per_product * products + per_moved * moved
    return milliseconds


def counts(
    grid: Grid, channels: int, features: int, batch: int
) -> dict[str, tuple[int, int]]:
    """Multiplications, and numbers that lie between matrix products, of a layer.

    `channels` are those of the grid's images, `features` those of what its patches
    give (or are painted from, if the convolution is transposed).
    """
    patches = math.prod(grid.kernel_size) * channels * math.prod(grid.count) * batch
    phased_channels = grid.strides**2 * channels
    spectra = fourier.rank(grid) * (
        (phased_channels + features) * batch + phased_channels * features
    )
    return {
        "patches": (patches * features, patches),
        "fourier": (
            fourier.multiplications(grid, channels, features, batch),
            spectra,
        ),
    }


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
    chosen = _choose(
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
    match _choose(formulation, grid, features, channels, batch, images.dtype):
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
            images.astype(self.dtype), kernel.astype(self.dtype), self.strides
        )
        if self.use_bias:
            bias = self.param(
                "bias", nn.initializers.zeros_init(), (self.features,), jnp.float32
            )
            outputs = outputs + bias.astype(self.dtype).reshape(-1, 1, 1, 1)
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
