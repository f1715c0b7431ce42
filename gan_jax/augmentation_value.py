"""What generated images are worth as further training data of a classifier."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np

from gan_jax.classifier import ClassifierSettings, train_classifier
from gan_jax.data import Dataset


def augmentation_value(
    dataset: Dataset,
    generate: Callable[[jax.Array, int], tuple[np.ndarray, np.ndarray]],
    key: jax.Array,
    *,
    real_sizes: Sequence[int],
    generated_sizes: Sequence[int],
    num_runs: int,
    settings: ClassifierSettings,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Accuracy of classifiers of n real and m generated images, on real test images.

    In a run the n images are the first of one random order, so that more images hold
    those of fewer; every run has its own order, generated images and classifier seed.
    The generator has seen all training images, the n and the others: what it adds to
    small n is more than a generator of the n alone could.

    Args:
      generate: (key, number) -> images uint8 [number, H, W, C] and labels int [number].
      real_sizes: each n, from 1 to the number of training images.
      generated_sizes: each m, from 0.
      num_runs: classifiers for each n and m.
      settings: of the classifiers; the seed of a run is added to theirs.
      progress: (classifiers that are trained, all) -> None.

    Returns:
      float64 [real sizes, generated sizes, runs], in [0, 1].

    Raises:
      ValueError: a size or `num_runs` is out of range.
    """
    number = len(dataset.train_labels)
    if not real_sizes or min(real_sizes) < 1 or max(real_sizes) > number:
        raise ValueError(f"real_sizes must be from 1 to {number}, not {real_sizes}")
    if not generated_sizes or min(generated_sizes) < 0:
        raise ValueError(f"generated_sizes must be >= 0, not {generated_sizes}")
    if num_runs < 1:
        raise ValueError(f"num_runs is {num_runs}; it must be >= 1")
    accuracies = np.zeros((len(real_sizes), len(generated_sizes), num_runs))
    trained = 0
    for run in range(num_runs):
        order_key, sample_key = jax.random.split(jax.random.fold_in(key, run))
        order = np.asarray(jax.random.permutation(order_key, number))
        images, labels = generate(sample_key, max(generated_sizes))
        for row, real in enumerate(real_sizes):
            for column, generated in enumerate(generated_sizes):
                chosen = order[:real]
                classifier = train_classifier(
                    np.concatenate([dataset.train_images[chosen], images[:generated]]),
                    np.concatenate([dataset.train_labels[chosen], labels[:generated]]),
                    num_classes=dataset.spec.num_classes,
                    settings=dataclasses.replace(settings, seed=settings.seed + run),
                )
                accuracies[row, column, run] = classifier.accuracy(
                    dataset.test_images, dataset.test_labels
                )
                trained += 1
                if progress:
                    progress(trained, accuracies.size)
    return accuracies
