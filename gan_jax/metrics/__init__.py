"""Scores of images, most by a classifier's logits: arrays in, floats out."""

from gan_jax.metrics.accuracy import accuracy
from gan_jax.metrics.class_frequencies import class_frequencies
from gan_jax.metrics.inception_score import inception_score
from gan_jax.metrics.nearest_neighbours import nearest_neighbours
from gan_jax.metrics.spread import mean_and_sample_std

__all__ = [
    "accuracy",
    "class_frequencies",
    "inception_score",
    "mean_and_sample_std",
    "nearest_neighbours",
]
