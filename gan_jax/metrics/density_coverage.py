"""Density and coverage: how crowded, and how many, are real images' surroundings?"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_features, checked_k
from gan_jax.metrics._distances import (
    BLOCK_SIZE,
    blocks,
    centred,
    squared_distances,
    squared_radii,
)
from gan_jax.metrics.metric import Metric, Samples


def density_coverage(
    real: jax.Array | np.ndarray,
    fake: jax.Array | np.ndarray,
    k: int = 5,
    *,
    block_size: int = BLOCK_SIZE,
) -> tuple[float, float]:
    """Density and coverage: generated points within real points' balls.

    The ball around a real point reaches to its k-th nearest other real point
    (Euclidean). Density is the number of balls that a generated point lies in, divided
    by k, as a mean over the generated points; coverage is the part of the balls with a
    generated point in them. A point on the sphere lies in the ball. Unlike precision
    and recall they do not draw balls around generated points, where outliers have large
    ones.

    Args:
      real: floats [N, F].
      fake: floats [M, F], M at least 1.
      k: from 1 to N - 1.
      block_size: points compared at a time; bounds the memory, changes nothing else.

    Returns:
      (density, coverage): in [0, N / k], with expectation 1 for equal distributions,
      and in [0, 1].

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        k is out of range.

    Source: Naeem et al. 2020, Reliable Fidelity and Diversity Metrics for Generative
    Models, section 3.
    """
    real, fake = checked_features(real=real, fake=fake)
    checked_k(k, real=real)
    with jax.enable_x64(True):
        num_balls, is_covered = jax.device_get(
            _within_balls(real, fake, k, block_size=block_size)
        )
    return float(num_balls.mean() / k), float(is_covered.mean())


@functools.partial(jax.jit, static_argnames="block_size")
def _within_balls(real, fake, k, *, block_size):
    """In how many balls a generated point is, [M]; which balls have any, [N]."""
    real, fake = centred(real, fake)
    radii = squared_radii(real, k, block_size)

    def compare(is_covered, block):
        rows, is_fake = block
        is_within = squared_distances(rows, real, bound="lower") <= radii[None]
        is_within &= is_fake[:, None]
        return is_covered | is_within.any(axis=0), is_within.sum(axis=1)

    is_covered, num_balls = jax.lax.scan(
        compare,
        jnp.zeros(len(real), bool),
        (
            blocks(fake, block_size),
            blocks(jnp.ones(len(fake), bool), block_size, padding=False),
        ),
    )
    return num_balls.reshape(-1)[: len(fake)], is_covered


def _of_samples(generated: Samples, real: Samples) -> tuple[float, float]:
    return density_coverage(real.features, generated.features)


DENSITY = Metric(
    title="Density (judge's features)",
    value=lambda generated, real, settings: generated.compared(_of_samples, real)[0],
    compares=True,
    sees="features",
)
COVERAGE = Metric(
    title="Coverage (judge's features)",
    value=lambda generated, real, settings: generated.compared(_of_samples, real)[1],
    unit="%",
    digits=2,
    compares=True,
    sees="features",
)
