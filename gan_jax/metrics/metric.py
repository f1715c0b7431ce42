"""What a score is made of: how it is computed, named and compared."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from gan_jax.metrics.spread import mean_and_sample_std

# In titles; gives way to the name of other features.
_JUDGES_FEATURES = "judge's features"


class _Classifier(Protocol):
    def logits(self, images: jax.Array) -> jax.Array: ...
    def features(self, images: jax.Array) -> jax.Array: ...


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Images, and what the judge and others make of them once they are asked.

    Attributes:
      make_images: gives the images, uint8 [N, H, W, C]; called when they are needed,
        each time the same.
      labels: [N] int32, the classes that the images are to show; None: not known.
      classifier: the judge; None: the data have no classes, so there is none.
      extract: images -> float [N, F], in place of the judge's features.
      classify: features -> float [N, classes], in place of the judge's logits where
        they are for the Inception Score.
    """

    make_images: Callable[[], jax.Array]
    labels: np.ndarray | None
    classifier: _Classifier | None
    extract: Callable[[jax.Array], np.ndarray] | None = None
    classify: Callable[[np.ndarray], jax.Array] | None = None

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
        """Those of `eval.features`, float32 [N, F].

        By default the judge's activations before its last layer.
        """
        extract = self.extract or self.classifier.features
        return extract(self.images)

    @functools.cached_property
    def inception_logits(self) -> jax.Array:
        """Those of the Inception Score, float32 [N, classes]."""
        return self.classify(self.features) if self.classify else self.logits

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


_DESCRIBED = ("title", "unit", "digits", "better")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A score of generated images.

    Attributes:
      title: for people. Its "judge's features" give way to other `eval.features`.
      value: (generated, real, settings) -> the score of one set of samples; None: it
        takes more than that, and `report` alone gives it.
      better: 'largest' or 'smallest'.
      unit: '%' for fractions in [0, 1], which people are shown in per cent; or ''.
      digits: after the point, as people are shown it.
      needs_labels: whether generated images must have labels: a conditional generator.
      report: what a whole evaluation gives; see `over_runs`.
      check: (settings, number of images) -> why so many are too few, or None. If the
        score compares, it is called with the number of real images too.
      smallest_size: the least height and width of images that it takes, in pixels.
      within_classes: whether it compares images of one class at a time; `check` is then
        called with the number of images of the largest class.
      compares: whether the score compares generated with real images. Training images
        in place of generated ones then give `NAME_real`, and training images against as
        many other ones `NAME_floor`.
      scores_training: whether training images in place of generated ones give
        `NAME_real` where the score compares nothing.
      real: the field of evaluation.json with the value of real images, where that is
        not `NAME_real`.
      sees: what it looks at: the 'features' of `eval.features`; the 'logits' of the
        Inception Score, Inception's or the judge's; what the 'judge' says, whatever
        `eval.features` is; 'pixels'. '': not known, perhaps the judge.
      inception_title: the title where `eval.features` is 'inception'.
    """

    title: str
    value: Callable[[Samples, Samples, Mapping[str, Any]], float] | None
    better: str = "largest"
    unit: str = ""
    digits: int = 3
    needs_labels: bool = False
    report: Callable[["Metric", str, Scoring], dict[str, Any]] | None = None
    check: Callable[[Mapping[str, Any], int], str | None] | None = None
    smallest_size: int = 1
    compares: bool = False
    within_classes: bool = False
    scores_training: bool = False
    real: str = ""
    sees: str = ""
    inception_title: str = ""

    def scores(self, name: str, scoring: Scoring) -> dict[str, Any]:
        """What evaluation.json holds of the metric of this name.

        `name` itself is {mean, std, ...}, or a number with its deviation beside it as
        `NAME_std`.
        """
        return (self.report or over_runs)(self, name, scoring)

    def value_of(
        self, generated: Samples, real: Samples, settings: Mapping[str, Any]
    ) -> float:
        """`value` as a plain number: a user's metric may give NumPy's or JAX's."""
        return float(self.value(generated, real, settings))

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

    def seen_with(self, features: str) -> str:
        """What it sees with these `eval.features`: their name, or another `sees`."""
        if self.sees == "features":
            return features
        if self.sees == "logits":
            return "inception" if features == "inception" else "judge"
        return self.sees

    def needs_judge(self, features: str) -> bool:
        """Whether it takes, or may take, a judge with these `eval.features`."""
        return self.seen_with(features) in ("judge", "")

    def description(self, features: str) -> dict[str, Any]:
        """What evaluation.json says of the metric, with these `eval.features`."""
        described = {field: getattr(self, field) for field in _DESCRIBED}
        if seen := self.seen_with(features):
            described["features"] = seen
        if seen == features != "judge":
            described["title"] = self._title_with(features)
        return described

    def described(self, description: Mapping[str, Any]) -> "Metric":
        """The metric as an evaluation describes it."""
        known = {
            field: description[field] for field in _DESCRIBED if field in description
        }
        return dataclasses.replace(self, **known)

    def with_features(self, features: str) -> "Metric":
        """The metric as it is titled with these `eval.features`."""
        return self.described(self.description(features))

    def _title_with(self, features: str) -> str:
        if features == "inception" and self.inception_title:
            return self.inception_title
        named = "Inception" if features == "inception" else features
        return self.title.replace(_JUDGES_FEATURES, f"{named} features")


def over_runs(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """Mean and sample standard deviation over `num_runs` sets of samples.

    Of a single set its score alone.
    """
    num_runs = scoring.settings["num_runs"]
    values = [
        metric.value_of(scoring.generated(run), scoring.real, scoring.settings)
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
