"""Class frequencies: does a generator forget classes?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_logits


def class_frequencies(logits: jax.Array | np.ndarray) -> np.ndarray:
    """Fraction of the images that fall into each class.

    Args:
      logits: [N, C]; an image counts for the class of its largest logit, the first of
        equal ones.

    Returns:
      float64 [C], in [0, 1], with sum 1.

    Raises:
      ValueError: if the logits are not of rank 2, are empty or hold NaN.
    """
    logits = checked_logits(logits)
    predictions = np.asarray(jnp.argmax(logits, axis=1))
    return np.bincount(predictions, minlength=logits.shape[1]) / len(predictions)
