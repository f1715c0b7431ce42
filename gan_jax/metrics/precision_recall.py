"""Precision and recall: are images realistic, and are real ones all within reach?"""

from __future__ import annotations

import jax
import numpy as np

from gan_jax.metrics._balls import K, Membership, balls, balls_of_samples, enough_images
from gan_jax.metrics.metric import Metric


def precision_recall(
    real: jax.Array | np.ndarray,
    fake: jax.Array | np.ndarray,
    k: int = K,
    *,
    block_size: int | None = None,
) -> tuple[float, float]:
    """Improved precision and recall: parts of each set within the other's balls.

    Every point has a ball around it, whose radius is the Euclidean distance to its k-th
    nearest other point of the same set. Precision is the part of the generated points
    that lie in a real point's ball, recall the part of the real points that lie in a
    generated point's ball. A point on the sphere lies in the ball.

    Args:
      real: floats [N, F].
      fake: floats [M, F].
      k: from 1 to the smaller of N and M, less 1.
      block_size: points compared at a time, which bounds the memory and changes nothing
        else; by default as many as fit in 128 MB of distances.

    Returns:
      (precision, recall), each in [0, 1].

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        k is out of range.

    Source: Kynkäänniemi et al. 2019, Improved Precision and Recall Metric for Assessing
    Generative Models, section 2.
    """
    return _parts(balls(real, fake, k=k, block_size=block_size))


def _parts(found: Membership) -> tuple[float, float]:
    return float(found.is_precise.mean()), float(found.is_recalled.mean())


PRECISION, RECALL = (
    Metric(
        title=f"{title} (judge's features)",
        value=lambda generated, real, settings, part=part: _parts(
            generated.compared(balls_of_samples, real)
        )[part],
        unit="%",
        digits=2,
        check=enough_images,
        compares=True,
        sees="features",
    )
    for part, title in enumerate(("Precision", "Recall"))
)
