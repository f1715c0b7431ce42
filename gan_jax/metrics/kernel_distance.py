"""Kernel distance: do generated features have real ones' moments up to the third?"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_features
from gan_jax.metrics.metric import Metric, Samples

_SUBSET_SIZE = 1000
_PARTS = 4  # of a set: of its symmetric kernel, only blocks above the diagonal


def kernel_distance(
    features_a: jax.Array | np.ndarray,
    features_b: jax.Array | np.ndarray,
    *,
    num_subsets: int = 100,
    subset_size: int = _SUBSET_SIZE,
    seed: int = 0,
) -> tuple[float, float]:
    """Squared maximum mean discrepancy with a cubic kernel, over random subsets.

    MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b),  k(x, y) = (x.y / F + 1)^3

    The means leave out k of an image with itself, so the expectation does not depend on
    the number of images, and values of equal distributions lie around 0. Computed in
    float64. Of Inception-v3's features this is the KID.

    Args:
      features_a: floats [N, F].
      features_b: floats [M, F].
      num_subsets: at least 1; each is drawn from both sets without replacement.
      subset_size: from 2 to the smaller of N and M.
      seed: decides the subsets.

    Returns:
      (mean, std) over the subsets; the standard deviation is that of the population
      (divided by num_subsets). Either sign.

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        num_subsets or subset_size is out of range.

    Source: Bińkowski et al. 2018, Demystifying MMD GANs, section 4.
    """
    a, b = checked_features(features_a=features_a, features_b=features_b)
    if num_subsets < 1:
        raise ValueError(f"num_subsets must be at least 1, not {num_subsets}")
    if not 2 <= subset_size <= min(len(a), len(b)):
        raise ValueError(
            "subset_size must be from 2 to the smaller number of images, "
            f"{min(len(a), len(b))}, not {subset_size}"
        )
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), num_subsets)
        values = np.asarray(_subset_distances(a, b, keys, subset_size=subset_size))
    return float(values.mean()), float(values.std())


def subset_rows(
    key: jax.Array, num_a: int, num_b: int, subset_size: int
) -> list[jax.Array]:
    """The rows of both sets that a key draws, int32 [subset_size] of each."""
    return [
        jax.random.permutation(each, jnp.arange(number, dtype=jnp.int32))[:subset_size]
        for each, number in zip(jax.random.split(key), (num_a, num_b), strict=True)
    ]


@functools.partial(jax.jit, static_argnames="subset_size")
def _subset_distances(a, b, keys, *, subset_size):
    """MMD^2 of each key's subsets, float64 [keys]."""

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def total(x, y):
        # As a product: XLA fuses a sum with the kernel's own product, which then takes
        # twice as long on CPUs.
        return jnp.ones(len(x)) @ kernel(x, y) @ jnp.ones(len(y))

    def mean_of_pairs(x):
        parts = jnp.array_split(x, _PARTS)
        pairs = itertools.combinations(parts, 2)
        total_of_all = sum(total(part, part) for part in parts)
        total_of_all += 2 * sum(itertools.starmap(total, pairs))
        with_itself = ((jnp.sum(x**2, axis=1) / x.shape[1] + 1) ** 3).sum()
        return (total_of_all - with_itself) / (subset_size * (subset_size - 1))

    def distance(key):
        rows_a, rows_b = subset_rows(key, len(a), len(b), subset_size)
        x, y = a[rows_a].astype(jnp.float64), b[rows_b].astype(jnp.float64)
        across = total(x, y) / subset_size**2
        return mean_of_pairs(x) + mean_of_pairs(y) - 2 * across

    return jax.lax.map(distance, keys)


def _value(generated: Samples, real: Samples, settings: Any) -> float:
    """The mean; of smaller subsets where there are fewer images."""
    a, b = generated.features, real.features
    subset_size = min(_SUBSET_SIZE, len(a), len(b))
    return kernel_distance(a, b, subset_size=subset_size)[0]


def _check(settings: dict[str, Any], num_images: int) -> str | None:
    """The means are over pairs of images."""
    return None if num_images >= 2 else f"is {num_images}; kernel_distance takes 2"


KERNEL_DISTANCE = Metric(
    title="Kernel distance (judge's features)",
    value=_value,
    better="smallest",
    digits=4,
    check=_check,
    compares=True,
    sees="features",
    inception_title="KID",
)
