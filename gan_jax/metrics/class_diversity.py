"""Diversity within classes: do the images of a class differ as real ones do?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_features, has_pairs
from gan_jax.metrics.metric import Metric, Samples

_MOST = 500  # images of a class that are compared with one another


def class_diversity(
    features: jax.Array | np.ndarray, labels: jax.Array | np.ndarray
) -> float:
    """Mean Euclidean distance of two images of one class, as a mean over the classes.

    Of at most 500 images of a class, the first ones. It sees the collapse within
    classes that GAN-test rewards. Its unit is the features': compare with the value of
    real images.

    Args:
      features: floats [N, F].
      labels: ints [N]; a class of a single image counts for nothing.

    Returns:
      At least 0, which it is where all images of a class are the same.

    Raises:
      ValueError: if the arrays are not such, or no class has two images.

    Source: the purpose of Odena et al. 2017, section 4.2, whose MS-SSIM takes images of
    176 pixels and more, by distances of features.
    """
    features, _ = checked_features(features=features, other=features)
    labels = np.asarray(labels)
    if labels.shape != (len(features),):
        raise ValueError(
            f"labels must be of {len(features)} images, not of shape {labels.shape}"
        )
    means = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)[:_MOST]
        if len(rows) > 1:
            total = _sum_of_distances(features[rows])
            means.append(float(total) / (len(rows) * (len(rows) - 1)))
    if not means:
        raise ValueError("no class has two images")
    return float(np.mean(means))


@jax.jit
def _sum_of_distances(features: jax.Array) -> jax.Array:
    """Over all ordered pairs of [N, F], []."""

    def of_one(row):
        return jnp.sqrt(jnp.sum((features - row[None]) ** 2, axis=1)).sum()

    return jax.lax.map(of_one, features).sum()


def _value(generated: Samples, real: Samples, settings) -> float:
    return class_diversity(generated.features, generated.labels)


CLASS_DIVERSITY = Metric(
    title="Diversity within classes (judge's features)",
    value=_value,
    check=has_pairs,
    needs_labels=True,
    within_classes=True,
    scores_training=True,
    sees="features",
)
