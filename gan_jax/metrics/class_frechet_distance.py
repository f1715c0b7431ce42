"""Fréchet distance within classes: is each class like the real one?"""

from __future__ import annotations

import jax
import numpy as np

from gan_jax.metrics._checks import checked_features
from gan_jax.metrics.frechet_distance import enough_images, frechet_distance
from gan_jax.metrics.metric import Metric


def class_frechet_distance(
    features_a: jax.Array | np.ndarray,
    labels_a: jax.Array | np.ndarray,
    features_b: jax.Array | np.ndarray,
    labels_b: jax.Array | np.ndarray,
) -> float:
    """Mean over classes of `frechet_distance` between images of the same class.

    Args:
      features_a: floats [N, F].
      labels_a: [N] integers, the classes that the images are (to be) of.
      features_b: floats [M, F].
      labels_b: [M] integers.

    Returns:
      At least 0, in squared units of the features. A class of which either set has
      fewer than two images is left out.

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, if
        there is not one label for each image, or if every class is left out.

    Source: Benny et al. 2021, Evaluation Metrics for Conditional Image Generation:
    the within-class FID.
    """
    a, b = checked_features(features_a=features_a, features_b=features_b)
    for name, labels, features in (
        ("labels_a", labels_a, a),
        ("labels_b", labels_b, b),
    ):
        labels = np.asarray(labels)
        if labels.shape != (len(features),) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{name} must be {len(features)} integers, one for each image, not "
                f"{labels.dtype} of shape {labels.shape}"
            )
    values = []
    for label in np.intersect1d(labels_a, labels_b):
        of_a, of_b = (
            features[np.flatnonzero(np.asarray(labels) == label)]
            for features, labels in ((a, labels_a), (b, labels_b))
        )
        if min(len(of_a), len(of_b)) >= 2:
            values.append(frechet_distance(of_a, of_b))
    if not values:
        raise ValueError("labels_a and labels_b share no class with 2 images in each")
    return float(np.mean(values))


CLASS_FRECHET_DISTANCE = Metric(
    title="Fréchet distance within classes (judge's features)",
    value=lambda generated, real, settings: class_frechet_distance(
        generated.features, generated.labels, real.features, real.labels
    ),
    better="smallest",
    check=enough_images,
    needs_labels=True,
    compares=True,
    within_classes=True,
    sees="features",
)
