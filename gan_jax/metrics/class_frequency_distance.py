"""Distance of class frequencies: are some classes too rare or too frequent?"""

from __future__ import annotations

import jax
import numpy as np

from gan_jax.metrics.class_frequencies import class_frequencies
from gan_jax.metrics.metric import Metric


def class_frequency_distance(
    logits_a: jax.Array | np.ndarray, logits_b: jax.Array | np.ndarray
) -> float:
    """Total variation distance of the class frequencies of two sets of images.

    sum over classes |p_a - p_b| / 2, with p as `class_frequencies` gives it

    The part of one set's images that would have to change class.

    Args:
      logits_a: [N, C].
      logits_b: [M, C].

    Returns:
      In [0, 1]; 0 for equal frequencies.

    Raises:
      ValueError: if logits are not of rank 2, are empty, hold NaN or differ in C.
    """
    frequencies = []
    for name, logits in (("logits_a", logits_a), ("logits_b", logits_b)):
        try:
            frequencies.append(class_frequencies(logits))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    a, b = frequencies
    if len(a) != len(b):
        raise ValueError(
            f"logits_a of {len(a)} classes cannot be compared with logits_b of {len(b)}"
        )
    return float(np.abs(a - b).sum() / 2)


CLASS_FREQUENCY_DISTANCE = Metric(
    title="Distance of class frequencies (judge's classes)",
    value=lambda generated, real, settings: class_frequency_distance(
        generated.logits, real.logits
    ),
    better="smallest",
    unit="%",
    digits=2,
    compares=True,
    sees="judge",
)
