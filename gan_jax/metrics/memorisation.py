"""Memorisation: are generated images copies of training images?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gan_jax.metrics._checks import checked_features
from gan_jax.metrics._distances import nearest_distances
from gan_jax.metrics.metric import Metric, Samples, Scoring
from gan_jax.metrics.nearest_neighbours import nearest_neighbours


def copying(generated_distances: np.ndarray, test_distances: np.ndarray) -> float:
    """How much nearer generated images are to the training images than test images are.

    P(d_g < d_t) + P(d_g = d_t) / 2 for a random generated and a random test image, d
    the distance to the nearest training image: the U statistic of Mann and Whitney,
    divided by the number of pairs.

    Args:
      generated_distances: finite floats [N].
      test_distances: finite floats [M].

    Returns:
      In [0, 1]. 0.5 where generated images are as near as new real ones; 1 where every
      one is nearer, as copies are; 0 where every one is farther away, as images are
      that have not been learnt.

    Raises:
      ValueError: if an array is not such a list, or is empty.

    Source: Meehan et al. 2020, A Non-Parametric Test to Detect Data-Copying in
    Generative Models, section 3, over the whole space.
    """
    for name, array in (
        ("generated_distances", generated_distances),
        ("test_distances", test_distances),
    ):
        if np.ndim(array) != 1 or not len(array) or not np.isfinite(array).all():
            raise ValueError(
                f"{name} must be a list of finite numbers, not of shape "
                f"{np.shape(array)}"
            )
    ordered = np.sort(np.asarray(test_distances, np.float64))
    distances = np.asarray(generated_distances, np.float64)
    not_larger = np.searchsorted(ordered, distances, side="right")
    smaller = np.searchsorted(ordered, distances, side="left")
    return float(1 - (not_larger + smaller).mean() / (2 * len(ordered)))


def authenticity(
    generated_distances: np.ndarray, training_distances: np.ndarray
) -> float:
    """Share of the images that are no copies of their nearest training image.

    An image is authentic if it is farther away from the training image nearest to it
    than that one is from its own nearest other training image.

    Args:
      generated_distances: floats [N], of each image to its nearest training image.
      training_distances: floats [N], of that training image to the nearest other one.

    Returns:
      In [0, 1]; about 0.5 or more for new images, 0 for copies.

    Raises:
      ValueError: if the two are not equally long lists, or are empty.

    Source: Alaa et al. 2022, How Faithful is your Synthetic Data?, section 3.3.
    """
    shapes = np.shape(generated_distances), np.shape(training_distances)
    if shapes[0] != shapes[1] or len(shapes[0]) != 1 or 0 in shapes[0]:
        raise ValueError(
            "generated_distances and training_distances must be lists of one length, "
            f"not of shapes {shapes[0]} and {shapes[1]}"
        )
    farther = np.asarray(generated_distances) > np.asarray(training_distances)
    return float(np.mean(farther))


def _copying(
    metric: Metric, name: str, scoring: Scoring, *, distances: Callable
) -> dict[str, Any]:
    training = scoring.training
    generated, test = (
        distances(samples, training) for samples in (scoring.generated(0), scoring.real)
    )
    return {name: copying(generated, test)}


def _pixel_distances(samples: Samples, training: Samples) -> np.ndarray:
    return nearest_neighbours(samples.images, training.images)[0][:, 0]


def _feature_distances(samples: Samples, training: Samples) -> np.ndarray:
    return nearest_distances(
        *checked_features(images=samples.features, training=training.features)
    )


def _authenticity(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    training = scoring.training.images

    def score(samples):
        distances, nearest = nearest_neighbours(samples.images, training)
        rows, places = np.unique(nearest[:, 0], return_inverse=True)
        # The first neighbour of a training image is itself, or its duplicate.
        others = nearest_neighbours(training[rows], training, 2)[0][:, 1]
        return authenticity(distances[:, 0], others[places])

    return {
        name: score(scoring.generated(0)),
        f"{name}_real": {"mean": score(scoring.real)},
    }


COPYING, FEATURE_COPYING = (
    Metric(
        title=f"Copying ({what})",
        value=None,
        better="smallest",
        unit="%",
        digits=2,
        report=functools.partial(_copying, distances=distances),
        sees=sees,
    )
    for what, sees, distances in (
        ("pixels", "pixels", _pixel_distances),
        ("judge's features", "features", _feature_distances),
    )
)
AUTHENTICITY = Metric(
    title="Authenticity (pixels)",
    value=None,
    unit="%",
    digits=2,
    report=_authenticity,
    sees="pixels",
)
