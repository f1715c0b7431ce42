"""Confusion matrix: which class is seen where another one was asked for?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_labels, checked_logits


def confusion_matrix(
    logits: jax.Array | np.ndarray, labels: jax.Array | np.ndarray
) -> np.ndarray:
    """Numbers of images by the class asked for and the class of the largest logit.

    Args:
      logits: [N, C]; of equal largest logits the first class counts.
      labels: [N], integers in [0, C).

    Returns:
      int64 [C, C], rows by label, columns by class seen; the sum is N, and the diagonal
      divided by N is the accuracy.

    Raises:
      ValueError: if the logits are not of rank 2, are empty or hold NaN, or if the
        labels are not N integers in [0, C).
    """
    logits = checked_logits(logits)
    num_images, num_classes = logits.shape
    labels = checked_labels(labels, num_classes, num_images)
    seen = np.asarray(jnp.argmax(logits, axis=1))
    counts = np.bincount(labels * num_classes + seen, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)
