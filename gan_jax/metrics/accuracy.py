"""Accuracy, the base of GAN-test and GAN-train."""

from __future__ import annotations

import jax
import numpy as np

from gan_jax.metrics.confusion_matrix import confusion_matrix


def accuracy(logits: jax.Array | np.ndarray, labels: jax.Array | np.ndarray) -> float:
    """Fraction of the images whose largest logit is that of their label.

    GAN-test is this on generated images with the logits of a classifier trained on real
    ones, GAN-train this on real images with those of a classifier trained on generated
    ones (Shmelkov et al. 2018, How good is my GAN?, section 3).

    Args:
      logits: [N, C]; of equal largest logits the first class counts.
      labels: [N], integers in [0, C).

    Returns:
      Number correct divided by N, in [0, 1], exact.

    Raises:
      ValueError: if the logits are not of rank 2, are empty or hold NaN, or if the
        labels are not N integers in [0, C).
    """
    counts = confusion_matrix(logits, labels)
    return int(counts.trace()) / int(counts.sum())
