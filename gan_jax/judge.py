"""What judges images of a data set: its classifier, and other features."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_jax import build, metrics
from gan_jax.classifier import (
    Classifier,
    ClassifierSettings,
    load_or_train_classifier,
    train_classifier,
)
from gan_jax.data import DataError, Dataset
from gan_jax.data.batches import fixed_order
from gan_jax.features import Features
from gan_jax.generator import Generator
from gan_jax.metrics import metric_named
from gan_jax.sampling import balanced_labels


@dataclasses.dataclass(frozen=True)
class Judge:
    """What scores see of images of a data set.

    Attributes:
      classifier: of the real images; None: they have no classes.
      settings: of the classifier.
      dataset: the real images.
      features: what takes the place of the classifier's features, see `eval.features`.
    """

    classifier: Classifier | None
    settings: ClassifierSettings
    dataset: Dataset
    features: Features | None = None

    @classmethod
    def load_or_train(cls, config: ConfigDict, dataset: Dataset) -> "Judge":
        """The judge of this data set, its classifier from the cache if it is there."""
        features = build.build_features(config)
        classifier = None
        if dataset.spec.has_classes:
            classifier = load_or_train_judge(config, dataset)
        return cls(classifier, build.classifier_settings(config), dataset, features)

    def score(
        self,
        name: str,
        generator: Generator,
        key: jax.Array,
        *,
        num_samples: int,
        settings: Mapping[str, Any],
    ) -> float:
        """The value of a metric of `num_samples` images, drawn by the key."""
        generated = self.samples(generator, key, num_samples)
        return metric_named(name).value_of(generated, self.real, settings)

    def samples(
        self, generator: Generator, key: jax.Array, num_samples: int
    ) -> metrics.Samples:
        """Generated images, every class in turn."""
        labels = None
        if generator.conditional:
            labels = balanced_labels(num_samples, self.dataset.spec.num_classes)
        return self.seen(lambda: generator.sample(key, num_samples), labels)

    @functools.cached_property
    def real(self) -> metrics.Samples:
        """The real test images."""
        return self._real(self.dataset.test_images, self.dataset.test_labels)

    @property
    def training(self) -> metrics.Samples:
        """The real training images."""
        return self._real(self.dataset.train_images, self.dataset.train_labels)

    def training_images(self, num_samples: int, skip: int = 0) -> metrics.Samples:
        """`num_samples` real training images, fewer if there are not so many.

        In a fixed random order, of which the first `skip` images are left out.
        """
        order = np.asarray(fixed_order(len(self.dataset.train_labels)))
        rows = order[skip : skip + num_samples]
        return self._real(
            self.dataset.train_images[rows], self.dataset.train_labels[rows]
        )

    def seen(
        self, make_images: Callable[[], jax.Array], labels: np.ndarray | None
    ) -> metrics.Samples:
        """Images, uint8 [N, H, W, C], as the scores see them."""
        samples = metrics.Samples(make_images, labels, self.classifier)
        if self.features is None:
            return samples
        extract, classify = self.features, self.features.logits
        return dataclasses.replace(samples, extract=extract, classify=classify)

    def _real(self, images: np.ndarray, labels: np.ndarray) -> metrics.Samples:
        samples = self.seen(lambda: images, labels)
        if self.features is None:
            return samples
        return dataclasses.replace(samples, extract=self.features.of_real)


def load_or_train_judge(config: ConfigDict, dataset: Dataset) -> Classifier:
    """The classifier of a data set's real images, from the cache if it is there.

    Raises:
      DataError: its images have no classes that a judge could tell apart.
    """
    if not dataset.spec.has_classes:
        raise DataError(
            f"the images of {dataset.spec.name} have no classes: no judge can be "
            "trained"
        )
    with _progress("judge") as progress:
        return load_or_train_classifier(
            dataset,
            settings=build.classifier_settings(config),
            cache_dir=config.classifier.cache_dir or None,
            progress=progress,
        )


def gan_train(
    images: jax.Array,
    labels: np.ndarray,
    *,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    num_classes: int,
    settings: ClassifierSettings,
) -> float:
    """Accuracy on real test images, in [0, 1], after training on generated ones.

    A new classifier is trained on `images` [N, H, W, C] uint8 and `labels` [N] alone.

    Source: Shmelkov et al. 2018, section 3.
    """
    with _progress("GAN-train") as progress:
        classifier = train_classifier(
            images,
            labels,
            num_classes=num_classes,
            settings=settings,
            progress=progress,
        )
    return classifier.accuracy(test_images, test_labels)


@contextlib.contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar for a classifier's training; quiet when not on a terminal."""
    with tqdm(desc=title, unit="step", disable=None, leave=False) as bar:

        def update(step, num_steps, loss):
            bar.total = num_steps
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        yield update
