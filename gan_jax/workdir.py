"""A run's folder: its config, and the refusal to mix two runs in one."""

import json
import pathlib
from typing import Any

from ml_collections import ConfigDict

from gan_jax.build import ConfigError
from gan_jax.report.files import atomic_write

CONFIG_FILE = "config.json"
# What may differ between training and a later look at the result.
_FREE_FIELDS = ("data.dir", "classifier.cache_dir", "steps_per_dispatch")
# Fields that came after the first runs, with what those did.
_LATER_FIELDS = {
    "simultaneous_updates": False,
    "population": 1,
    "compute_dtype": "float32",
    "eval.inception_sizes": (),
    "eval.gan_train_runs": 1,
    "test_every": 0,
    "joint_batches": False,
    "data.grayscale": False,
    "data.flip": False,
    "generator.conditioning": "one_hot",
    "discriminator.conditioning": "one_hot",
    "loss.gradient_penalty": 0.0,
    "loss.weight_clip": 0.0,
    "loss.l1_weight": 0.0,
    "loss.mode_seeking_weight": 0.0,
    "loss.class_weight": 1.0,
    "loss.class_smoothing": 0.0,
    "loss.classify_generated": True,
}
_FREE_IN_EVALUATION = (
    "data.source",
    "eval.",
    "sampling.",
    "classifier.",
    "modes.generator_in_sampling",
)


def default_workdir(config_flag: str) -> pathlib.Path:
    """runs/NAME for configs/NAME.py, runs/NAME_A for configs/NAME.py:A."""
    file, _, argument = config_flag.partition(":")
    name = "_".join(part for part in (pathlib.Path(file).stem, argument) if part)
    return pathlib.Path("runs") / name


def config_to_dict(config: ConfigDict) -> dict[str, Any]:
    """The config as plain JSON values."""
    return json.loads(json.dumps(config.to_dict()))


def save_config(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Writes config.json, or compares with the one that is there.

    Raises:
      ConfigError: the folder holds a run of a different config, and names the fields;
        or a run of which this file is missing.
    """
    path = workdir / CONFIG_FILE
    if path.exists():
        check_training_config(workdir, config)
        return
    if any((workdir / "checkpoints").glob("*")):
        raise ConfigError(
            f"{workdir} holds checkpoints but no {CONFIG_FILE}: of what run is unknown"
        )
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(config_to_dict(config), indent=2) + "\n")


def load_config(workdir: pathlib.Path) -> ConfigDict:
    """The config of the run in `workdir`.

    Raises:
      ConfigError: there is none, or the file is damaged.
    """
    path = workdir / CONFIG_FILE
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict):
            raise ValueError(f"it holds no object but {values!r}")
        config = ConfigDict(values)
    except FileNotFoundError:
        raise ConfigError(f"{workdir} holds no run: {CONFIG_FILE} is missing") from None
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    missing = {
        field: value
        for field, value in _LATER_FIELDS.items()
        if field not in _flatten(values)
    }
    config.update_from_flattened_dict(missing)
    return config


def check_training_config(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Raises ConfigError if the run in `workdir` is of another config."""
    check_same_config(workdir, config, free=_FREE_FIELDS)


def check_evaluation_config(workdir: pathlib.Path, config: ConfigDict) -> None:
    """Raises ConfigError if more differs from the run than how it is judged."""
    check_same_config(workdir, config, free=_FREE_FIELDS + _FREE_IN_EVALUATION)


def check_same_config(
    workdir: pathlib.Path, config: ConfigDict, *, free: tuple[str, ...]
) -> None:
    """Compares with config.json, but for fields whose names begin as one in `free`.

    Raises:
      ConfigError: names every other field that differs, with both values.
    """
    saved = _flatten(config_to_dict(load_config(workdir)))
    given = _flatten(config_to_dict(config))
    differences = [
        f"config.{field} is {given.get(field, 'absent')!r} here, "
        f"{saved.get(field, 'absent')!r} there"
        for field in sorted(saved | given)
        if saved.get(field, "absent") != given.get(field, "absent")
        and not field.startswith(free)
    ]
    if differences:
        raise ConfigError(
            f"{workdir} holds a run of a different config: {'; '.join(differences)}"
        )


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
