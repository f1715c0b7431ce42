"""Which way of writing a convolution is taken, and what each costs on a CPU.

Backends other than the CPU take XLA's convolution. On CPUs its gradients are 7 to 10
times slower inside `lax.scan` and `lax.fori_loop`; matrix products are not. Products of
patches take the definition's multiplications, Fourier transforms often fewer.
"""

import contextlib
import contextvars
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from gan_jax.networks.cpu import fourier
from gan_jax.networks.cpu.patches import Grid

FORMULATIONS = ("patches", "fourier", "xla")

# Milliseconds for a multiplication and for a number moved, on two CPU cores with
# jax 0.10.2. Fitted to 29 layers of this project's systems, with both their gradients;
# `python -m benchmarks.convolutions` fits them anew.
_MILLISECONDS = {"patches": (4.2e-8, 9.7e-7), "fourier": (1.9e-8, 4.0e-6)}
_PLATFORM: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "platform", default=None
)


@contextlib.contextmanager
def written_for(platform: str) -> Iterator[None]:
    """What is traced in the block is for this platform, 'cpu' or 'cuda'.

    JAX keeps traces of jitted functions and knows nothing of this block: what is jitted
    in it must be traced in it for the first time.
    """
    token = _PLATFORM.set(platform)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def choose(
    formulation: str | None,
    grid: Grid,
    channels: int,
    features: int,
    batch: int,
    dtype: jnp.dtype,
    fourier_allowed: bool = True,
) -> str:
    """The formulation, if one is named, or the fastest one on this backend.

    Inside `written_for` on that platform.

    `channels` are those of the grid's images, `features` those of its patches' values.
    Raises ValueError for an unknown one.
    """
    if formulation is None:
        if (_PLATFORM.get() or jax.default_backend()) != "cpu":
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
