"""Scores of images, most by a classifier's outputs: arrays in, floats out.

METRICS are those that an evaluation can ask for, by name. A new one is a `Metric` in a
file of its own and a line here.
"""

from gan_jax.metrics._checks import checked_labels
from gan_jax.metrics.accuracy import accuracy
from gan_jax.metrics.class_diversity import CLASS_DIVERSITY, class_diversity
from gan_jax.metrics.class_frechet_distance import (
    CLASS_FRECHET_DISTANCE,
    class_frechet_distance,
)
from gan_jax.metrics.class_frequencies import class_frequencies
from gan_jax.metrics.class_frequency_distance import (
    CLASS_FREQUENCY_DISTANCE,
    class_frequency_distance,
)
from gan_jax.metrics.class_ms_ssim import CLASS_MS_SSIM, class_ms_ssim
from gan_jax.metrics.confusion_matrix import confusion_matrix
from gan_jax.metrics.density_coverage import COVERAGE, DENSITY, density_coverage
from gan_jax.metrics.frechet_distance import FRECHET_DISTANCE, frechet_distance
from gan_jax.metrics.gan_test import GAN_TEST
from gan_jax.metrics.gan_train import GAN_TRAIN
from gan_jax.metrics.gan_train_filtered import GAN_TRAIN_FILTERED
from gan_jax.metrics.inception_score import INCEPTION_SCORE, inception_score
from gan_jax.metrics.kernel_distance import KERNEL_DISTANCE, kernel_distance
from gan_jax.metrics.memorisation import (
    AUTHENTICITY,
    COPYING,
    FEATURE_COPYING,
    authenticity,
    copying,
)
from gan_jax.metrics.metric import Metric, Samples, Scoring, mean_and_std
from gan_jax.metrics.nearest_neighbours import nearest_neighbours
from gan_jax.metrics.precision_recall import PRECISION, RECALL, precision_recall
from gan_jax.metrics.spread import mean_and_sample_std
from gan_jax.names import lookup

__all__ = [
    "METRICS",
    "Metric",
    "Samples",
    "Scoring",
    "accuracy",
    "authenticity",
    "checked_labels",
    "class_diversity",
    "class_frechet_distance",
    "class_frequencies",
    "class_frequency_distance",
    "class_ms_ssim",
    "confusion_matrix",
    "copying",
    "density_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mean_and_sample_std",
    "mean_and_std",
    "metric_named",
    "nearest_neighbours",
    "precision_recall",
]

METRICS: dict[str, Metric] = {
    "gan_test": GAN_TEST,
    "gan_train": GAN_TRAIN,
    "gan_train_filtered": GAN_TRAIN_FILTERED,
    "inception_score": INCEPTION_SCORE,
    "frechet_distance": FRECHET_DISTANCE,
    "class_frechet_distance": CLASS_FRECHET_DISTANCE,
    "kernel_distance": KERNEL_DISTANCE,
    "precision": PRECISION,
    "recall": RECALL,
    "density": DENSITY,
    "coverage": COVERAGE,
    "class_frequency_distance": CLASS_FREQUENCY_DISTANCE,
    "class_diversity": CLASS_DIVERSITY,
    "class_ms_ssim": CLASS_MS_SSIM,
    "copying": COPYING,
    "feature_copying": FEATURE_COPYING,
    "authenticity": AUTHENTICITY,
}


def metric_named(name: str) -> Metric:
    """An entry of METRICS, or the object of a name `package.module:attribute`.

    Raises:
      ValueError: there is none.
    """
    return lookup(name, METRICS)
