"""What every score asks of its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def checked_features(**arrays: jax.Array | np.ndarray) -> list[jax.Array]:
    """Returns the features of two sets, given by name, as float32 [N, F] and [M, F].

    Raises:
      ValueError: if features are not floats of rank 2, are empty, hold NaN or infinity,
        or differ in F.
    """
    checked = []
    for name, array in arrays.items():
        array = jnp.asarray(array)
        shape = array.shape
        if (
            array.ndim != 2
            or 0 in shape
            or not jnp.issubdtype(array.dtype, jnp.floating)
        ):
            raise ValueError(
                f"{name} must be floats [images, features], none of them 0, not "
                f"{array.dtype} of shape {shape}"
            )
        array = array.astype(jnp.float32)
        bad_rows = np.asarray(~jnp.isfinite(array).all(axis=1))
        if bad_rows.any():
            raise ValueError(
                f"{name} holds NaN or infinity for {bad_rows.sum()} of {len(array)} "
                f"images, first for image {bad_rows.argmax()}"
            )
        checked.append(array)
    (first, second), (a, b) = arrays, checked
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{first} of {a.shape[1]} features cannot be compared with {second} of "
            f"{b.shape[1]}"
        )
    return checked


def checked_k(k: int, **points: jax.Array) -> None:
    """Every point of these sets, given by name, has k others.

    Raises:
      ValueError: if k is below 1 or one of the sets is too small.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    for name, array in points.items():
        if len(array) <= k:
            raise ValueError(
                f"{name} must be of more than k = {k} images, not {len(array)}"
            )


def checked_labels(
    labels: jax.Array | np.ndarray, num_classes: int, num_images: int | None = None
) -> np.ndarray:
    """Returns the labels as int32 [num_images], or of any number but 0.

    Raises:
      ValueError: if they are not so many integers in [0, num_classes).
    """
    labels = np.asarray(labels)
    fits = labels.ndim == 1 and labels.size and labels.dtype.kind in "iu"
    if not fits or num_images not in (None, labels.size):
        number = (
            "a non-empty one-dimensional array of" if num_images is None else num_images
        )
        raise ValueError(
            f"labels must be {number} integers, one for each image, not {labels.dtype} "
            f"of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels must be in [0, {num_classes}), but reach from {labels.min()} to "
            f"{labels.max()}"
        )
    return labels.astype(np.int32)


def has_pairs(settings: Mapping[str, Any], num_images: int) -> str | None:
    """Why so many images of a class have no pair, or None."""
    return None if num_images >= 2 else f"is {num_images}; a pair takes 2"
