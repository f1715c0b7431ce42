"""What every score asks of its input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def checked_logits(logits: jax.Array | np.ndarray) -> jax.Array:
    """Returns the logits as float32 [N, C].

    Raises:
      ValueError: if they are not of rank 2, are empty or hold a NaN.
    """
    if np.ndim(logits) != 2 or 0 in np.shape(logits):
        raise ValueError(
            f"logits must be [images, classes], none of them 0, not {np.shape(logits)}"
        )
    logits = jnp.asarray(logits, jnp.float32)
    rows_with_nan = np.asarray(jnp.isnan(logits).any(axis=1))
    if rows_with_nan.any():
        raise ValueError(
            f"logits hold NaN for {rows_with_nan.sum()} of {len(logits)} images, "
            f"first for image {rows_with_nan.argmax()}"
        )
    return logits
