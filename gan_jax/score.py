"""Scores of images that any program has made: arrays, an .npz file or pictures."""

import functools
import json
import pathlib
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, checks, metrics
from gan_jax.build import ConfigError
from gan_jax.data import (
    DataError,
    DatasetSpec,
    check_images,
    check_split,
    read_pictures,
)
from gan_jax.data.batches import fixed_order, some_of
from gan_jax.data.formats.damage import reading
from gan_jax.evaluate import (
    MAX_HEALTH_SAMPLES,
    class_counts,
    protocol,
    real_scores,
    score_warnings,
)
from gan_jax.health import unhealthy_images
from gan_jax.judge import Judge, gan_train
from gan_jax.metrics import metric_named
from gan_jax.paths import check_writable, local_path
from gan_jax.precision import in_32_bits
from gan_jax.report.files import atomic_write

SCORES_FILE = "scores.json"
# Needs other images than those that are there.
_GENERATOR_SCORES = ("gan_train_filtered",)


@in_32_bits
def score_images(
    config: ConfigDict,
    images: np.ndarray | jax.Array | str | pathlib.Path,
    output: str | pathlib.Path | None = None,
    *,
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """Scores images by the judge of the config's data set.

    Each score of `eval.scores` is of all images at once, without a deviation over runs.
    The images are taken in a fixed random order: the splits of the Inception Score do
    not depend on classes that follow one another in a file.
    Scores that need labels, or classes and a judge, are left out where there are none;
    so is that of filtered images, which needs a generator.

    Args:
      config: of the data set, of the judge and of the scores.
      images: uint8 [N, H, W, C]; or an .npz with `images` (or `arr_0`) and perhaps
        `labels`; or a folder or zip file of pictures, perhaps in subfolders of the
        classes' names.
      output: folder for scores.json; None: none is written.
      labels: ints [N], of images that bring none.

    Returns:
      What scores.json holds: as evaluation.json, with `images` in place of `step`.

    Raises:
      ConfigError, DataError: the images are not like the data set's, or too few; or
        there are labels beside the images' own.
      OSError: scores.json cannot be written there.
    """
    checks.check_config(config)
    if output is not None:
        output = local_path(output, "output")
        check_writable(output)
    if isinstance(images, str | pathlib.Path):
        images = local_path(images, "images")
        origin = str(images)
    else:
        origin = "images"
    config, dataset = checks.with_dataset(config)
    if isinstance(images, pathlib.Path):
        images, own = _read(images, dataset.spec, build.picture_options(config))
        labels = _one_of(own, labels, origin)
    images, labels = _checked(images, labels, dataset.spec, origin)
    # Files are often sorted by class, and scores take parts of the images.
    order = np.asarray(fixed_order(len(images)))
    images, labels = images[order], None if labels is None else labels[order]
    config = config.copy_and_resolve_references().unlock()
    config.eval.num_samples = len(images)
    config.checkpoints.best_metric = ""  # There is no checkpoint to choose.
    config.eval.scores, left_out = _possible(config, dataset.spec, labels)
    config.eval.inception_sizes, too_large = _possible_sizes(config)
    left_out += too_large
    _check_number(config, origin)
    checks.check_comparisons(config, dataset, labels)
    judge = Judge.load_or_train(config, dataset)
    samples = judge.seen(lambda: images, labels)
    train_and_test = functools.partial(
        gan_train,
        test_images=dataset.test_images,
        test_labels=dataset.test_labels,
        num_classes=dataset.spec.num_classes,
        settings=judge.settings,
    )
    scoring = metrics.Scoring(
        generated=lambda run: samples,
        real=judge.real,
        training=judge.training,
        settings=config.eval.to_dict() | {"num_runs": 1, "gan_train_runs": 1},
        training_set=lambda run: samples,
        train_and_test=lambda given: train_and_test(given.images, given.labels),
        pool=lambda checkpoint, draw: samples,
    )
    result = {
        "images": origin,
        "num_samples": len(images),
        **protocol(config, dataset),
        **real_scores(config, judge),
        **class_counts([samples]),
    }
    for name in config.eval.scores:
        result |= metric_named(name).scores(name, scoring)
    result["warnings"] = left_out + score_warnings(config, dataset, result)
    result["health"] = unhealthy_images(
        some_of(images, MAX_HEALTH_SAMPLES),
        None if labels is None else some_of(labels, MAX_HEALTH_SAMPLES),
        training_images=dataset.train_images,
        training_labels=dataset.train_labels,
        test_images=dataset.test_images,
    )
    if output is not None:
        with atomic_write(output / SCORES_FILE) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n")
    return result


def _possible(
    config: ConfigDict, spec: DatasetSpec, labels: np.ndarray | None
) -> tuple[tuple[str, ...], list[str]]:
    """The scores that such images can have, and why the others are left out."""
    possible, left_out = build.possible_scores(config, spec)
    kept = []
    for name in possible:
        if name in _GENERATOR_SCORES:
            left_out.append(f"{name} is left out: it needs a generator")
        elif labels is None and metric_named(name).needs_labels:
            left_out.append(f"{name} is left out: the images have no labels")
        else:
            kept.append(name)
    return tuple(kept), left_out


def _possible_sizes(config: ConfigDict) -> tuple[tuple[int, ...], list[str]]:
    """The sizes of which there are images, and why the others are left out."""
    number = config.eval.num_samples
    sizes = config.eval.inception_sizes
    left_out = [
        f"inception_score of {size:,} images is left out: there are {number:,}"
        for size in sizes
        if size > number and "inception_score" in config.eval.scores
    ]
    return tuple(size for size in sizes if size <= number), left_out


def _check_number(config: ConfigDict, origin: str) -> None:
    for name in config.eval.scores:
        check = metric_named(name).check
        reason = check and check(config.eval.to_dict(), config.eval.num_samples)
        if reason:
            raise ConfigError(f"{origin}: the number of images {reason} ({name})")


def _checked(
    images: np.ndarray | jax.Array,
    labels: np.ndarray | None,
    spec: DatasetSpec,
    origin: str,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images like the data set's, and their labels, int32 [N], if they have any."""
    images = np.asarray(images)
    # Those of an unconditional generator are -1.
    if labels is None or (np.size(labels) and np.all(np.equal(labels, -1))):
        return check_images(spec=spec, images=images, origin=origin), None
    return check_split(
        spec=spec,
        images=images,
        labels=np.asarray(labels),
        images_from=origin,
        labels_from=origin,
    )


def _one_of(
    own: np.ndarray | None, given: np.ndarray | None, origin: str
) -> np.ndarray | None:
    if own is None:
        return given
    if given is not None:
        raise ConfigError(
            f"{origin} has labels of its own: expected no argument labels beside them"
        )
    return own


def _read(
    place: pathlib.Path, spec: DatasetSpec, options: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    if place.suffix == ".npz":
        return _read_npz(place)
    images, names = read_pictures(place, options)
    return images, None if names is None else _numbers(names, spec, place)


def _read_npz(place: pathlib.Path) -> tuple[np.ndarray, np.ndarray | None]:
    if not place.exists():
        raise DataError(f"{place} is not there")
    expectation = "an .npz archive with an array images"
    with reading(place, expectation), np.load(place) as arrays:
        names = [name for name in ("images", "arr_0") if name in arrays]
        if not names:
            found = ", ".join(arrays) or "none"
            raise DataError(f"{place}: expected an array images, found {found}")
        return arrays[names[0]], arrays.get("labels")


def _numbers(names: list[str], spec: DatasetSpec, place: pathlib.Path) -> np.ndarray:
    """Classes by their names, or by their numbers."""
    try:
        return np.array([spec.class_number(name) for name in names], np.int32)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
