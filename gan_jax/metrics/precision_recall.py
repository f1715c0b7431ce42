"""Precision and recall: are images realistic, and are real ones all within reach?"""

from __future__ import annotations

import functools
from typing import Any

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

_K = 3


def precision_recall(
    real: jax.Array | np.ndarray,
    fake: jax.Array | np.ndarray,
    k: int = _K,
    *,
    block_size: int = BLOCK_SIZE,
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
      block_size: points compared at a time; bounds the memory, changes nothing else.

    Returns:
      (precision, recall), each in [0, 1].

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        k is out of range.

    Source: Kynkäänniemi et al. 2019, Improved Precision and Recall Metric for Assessing
    Generative Models, section 2.
    """
    real, fake = checked_features(real=real, fake=fake)
    checked_k(k, real=real, fake=fake)
    with jax.enable_x64(True):
        is_precise, is_recalled = jax.device_get(
            _within_balls(real, fake, k, block_size=block_size)
        )
    return float(is_precise.mean()), float(is_recalled.mean())


@functools.partial(jax.jit, static_argnames="block_size")
def _within_balls(real, fake, k, *, block_size):
    """Which generated points are in real ones' balls, [M], and the reverse, [N]."""
    real, fake = centred(real, fake)
    real_radii = squared_radii(real, k, block_size)
    fake_radii = squared_radii(fake, k, block_size)

    def compare(is_recalled, block):
        rows, radii = block
        to_real = squared_distances(rows, real, bound="lower")
        in_fake_balls = (to_real <= radii[:, None]).any(axis=0)
        return is_recalled | in_fake_balls, (to_real <= real_radii[None]).any(axis=1)

    is_recalled, is_precise = jax.lax.scan(
        compare,
        jnp.zeros(len(real), bool),
        # No real point is in the balls of the padding.
        (blocks(fake, block_size), blocks(fake_radii, block_size, padding=-jnp.inf)),
    )
    return is_precise.reshape(-1)[: len(fake)], is_recalled


def _of_samples(generated: Samples, real: Samples) -> tuple[float, float]:
    return precision_recall(real.features, generated.features)


def _check(settings: dict[str, Any], num_images: int) -> str | None:
    """Every image has k neighbours."""
    if num_images > _K:
        return None
    return f"is {num_images}; precision and recall take more than {_K}"


PRECISION, RECALL = (
    Metric(
        title=f"{title} (judge's features)",
        value=lambda generated, real, settings, part=part: generated.compared(
            _of_samples, real
        )[part],
        unit="%",
        digits=2,
        check=_check,
        compares=True,
        sees="features",
    )
    for part, title in enumerate(("Precision", "Recall"))
)
