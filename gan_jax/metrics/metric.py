"""What a score is made of: how it is computed, named and compared."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from gan_jax.metrics.spread import mean_and_sample_std


class _Classifier(Protocol):
    def logits(self, images: jax.Array) -> jax.Array: ...
    def features(self, images: jax.Array) -> jax.Array: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Images, and what the judge makes of them once it is asked.

    Attributes:
      make_images: gives the images, uint8 [N, H, W, C]; called when they are needed,
        each time the same.
      labels: [N] int32, the classes that the images are to show; None: not known.
      classifier: the judge.
    """

    make_images: Callable[[], jax.Array]
    labels: np.ndarray | None
    classifier: _Classifier

    @property
    def images(self) -> jax.Array:
        """uint8 [N, H, W, C]."""
        return self.make_images()

    @functools.cached_property
    def logits(self) -> jax.Array:
        """The judge's, float32 [N, classes]."""
        return self.classifier.logits(self.images)

    @functools.cached_property
    def features(self) -> jax.Array:
        """The judge's activations before its last layer, float32 [N, F]."""
        return self.classifier.features(self.images)

    def compared(
        self, function: Callable[["Samples", "Samples"], Any], real: "Samples"
    ) -> Any:
        """function(self, real), computed once: several scores may be parts of it."""
        key = (function, real)
        if key not in self._comparisons:
            self._comparisons[key] = function(self, real)
        return self._comparisons[key]

    @functools.cached_property
    def _comparisons(self) -> dict[Any, Any]:
        return {}


@dataclasses.dataclass(frozen=True)
class Scoring:
    """A trained generator, as a metric sees it.

    Attributes:
      generated: run number -> samples of the generator; kept once they are made.
      real: the real test images.
      training: the real training images.
      settings: the config's section `eval`.
      training_set: run number -> samples to train another classifier with.
      pool: (checkpoint, draw) -> as many samples, other ones for each draw, of the last
        checkpoints: 0 is the scored one, 1 the one before, up to `pool_checkpoints`.
      train_and_test: training samples -> accuracy on the real test images, in [0, 1].
    """

    generated: Callable[[int], Samples]
    real: Samples
    training: Samples
    settings: Mapping[str, Any]
    training_set: Callable[[int], Samples]
    train_and_test: Callable[[Samples], float]
    pool: Callable[[int, int], Samples]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A score of generated images.

    Attributes:
      title: for people.
      value: (generated, real, settings) -> the score of one set of samples; None: it
        takes more than that, and `report` alone gives it.
      better: 'largest' or 'smallest'.
      unit: '%' for fractions in [0, 1], which people are shown in per cent; or ''.
      digits: after the point, as people are shown it.
      needs_labels: whether generated images must have labels: a conditional generator.
      report: what a whole evaluation gives; see `over_runs`.
      check: (settings, number of images) -> why so many are too few, or None.
      compares: whether the score compares generated with real images. Training images
        in place of generated ones then give `NAME_real`, and half of them against the
        other half `NAME_floor`.
      scores_training: whether training images in place of generated ones give
        `NAME_real` where the score compares nothing.
      real: the field of evaluation.json with the value of real images, where that is
        not `NAME_real`.
    """

    title: str
    value: Callable[[Samples, Samples, Mapping[str, Any]], float] | None
    better: str = "largest"
    unit: str = ""
    digits: int = 3
    needs_labels: bool = False
    report: Callable[["Metric", str, Scoring], dict[str, Any]] | None = None
    check: Callable[[Mapping[str, Any], int], str | None] | None = None
    compares: bool = False
    scores_training: bool = False
    real: str = ""

    def scores(self, name: str, scoring: Scoring) -> dict[str, Any]:
        """What evaluation.json holds of the metric of this name.

        `name` itself is {mean, std, ...}, or a number with its deviation beside it as
        `NAME_std`.
        """
        return (self.report or over_runs)(self, name, scoring)

    @property
    def scale(self) -> float:
        """What a value is multiplied by where people are shown it."""
        return 100 if self.unit == "%" else 1

    def shown(self, value: float, std: float | None = None) -> str:
        """The number, and its deviation, as people are shown them; without the unit."""
        numbers = [number for number in (value, std) if number is not None]
        return " ± ".join(
            f"{self.scale * number:.{self.digits}f}" for number in numbers
        )

    @property
    def description(self) -> dict[str, Any]:
        """What evaluation.json says of the metric itself."""
        fields = ("title", "unit", "digits", "better")
        return {field: getattr(self, field) for field in fields}


def over_runs(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """Mean and sample standard deviation over `num_runs` sets of samples.

    Of a single set its score alone.
    """
    num_runs = scoring.settings["num_runs"]
    values = [
        metric.value(scoring.generated(run), scoring.real, scoring.settings)
        for run in range(num_runs)
    ]
    if num_runs == 1:
        return {name: values[0]}
    mean, std = mean_and_sample_std(values)
    return {name: {"mean": mean, "std": std, "num_runs": num_runs}}


def mean_and_std(scores: Mapping[str, Any], name: str) -> tuple[float, float | None]:
    """Of a metric in an evaluation; the deviation is None if there is none."""
    score = scores[name]
    if isinstance(score, Mapping):
        return score["mean"], score.get("std")
    return score, scores.get(f"{name}_std")
