"""Density and coverage: how crowded, and how many, are real images' surroundings?"""

from __future__ import annotations

import jax
import numpy as np

from gan_jax.metrics._balls import (
    COUNT_K,
    Membership,
    balls,
    balls_of_samples,
    enough_images,
)
from gan_jax.metrics.metric import Metric, Samples


def density_coverage(
    real: jax.Array | np.ndarray,
    fake: jax.Array | np.ndarray,
    k: int = COUNT_K,
    *,
    block_size: int | None = None,
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
      block_size: points compared at a time, which bounds the memory and changes nothing
        else; by default as many as fit in 128 MB of distances.

    Returns:
      (density, coverage): in [0, N / k], with expectation 1 for equal distributions,
      and in [0, 1].

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        k is out of range.

    Source: Naeem et al. 2020, Reliable Fidelity and Diversity Metrics for Generative
    Models, section 3.
    """
    return _parts(balls(real, fake, count_k=k, block_size=block_size), k)


def _parts(found: Membership, k: int) -> tuple[float, float]:
    return float(found.num_balls.mean() / k), float(found.is_covered.mean())


def _of_samples(generated: Samples, real: Samples) -> tuple[float, float]:
    return _parts(generated.compared(balls_of_samples, real), COUNT_K)


DENSITY = Metric(
    title="Density (judge's features)",
    value=lambda generated, real, settings: _of_samples(generated, real)[0],
    check=enough_images,
    compares=True,
    sees="features",
)
COVERAGE = Metric(
    title="Coverage (judge's features)",
    value=lambda generated, real, settings: _of_samples(generated, real)[1],
    unit="%",
    digits=2,
    check=enough_images,
    compares=True,
    sees="features",
)
