"""From a config to the objects it names; what these are made of knows no ConfigDict.

Every function raises ConfigError, naming the field, for a value that cannot be used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from gan_jax.augment import AUGMENTATIONS
from gan_jax.cache import cache_dir
from gan_jax.classifier import RECIPES, ClassifierSettings
from gan_jax.data import (
    SPECS,
    Dataset,
    DatasetSpec,
    PictureOptions,
    aligned,
    grayscale_dataset,
    grayscale_spec,
    is_own,
    load_dataset,
)
from gan_jax.features import WEIGHTS, Features, inception_features
from gan_jax.gan import Gan, PhaseModes
from gan_jax.metrics import Metric, metric_named
from gan_jax.names import lookup
from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.networks.base import Network
from gan_jax.objective import GAMES, TERMS, Objective
from gan_jax.optimizers import make_optimizer
from gan_jax.parallel import Devices, batch_devices, member_devices
from gan_jax.paths import local_path
from gan_jax.population import OWN
from gan_jax.sampling import Sampler
from gan_jax.schedules import Schedule
from gan_jax.sections import defaults

MAX_UPDATES = 2**31 - 1  # steps, and batches, are counted in int32
# Made by `build_features`.
_KNOWN_FEATURES = {"judge": None, "inception": None}
COMPUTE_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class ConfigError(ValueError):
    """A config that cannot be used: the message names the field and says why."""


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as one level, with dots in their names."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def is_complete(config: ConfigDict) -> bool:
    """Whether images and classes are known: of a known set, or `completed` by it."""
    return not is_own(config.data.name) or bool(config.data.image_shape)


def completed(config: ConfigDict, spec: DatasetSpec, fingerprint: str) -> ConfigDict:
    """The config, completed with what reading a user's own data set has shown.

    If the data have no classes, the GAN and its norms become unconditional, and only
    scores that need no judge are kept.
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
    spec = look_up("data.name", config.data.name, SPECS)
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


def sampling_batch_size(config: ConfigDict) -> int:
    """Images that are generated together."""
    return config.sampling.batch_size or config.batch_size


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
            name: look_up("augmentations", name, AUGMENTATIONS)
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
    component = look_up(f"{field}.name", arguments.pop("name"), known)
    fields = defaults(component)
    unknown = [name for name in arguments if name not in fields]
    if unknown:
        raise ConfigError(
            f"config.{field} has {', '.join(unknown)}, which {component.__name__} does "
            f"not take; known: {', '.join(fields) or 'none'}"
        )
    return component, arguments


def look_up(field: str, name: str, known: Mapping[str, Any]) -> Any:
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
        batch_size=sampling_batch_size(config),
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
        compute = look_up("eval.features", name, _KNOWN_FEATURES)
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
