"""From a config to the objects it names; what these are made of knows no ConfigDict.

Every function raises ConfigError, naming the field, for a value that cannot be used.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from gan_jax.augment import AUGMENTATIONS
from gan_jax.cache import cache_dir
from gan_jax.classifier import RECIPES, ClassifierSettings
from gan_jax.data import (
    OWN_SOURCES,
    SPECS,
    DataError,
    Dataset,
    DatasetSpec,
    PictureOptions,
    aligned,
    check_source,
    grayscale_dataset,
    grayscale_spec,
    is_own,
    load_dataset,
)
from gan_jax.data.feed import FEEDS
from gan_jax.features import WEIGHTS, Features, inception_features
from gan_jax.gan import PRIORS, Gan, PhaseModes
from gan_jax.metrics import METRICS, Metric, metric_named
from gan_jax.names import lookup
from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.networks.base import Network
from gan_jax.objective import GAMES, TERMS, Objective
from gan_jax.optimizers import make_optimizer
from gan_jax.parallel import PARALLEL, Devices, batch_devices, member_devices
from gan_jax.paths import local_path
from gan_jax.population import OWN
from gan_jax.sampling import Sampler
from gan_jax.schedules import Schedule
from gan_jax.sections import defaults

MAX_SEED = 2**32 - 1  # JAX's keys keep 32 bits of a seed
MAX_UPDATES = 2**31 - 1  # steps, and batches, are counted in int32
# The fields that may change over training, and the largest values of some.
_SCHEDULED = re.compile(
    r"ema_decay|augmentation_probability|terms\.\w+\.\w+|"
    r"(generator|discriminator)_optimizer\.(learning_rate|arguments\.\w+)"
)
_LAST_VALUES = {"ema_decay": 0.999999, "augmentation_probability": 1.0}
# Made by `build_features`.
_KNOWN_FEATURES = {"judge": None, "inception": None}
COMPUTE_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class ConfigError(ValueError):
    """A config that cannot be used: the message names the field and says why."""


def check_config(config: ConfigDict, *, scored: bool = True) -> None:
    """Checks what needs no data set: names, ranges and combinations.

    Of scores only if any are to be computed; and what depends on the images and classes
    only if they are known, see `is_complete`.
    """
    try:
        _check_config(config)
        if scored:
            _check_numbers_of_images(config)
            build_features(config)
    except (AttributeError, KeyError) as error:
        raise ConfigError(
            f"config is not whole, it lacks {error} (start from configs/default.py)"
        ) from error


def _check_config(config: ConfigDict) -> None:
    choices = {
        "parallel": PARALLEL,
        "data.feed": FEEDS,
        "compute_dtype": COMPUTE_DTYPES,
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
    _check_schedules(config)
    for player in ("generator", "discriminator"):
        build_optimizer(config, player, num_steps=1)
    if config.num_steps == 0 and config.num_epochs < 1:
        raise ConfigError("config.num_steps and config.num_epochs are both 0")
    if config.population > 1 and config.data.feed == "host":
        raise ConfigError(
            f"config.data.feed is 'host', but config.population is {config.population}:"
            " its members take different batches; leave config.data.feed at 'device'"
        )
    if is_complete(config):
        _check_combinations(config)


def _check_data(config: ConfigDict) -> None:
    """The data set has a source, and the options for pictures are in range."""
    name, source = config.data.name, config.data.source
    if ":" in source:
        _look_up("data.source", source, {})
    elif source not in OWN_SOURCES and is_own(name):
        _check_choice("data.name", name, SPECS)
    try:
        check_source(name, source)
    except DataError as error:
        raise ConfigError(f"config.data.source is {source!r}: {error}") from None
    try:
        picture_options(config).check()
    except ValueError as error:
        raise ConfigError(f"config.data.{error}") from None


def _check_schedules(config: ConfigDict) -> None:
    """What is scheduled is a number that may change, and stays in its range."""
    fields = flatten(config.to_dict())
    for field, schedule in build_schedules(config).items():
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


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as one level, with dots in their names."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _check_numbers(config: ConfigDict) -> None:
    """No field holds NaN or an infinity, which pass most comparisons."""
    for field, value in flatten(config.to_dict()).items():
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


def _check_metrics(config: ConfigDict) -> None:
    """The metrics exist, and can be computed of this GAN's images."""
    fields = [("eval.scores", name) for name in config.eval.scores]
    if best := config.checkpoints.best_metric:
        fields.append(("checkpoints.best_metric", best))
    for field, name in fields:
        metric = _look_up(field, name, METRICS)
        if field == "checkpoints.best_metric" and metric.value is None:
            raise ConfigError(
                f"config.{field} is {name!r}, which takes more than a checkpoint's "
                "images: it cannot choose one"
            )
        # Images without classes make it unconditional, and leave such scores out.
        if metric.needs_labels and not config.conditional and is_complete(config):
            raise ConfigError(
                f"config.{field} has {name}, which needs the labels of generated "
                "images, but config.conditional is False"
            )


def _check_numbers_of_images(config: ConfigDict) -> None:
    """There are enough images for what is computed of them."""
    for field in (
        "inception_sizes",
        "augmentation_real_sizes",
        "augmentation_generated_sizes",
    ):
        for size in config.eval[field]:
            if not isinstance(size, int):
                raise ConfigError(
                    f"config.eval.{field} has {size!r}; each must be a whole number"
                )
    numbers = []
    for name in config.eval.scores:
        numbers.append((name, "eval.num_samples", config.eval.num_samples))
        if name == "inception_score":
            for size in config.eval.inception_sizes:
                numbers.append((name, "eval.inception_sizes", size))
    if best := config.checkpoints.best_metric:
        number = config.checkpoints.best_num_samples
        numbers.append((best, "checkpoints.best_num_samples", number))
    for name, field, number in numbers:
        metric = metric_named(name)
        problem = metric.check and metric.check(config.eval, number)
        if problem:
            raise ConfigError(f"config.{field} {problem}")


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
    """For generators whose images depend on their batch.

    Raises:
      ConfigError: it is too small.
    """
    size = config.sampling.batch_size or config.batch_size
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


def _check_combinations(config: ConfigDict) -> None:
    spec = dataset_spec(config)
    gan = build_gan(config, spec)
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
    for name, term in gan.objective.terms.items():
        if term.fake_labels != "paired" or not term.weight:
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
    if (
        config.sampling.dropout_rate >= 0
        and config.modes.generator_in_sampling == "eval"
    ):
        raise ConfigError(
            "config.sampling.dropout_rate is set, but "
            "config.modes.generator_in_sampling is 'eval', which has no dropout"
        )


def is_complete(config: ConfigDict) -> bool:
    """Whether images and classes are known: of a known set, or `completed` by it."""
    return not is_own(config.data.name) or bool(config.data.image_shape)


def completed(config: ConfigDict, spec: DatasetSpec, fingerprint: str) -> ConfigDict:
    """The config with what is known of a data set of one's own when it is read.

    Without classes the GAN is unconditional, its norms too, and there are no scores
    but those that need no judge.
    """
    config = config.copy_and_resolve_references()
    config.data.image_shape = spec.image_shape
    config.data.class_names = spec.class_names
    config.data.fingerprint = fingerprint
    if not spec.has_classes:
        config.conditional = False
        for network in (config.generator, config.discriminator):
            if network.get("norm") == "conditional_batch":
                network.norm = "batch"
        config.eval.scores, _ = possible_scores(config, spec)
        best = config.checkpoints.best_metric
        if best and _needs_classes(metric_named(best), config):
            config.checkpoints.best_metric = ""
    return config


def possible_scores(
    config: ConfigDict, spec: DatasetSpec
) -> tuple[tuple[str, ...], list[str]]:
    """The scores of `eval.scores` that images of these classes can have.

    And a line for each of the others, with the reason.
    """
    if spec.has_classes:
        return tuple(config.eval.scores), []
    kept, left_out = [], []
    for name in config.eval.scores:
        if _needs_classes(metric_named(name), config):
            left_out.append(
                f"{name} is left out: the images of {spec.name} have no classes, and "
                "so no judge"
            )
        else:
            kept.append(name)
    return tuple(kept), left_out


def _needs_classes(metric: Metric, config: ConfigDict) -> bool:
    return metric.needs_labels or metric.needs_judge(config.eval.features)


def dataset_spec(config: ConfigDict) -> DatasetSpec:
    """What is known of the data set without reading it.

    Raises:
      ConfigError: nothing is, see `is_complete`.
    """
    if not is_complete(config):
        raise ConfigError(
            "config.data.image_shape and config.data.class_names are not known before "
            f"the images of {config.data.name} are read"
        )
    if is_own(config.data.name):
        return DatasetSpec(
            config.data.name,
            config.data.image_shape,
            len(config.data.class_names),
            config.data.class_names,
            mirror_symmetric=config.data.flip,
        )
    spec = _look_up("data.name", config.data.name, SPECS)
    if not isinstance(spec, DatasetSpec):
        raise ConfigError(
            f"config.data.name is {config.data.name!r}, which is no DatasetSpec"
        )
    if not config.data.grayscale:
        return spec
    _check_is_colour(spec)
    return grayscale_spec(spec)


def _check_is_colour(spec: DatasetSpec) -> None:
    if spec.image_shape[-1] == 1:
        raise ConfigError(
            f"config.data.grayscale is True, but the images of {spec.name} have one "
            "channel already"
        )


def picture_options(config: ConfigDict) -> PictureOptions:
    """How pictures in a folder become a data set."""
    return PictureOptions(
        image_size=tuple(config.data.image_size),
        fit=config.data.fit,
        test_fraction=config.data.test_fraction,
        on_error=config.data.on_error,
    )


def build_dataset(config: ConfigDict) -> Dataset:
    """The data set, read-only; raises DataError too, for what its files have wrong."""
    dataset = load_dataset(
        name=config.data.name,
        source=config.data.source,
        directory=config.data.dir,
        pictures=picture_options(config),
    )
    if config.data.grayscale:
        _check_is_colour(dataset.spec)
        dataset = grayscale_dataset(dataset)
    expected = config.data.fingerprint
    if expected and dataset.fingerprint() != expected:
        raise ConfigError(
            f"the images of {config.data.name} are not those that the run was trained "
            f"on: config.data.fingerprint is {expected}, that of the images in "
            f"{config.data.dir} {dataset.fingerprint()}"
        )
    if config.batch_size > len(dataset.train_labels):
        raise ConfigError(
            f"config.batch_size is {config.batch_size}, more than the "
            f"{len(dataset.train_labels)} training images of {config.data.name}"
        )
    return aligned(dataset)


def check_comparisons(
    config: ConfigDict, dataset: Dataset, generated_labels: np.ndarray | None = None
) -> None:
    """There are enough images for the scores that compare generated with real ones.

    `generated_labels` are the classes of the images to score; None: they will be as
    many of each.

    Raises:
      ConfigError: a score takes more test or training images, or more of a class.
    """
    scores = [
        ("eval.scores", name, config.eval.num_samples) for name in config.eval.scores
    ]
    if best := config.checkpoints.best_metric:
        scores.append(
            ("checkpoints.best_metric", best, config.checkpoints.best_num_samples)
        )
    num_classes = dataset.spec.num_classes
    of_classes = [
        np.bincount(labels, minlength=num_classes)
        for labels in (dataset.test_labels, dataset.train_labels)
    ]
    for field, name, num_samples in scores:
        metric = metric_named(name)
        if not (metric.compares and metric.check):
            continue
        numbers = {
            "test images": len(dataset.test_labels),
            "training images": len(dataset.train_labels),
        }
        if metric.within_classes:
            if generated_labels is None:
                generated = np.full(num_classes, -(-num_samples // num_classes))
            else:
                generated = np.bincount(generated_labels, minlength=num_classes)
            fewest = np.min([*of_classes, generated], axis=0)
            numbers = {"test, training and generated images of a class": max(fewest)}
        for what, number in numbers.items():
            if problem := metric.check(config.eval, int(number)):
                raise ConfigError(
                    f"config.{field} has {name}, but the number of {what} {problem}"
                )


def with_dataset(config: ConfigDict) -> tuple[ConfigDict, Dataset]:
    """The config, `completed` if need be and checked once more, and its data set."""
    dataset = build_dataset(config)
    if not is_complete(config):
        config = completed(config, dataset.spec, dataset.fingerprint())
        check_config(config)
    return config, dataset


def number_of_steps(config: ConfigDict, num_examples: int) -> int:
    """Train steps of the whole run.

    Raises:
      ConfigError: there are more updates than can be counted.
    """
    steps = config.num_steps or config.num_epochs * (num_examples // config.batch_size)
    updates = max(config.d_steps, config.g_steps)
    if steps * updates > MAX_UPDATES:
        field = "num_steps" if config.num_steps else "num_epochs"
        raise ConfigError(
            f"config.{field} is {config[field]}: {steps} steps of {updates} updates "
            f"are more than {MAX_UPDATES}"
        )
    return steps


def number_of_samples(config: ConfigDict) -> int:
    """Images that --mode=sample generates."""
    return config.sampling.num_samples or config.eval.num_samples


def build_gan(config: ConfigDict, spec: DatasetSpec) -> Gan:
    """The GAN for images and classes as in `spec`."""
    generator = _build_network(config, "generator", GENERATORS, spec)
    sampling_generator = generator
    if config.sampling.dropout_rate >= 0:
        if not hasattr(generator, "dropout_rate"):
            raise ConfigError(
                "config.sampling.dropout_rate is set, but "
                f"{type(generator).__name__} has no dropout"
            )
        sampling_generator = generator.clone(dropout_rate=config.sampling.dropout_rate)
    gan = Gan(
        generator=generator,
        discriminator=_build_network(config, "discriminator", DISCRIMINATORS, spec),
        sampling_generator=sampling_generator,
        objective=build_objective(config),
        latent_size=config.latent.size,
        prior=config.latent.prior,
        joint_batches=config.joint_batches,
        augmentations={
            name: _look_up("augmentations", name, AUGMENTATIONS)
            for name in config.augmentations
        },
        augmentation_probability=config.augmentation_probability,
        augmentation_schedule=build_schedules(config).get("augmentation_probability"),
        modes=PhaseModes(
            **{phase: mode == "train" for phase, mode in config.modes.items()}
        ),
    )
    try:
        gan.check()
    except ValueError as error:
        raise ConfigError(f"config.{error}") from None
    return gan


def build_objective(config: ConfigDict) -> Objective:
    """The game and the terms; `Objective.check` says whether they suit a GAN."""
    terms = {
        name: _build_component(f"terms.{name}", section, TERMS)
        for name, section in config.terms.items()
    }
    schedules = {}
    for field, schedule in _inside("terms", build_schedules(config)).items():
        name, _, of_term = field.partition(".")
        schedules.setdefault(name, {})[of_term] = schedule
    game = _build_component("loss", config.loss, GAMES)
    return Objective(game, terms, schedules)


def build_schedules(config: ConfigDict) -> dict[str, Schedule]:
    """The schedules, by the field that each of them is of."""
    schedules = {}

    def collect(section: Mapping[str, Any], path: tuple[str, ...]) -> None:
        if "end" not in section:
            for name, inner in section.items():
                collect(inner, (*path, name))
            return
        field = ".".join(path)
        schedules[field] = Schedule(**section)
        try:
            schedules[field].check()
        except ValueError as error:
            raise ConfigError(f"config.schedules.{field}.{error}") from None

    collect(config.schedules.to_dict(), ())
    return schedules


def _inside(section: str, schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    """The schedules of a section's fields, by their names in it."""
    return {
        field.removeprefix(f"{section}."): schedule
        for field, schedule in schedules.items()
        if field.startswith(f"{section}.")
    }


def _build_component(field: str, section: ConfigDict, known: Mapping[str, type]) -> Any:
    """An instance of the dataclass that `section.name` names, of its other fields."""
    component, arguments = _component(field, section, known)
    return component(**arguments)


def _component(
    field: str, section: ConfigDict, known: Mapping[str, type]
) -> tuple[Any, dict[str, Any]]:
    """The class that `section.name` names, and the other fields, which it takes."""
    arguments = dict(section)
    component = _look_up(f"{field}.name", arguments.pop("name"), known)
    fields = defaults(component)
    unknown = [name for name in arguments if name not in fields]
    if unknown:
        raise ConfigError(
            f"config.{field} has {', '.join(unknown)}, which {component.__name__} does "
            f"not take; known: {', '.join(fields) or 'none'}"
        )
    return component, arguments


def _look_up(field: str, name: str, known: Mapping[str, Any]) -> Any:
    try:
        return lookup(name, known)
    except ValueError as error:
        raise ConfigError(f"config.{field} {error}") from error


def _joined(error: ValueError) -> str:
    """What a component says of a field of its own, after the component's name."""
    text = str(error)
    return f" {text}" if text.startswith("cannot") else f".{text}"


def build_optimizer(
    config: ConfigDict, player: str, num_steps: int
) -> optax.GradientTransformation:
    """The optimiser of `player`, 'generator' or 'discriminator'.

    `num_steps` is the number of this player's updates in the whole run, over which a
    schedule decays.
    """
    field = f"{player}_optimizer"
    settings = dict(config[field])
    try:
        return make_optimizer(
            settings.pop("name"),
            num_updates=num_steps,
            schedules=_inside(field, build_schedules(config)),
            **settings,
        )
    except ValueError as error:
        raise ConfigError(f"config.{field}{_joined(error)}") from error


def seeds(config: ConfigDict) -> list[int]:
    """Of the members of the population, or the one of a single run."""
    return list(range(config.seed, config.seed + config.population))


def build_devices(config: ConfigDict) -> Devices:
    """All devices there are, as the config spreads its work over them."""
    try:
        if config.population > 1:
            return member_devices(config.population, OWN)
        return batch_devices(config.parallel, config.batch_size)
    except ValueError as error:
        raise ConfigError(f"config.{error}") from None


def build_sampler(config: ConfigDict, gan: Gan) -> Sampler:
    """The function that generates images; see `sampling.Sampler`."""
    return Sampler(
        gan,
        batch_size=config.sampling.batch_size or config.batch_size,
        standing_batches=config.sampling.standing_batches,
    )


def classifier_settings(config: ConfigDict) -> ClassifierSettings:
    """How the judge is trained; mirrored images only where the classes allow it."""
    recipe = RECIPES[config.classifier.name]
    return dataclasses.replace(
        recipe,
        seed=config.classifier.seed,
        flip=recipe.flip and dataset_spec(config).mirror_symmetric,
    )


def build_features(config: ConfigDict) -> Features | None:
    """What takes the place of the judge's features; None: they are the judge's.

    Reads the weights, so that what is wrong with them costs no training.
    """
    name = config.eval.features
    if name == "judge":
        return None
    if name != "inception":
        compute = _look_up("eval.features", name, _KNOWN_FEATURES)
        if not callable(compute):
            raise ConfigError(f"config.eval.features is {name!r}, which is no function")
        return Features(name, compute)
    return _inception_features(config)


def _inception_features(config: ConfigDict) -> Features:
    if is_complete(config) and dataset_spec(config).image_shape[-1] not in (1, 3):
        raise ConfigError(
            f"config.eval.features is 'inception', but images of {config.data.name} "
            "have neither 1 nor 3 channels"
        )
    field = "config.eval.inception_weights"
    weights = config.eval.inception_weights
    if not weights:
        raise ConfigError(
            f"{field} is '', but config.eval.features is 'inception', which takes the "
            f"file of public weights {WEIGHTS}; see docs/scores.md"
        )
    kept_in = config.classifier.cache_dir
    try:
        return inception_features(
            local_path(weights, field),
            local_path(kept_in, "classifier.cache_dir") if kept_in else cache_dir(),
        )
    except ValueError as error:
        raise ConfigError(f"{field}: {error} (it takes {WEIGHTS})") from None


def _build_network(
    config: ConfigDict,
    player: str,
    networks: Mapping[str, type[Network]],
    spec: DatasetSpec,
) -> Network:
    network, arguments = _component(player, config[player], networks)
    if not config.conditional:
        if arguments["conditioning"] == "auxiliary":
            raise ConfigError(
                f"config.{player}.conditioning is 'auxiliary', which asks "
                "generated images for their classes, but config.conditional is False"
            )
        arguments["conditioning"] = "none"
    elif arguments["conditioning"] not in network.CONDITIONINGS[1:]:
        raise ConfigError(
            f"config.{player}.conditioning is {arguments['conditioning']!r}; a "
            f"conditional {network.__name__} can do: "
            f"{', '.join(network.CONDITIONINGS[1:])}"
        )
    # Flax modules must be hashable.
    arguments = {
        field: tuple(value) if isinstance(value, list) else value
        for field, value in arguments.items()
    }
    arguments["num_classes"] = spec.num_classes
    arguments["dtype"] = COMPUTE_DTYPES[config.compute_dtype]
    if "image_shape" in network.__dataclass_fields__:
        arguments["image_shape"] = spec.image_shape
    module = network(**arguments)
    try:
        module.check()
    except ValueError as error:
        raise ConfigError(f"config.{player}.{error}") from None
    return module


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
