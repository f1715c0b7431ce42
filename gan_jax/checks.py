"""Checks of a config: what is wrong is said before anything is computed."""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.build import ConfigError
from gan_jax.classifier import RECIPES
from gan_jax.data import (
    OWN_SOURCES,
    SPECS,
    DataError,
    Dataset,
    DatasetSpec,
    check_source,
    is_own,
)
from gan_jax.data.feed import FEEDS
from gan_jax.gan import PRIORS, Gan
from gan_jax.metrics import METRICS, metric_named
from gan_jax.networks.classifiers import check_image_shape
from gan_jax.parallel import PARALLEL

MAX_SEED = 2**32 - 1  # JAX's keys keep 32 bits of a seed
# The fields that may change over training, and the largest values of some.
_SCHEDULED = re.compile(
    r"ema_decay|augmentation_probability|terms\.\w+\.\w+|"
    r"(generator|discriminator)_optimizer\.(learning_rate|arguments\.\w+)"
)
_LAST_VALUES = {"ema_decay": 0.999999, "augmentation_probability": 1.0}


def check_config(config: ConfigDict, *, scored: bool = True) -> None:
    """Checks what needs no data set: names, ranges and combinations.

    `scored` says whether scores will be computed: their features and numbers of images
    are checked only then. Combinations that depend on the images' shape and classes are
    checked only if these are known, see `build.is_complete`.
    """
    try:
        _check_config(config)
        if scored:
            _check_numbers_of_images(config)
            build.build_features(config)
            if build.is_complete(config):
                _check_judge(config, build.dataset_spec(config))
    except (AttributeError, KeyError) as error:
        raise ConfigError(
            f"config is not whole, it lacks {error} (start from configs/default.py)"
        ) from error


def _check_config(config: ConfigDict) -> None:
    choices = {
        "parallel": PARALLEL,
        "data.feed": FEEDS,
        "compute_dtype": build.COMPUTE_DTYPES,
        "latent.prior": PRIORS,
        "classifier.name": RECIPES,
    }
    _check_numbers(config)
    choices |= {f"modes.{phase}": ("train", "eval") for phase in config.modes}
    for field, known in choices.items():
        _check_choice(field, _get(config, field), known)
    _check_data(config)
    _check_metrics(config)
    minimums = {
        "num_steps": 0,
        "population": 1,
        "batch_size": 1,
        "d_steps": 1,
        "g_steps": 1,
        "latent.size": 1,
        "log_every": 1,
        "sample_every": 1,
        "checkpoint_every": 1,
        "steps_per_dispatch": 1,
        "checkpoints.keep_latest": 1,
        "checkpoints.best_num_samples": 1,
        "sampling.num_samples": 0,
        "sampling.batch_size": 0,
        "sampling.standing_batches": 0,
        "eval.num_samples": 1,
        "eval.num_splits": 1,
        "eval.num_runs": 2,
        "eval.gan_train_runs": 1,
        "eval.gan_train_samples": 0,
        "eval.pool_checkpoints": 1,
        "eval.augmentation_runs": 1,
        "test_every": 0,
    }
    for field, minimum in minimums.items():
        if _get(config, field) < minimum:
            raise ConfigError(
                f"config.{field} is {_get(config, field)}; it must be >= {minimum}"
            )
    for field in (
        "inception_sizes",
        "augmentation_real_sizes",
        "augmentation_generated_sizes",
    ):
        for size in config.eval[field]:
            if not isinstance(size, int) or size < 0:
                raise ConfigError(
                    f"config.eval.{field} has {size!r}; each must be a whole number"
                )
    _check_seeds(config)
    if not 0 <= config.eval.filter_confidence < 1:
        raise ConfigError(
            f"config.eval.filter_confidence is {config.eval.filter_confidence}; it "
            "must be in [0, 1)"
        )
    for field in ("ema_decay", "ema_rampup"):
        if not 0 <= config[field] < 1:
            raise ConfigError(
                f"config.{field} is {config[field]}; it must be in [0, 1)"
            )
    rate = config.sampling.dropout_rate
    if rate != -1 and not 0 <= rate < 1:
        raise ConfigError(
            f"config.sampling.dropout_rate is {rate}; it must be in [0, 1), or -1"
        )
    probability = config.augmentation_probability
    if not 0 <= probability <= 1:
        raise ConfigError(
            f"config.augmentation_probability is {probability}; it must be in [0, 1]"
        )
    if probability != 1 and not config.augmentations:
        raise ConfigError(
            f"config.augmentation_probability is {probability}, but "
            "config.augmentations has none"
        )
    _check_pool(config)
    _check_schedules(config)
    for player in ("generator", "discriminator"):
        build.build_optimizer(config, player, num_steps=1)
    if config.num_steps == 0 and config.num_epochs < 1:
        raise ConfigError("config.num_steps and config.num_epochs are both 0")
    if config.population > 1 and config.data.feed == "host":
        raise ConfigError(
            f"config.data.feed is 'host', but config.population is {config.population}:"
            " its members take different batches; leave config.data.feed at 'device'"
        )
    if build.is_complete(config):
        _check_combinations(config)
    elif config.data.image_size:
        _check_unread(config)


def _check_unread(config: ConfigDict) -> None:
    """There are networks for pictures of this size, with classes or without.

    Said before the pictures are read, which takes minutes.
    """
    sides = config.data.image_size
    errors = []
    for classes in (("a", "b"), ("a",)):
        shape = (sides[0], sides[-1], 3)
        spec = DatasetSpec(config.data.name, shape, len(classes), classes)
        try:
            build.build_gan(build.completed(config, spec, ""), spec)
            return
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def _check_data(config: ConfigDict) -> None:
    """The data set has a source, and the options for pictures are in range."""
    name, source = config.data.name, config.data.source
    if ":" in source:
        build.look_up("data.source", source, {})
    elif source not in OWN_SOURCES and is_own(name):
        _check_choice("data.name", name, SPECS)
    try:
        check_source(name, source)
    except DataError as error:
        raise ConfigError(f"config.data.source is {source!r}: {error}") from None
    try:
        build.picture_options(config).check()
    except ValueError as error:
        raise ConfigError(f"config.data.{error}") from None


def _check_pool(config: ConfigDict) -> None:
    """The checkpoints that a score shares out its images among are kept."""
    number, kept = config.eval.pool_checkpoints, config.checkpoints.keep_latest
    if "gan_train_filtered" in config.eval.scores and number > kept:
        raise ConfigError(
            f"config.eval.pool_checkpoints is {number}, more than the "
            f"config.checkpoints.keep_latest, {kept}"
        )


def check_length(config: ConfigDict, num_steps: int) -> None:
    """So many steps have the checkpoints that a score shares out its images among.

    Raises:
      ConfigError: they have fewer.
    """
    number = config.eval.pool_checkpoints
    saved = -(-num_steps // config.checkpoint_every)
    if "gan_train_filtered" in config.eval.scores and number > saved:
        raise ConfigError(
            f"config.eval.pool_checkpoints is {number}, but {num_steps:,} steps have "
            f"{saved} (config.checkpoint_every is {config.checkpoint_every:,})"
        )


def _check_schedules(config: ConfigDict) -> None:
    """What is scheduled is a number that may change, and stays in its range."""
    fields = build.flatten(config.to_dict())
    for field, schedule in build.build_schedules(config).items():
        if not (_SCHEDULED.fullmatch(field) and isinstance(fields.get(field), float)):
            raise ConfigError(
                f"config.schedules.{field} is of a field that cannot change over "
                "training; those of ema_decay, augmentation_probability, an "
                "optimizer's learning_rate and arguments, and a term's numbers can"
            )
        end, last = schedule.end, _LAST_VALUES.get(field, math.inf)
        if not 0 <= end <= last:
            limit = f"in [0, {last}]" if field in _LAST_VALUES else ">= 0"
            raise ConfigError(
                f"config.schedules.{field}.end is {end}; it must be {limit}"
            )


def _check_numbers(config: ConfigDict) -> None:
    """No field holds NaN or an infinity, which pass most comparisons."""
    for field, value in build.flatten(config.to_dict()).items():
        for number in value if isinstance(value, tuple | list) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ConfigError(
                    f"config.{field} is {value}; it must be a finite number"
                )


def _check_seeds(config: ConfigDict) -> None:
    for field, last in (("seed", config.population - 1), ("classifier.seed", 0)):
        seed = _get(config, field)
        if not 0 <= seed <= MAX_SEED - last:
            more = f" (config.population is {config.population})" if last else ""
            raise ConfigError(
                f"config.{field} is {seed}; it must be from 0 to {MAX_SEED - last}"
                f"{more}"
            )


def _named_scores(config: ConfigDict) -> list[tuple[str, str, str]]:
    """Each score's field, its name, and the field with its number of images."""
    scores = [("eval.scores", name, "eval.num_samples") for name in config.eval.scores]
    if best := config.checkpoints.best_metric:
        number = "checkpoints.best_num_samples"
        scores.append(("checkpoints.best_metric", best, number))
    return scores


def _check_metrics(config: ConfigDict) -> None:
    """The metrics exist, and can be computed of this GAN's images."""
    for field, name, _ in _named_scores(config):
        metric = build.look_up(field, name, METRICS)
        if field == "checkpoints.best_metric" and metric.value is None:
            raise ConfigError(
                f"config.{field} is {name!r}, which takes more than a checkpoint's "
                "images: it cannot choose one"
            )
        # Images without classes make it unconditional, and leave such scores out.
        if metric.needs_labels and not config.conditional and build.is_complete(config):
            raise ConfigError(
                f"config.{field} has {name}, which needs the labels of generated "
                "images, but config.conditional is False"
            )


def _check_numbers_of_images(config: ConfigDict) -> None:
    """There are enough images for what is computed of them."""
    numbers = []
    for field, name, number_field in _named_scores(config):
        numbers.append((name, number_field, _get(config, number_field)))
        if (field, name) == ("eval.scores", "inception_score"):
            for size in config.eval.inception_sizes:
                numbers.append((name, "eval.inception_sizes", size))
    for name, field, number in numbers:
        metric = metric_named(name)
        problem = metric.check and metric.check(config.eval, number)
        if problem:
            raise ConfigError(f"config.{field} {problem}")


def _check_judge(config: ConfigDict, spec: DatasetSpec) -> None:
    """The judge, where there is one, can see images of this size."""
    # It is trained for any score: it counts the classes too.
    if not spec.has_classes or not _named_scores(config):
        return
    try:
        check_image_shape(config.classifier.name, spec.image_shape)
    except ValueError as error:
        raise ConfigError(
            f"config.classifier.name is {config.classifier.name!r}, which {error} "
            "(without config.eval.scores and config.checkpoints.best_metric it is not "
            "trained)"
        ) from None


def _check_batches(config: ConfigDict, gan: Gan) -> None:
    """Batches are large enough for what is computed over them."""
    modes, size = gan.modes, config.batch_size
    generator_trains = (
        modes.generator_in_discriminator_step or modes.generator_in_generator_step
    )
    discriminator_trains = (
        modes.discriminator_in_discriminator_step
        or modes.discriminator_in_generator_step
        or config.discriminator.get("minibatch_kernels", 0) > 0
    )
    for player, mixes, examples in (
        ("generator", gan.generator.mixes_examples and generator_trains, size),
        (
            "discriminator",
            gan.discriminator.mixes_examples and discriminator_trains,
            size * (2 if config.joint_batches else 1),
        ),
    ):
        if mixes and examples < 2:
            raise ConfigError(
                f"config.batch_size is {size}, but config.{player} compares the "
                "examples of a batch (batch norm, minibatch discrimination), which "
                "takes 2 or more"
            )
    if not (modes.generator_in_sampling and gan.sampling_generator.mixes_examples):
        return
    check_sampling_batch(config, gan)


def check_sampling_batch(config: ConfigDict, gan: Gan) -> None:
    """Checks the batch size for sampling where images depend on their batch.

    Raises:
      ConfigError: it is too small.
    """
    size = build.sampling_batch_size(config)
    needed = gan.num_classes if config.conditional else 2
    if size < needed:
        field = "sampling.batch_size" if config.sampling.batch_size else "batch_size"
        raise ConfigError(
            f"config.{field} is {size}, but images are generated with the statistics "
            "of their batch (config.modes.generator_in_sampling is 'train', or "
            f"--analysis=dropout), which must hold at least {needed}"
            + (", one of every class" if config.conditional else "")
            + " (config.sampling.batch_size)"
        )


def _check_standing_batches(config: ConfigDict, gan: Gan) -> None:
    """Standing statistics are of every class, and each batch has a variance."""
    number = config.sampling.standing_batches
    size = build.sampling_batch_size(config)
    needed = gan.num_classes if config.conditional else 2
    if size < 2 or number * size < needed:
        raise ConfigError(
            f"config.sampling.standing_batches takes statistics of {number} batches of "
            f"{size}, which must hold at least 2 images each and {needed} images"
            + (", one of every class" if config.conditional else "")
            + " (config.sampling.batch_size)"
        )


def _check_combinations(config: ConfigDict) -> None:
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    _check_batches(config, gan)
    if config.joint_batches and config.discriminator.get("minibatch_kernels", 0):
        raise ConfigError(
            "config.joint_batches is True, but config.discriminator.minibatch_kernels "
            f"is {config.discriminator.minibatch_kernels}: minibatch discrimination "
            "must not see real and generated images together"
        )
    if config.data.flip and not spec.mirror_symmetric:
        raise ConfigError(
            f"config.data.flip is True, but mirrored images of {config.data.name} are "
            "no images of it: the generator would learn what is not in the data"
        )
    if config.simultaneous_updates:
        reasons = {
            "config.d_steps or config.g_steps is not 1": (
                config.d_steps != 1 or config.g_steps != 1
            ),
            "the players' config.terms ask for images of different classes": (
                config.conditional
                and gan.objective.fake_labels("discriminator")
                != gan.objective.fake_labels("generator")
            ),
            "config.modes.generator_in_discriminator_step and "
            "config.modes.generator_in_generator_step differ": (
                config.modes.generator_in_discriminator_step
                != config.modes.generator_in_generator_step
            ),
        }
        for reason, holds in reasons.items():
            if holds:
                raise ConfigError(
                    "config.simultaneous_updates is True, for which both updates take "
                    f"the same generated images, but {reason}"
                )
    if config.population > 1 and config.parallel == "pmap":
        raise ConfigError(
            f"config.population is {config.population}: its members are spread over "
            "the devices, not their batches; leave config.parallel at 'jit'"
        )
    for name, term in gan.objective.counting.items():
        if term.fake_labels != "paired":
            continue
        if config.parallel == "pmap":
            raise ConfigError(
                f"config.terms.{name}: it compares images that lie on different "
                "devices under config.parallel 'pmap'; use 'jit'"
            )
        if config.batch_size < 2:
            raise ConfigError(
                f"config.terms.{name}: it compares pairs of generated images, which "
                f"takes a batch_size of 2, not {config.batch_size}"
            )
    if config.sampling.standing_batches:
        if config.modes.generator_in_sampling == "train":
            raise ConfigError(
                "config.sampling.standing_batches is set, but "
                "config.modes.generator_in_sampling is 'train', which takes the "
                "statistics of the batch"
            )
        if not hasattr(gan.generator, "norm_momentum"):
            raise ConfigError(
                "config.sampling.standing_batches is set, but "
                f"{type(gan.generator).__name__} has no norm_momentum"
            )
        _check_standing_batches(config, gan)
    if (
        config.sampling.dropout_rate >= 0
        and config.modes.generator_in_sampling == "eval"
    ):
        raise ConfigError(
            "config.sampling.dropout_rate is set, but "
            "config.modes.generator_in_sampling is 'eval', which has no dropout"
        )


def check_comparisons(
    config: ConfigDict, dataset: Dataset, generated_labels: np.ndarray | None = None
) -> None:
    """Images are large enough, and enough where they are compared or of one class.

    `generated_labels` are the classes of the images to score; None: they will be as
    many of each.

    Raises:
      ConfigError: a score takes larger images, more test or training images, or more
        of a class.
    """
    size = min(dataset.spec.image_shape[:2])
    num_classes = dataset.spec.num_classes
    of_classes = [
        np.bincount(labels, minlength=num_classes)
        for labels in (dataset.test_labels, dataset.train_labels)
    ]
    for field, name, number_field in _named_scores(config):
        metric = metric_named(name)
        if size < metric.smallest_size:
            raise ConfigError(
                f"config.{field} has {name}, which takes images of "
                f"{metric.smallest_size} pixels and more, not of {size}"
            )
        if not metric.check or not (metric.compares or metric.within_classes):
            continue
        numbers = {
            "test images": len(dataset.test_labels),
            "training images": len(dataset.train_labels),
        }
        if metric.within_classes:
            if generated_labels is None:
                num_samples = _get(config, number_field)
                generated = np.full(num_classes, -(-num_samples // num_classes))
            else:
                generated = np.bincount(generated_labels, minlength=num_classes)
            what, real = "test, training and generated", of_classes
            if not metric.compares:
                what, real = "training and generated", of_classes[1:]
            fewest = np.min([*real, generated], axis=0)
            numbers = {f"{what} images of a class": max(fewest)}
        for what, number in numbers.items():
            if problem := metric.check(config.eval, int(number)):
                raise ConfigError(
                    f"config.{field} has {name}, but the number of {what} {problem}"
                )


def with_dataset(config: ConfigDict) -> tuple[ConfigDict, Dataset]:
    """The config, `completed` if need be and checked once more, and its data set."""
    dataset = build.build_dataset(config)
    if not build.is_complete(config):
        config = build.completed(config, dataset.spec, dataset.fingerprint())
        check_config(config)
    return config, dataset


def _check_choice(field: str, value: Any, known: Iterable[str]) -> None:
    if value not in known:
        names = ", ".join(repr(name) for name in known)
        raise ConfigError(f"config.{field} is {value!r}; known: {names}")


def _get(config: ConfigDict, field: str) -> Any:
    for part in field.split("."):
        if part not in config:
            raise ConfigError(f"config.{field} is missing")
        config = config[part]
    return config
