"""A run's folder: its config, and the refusal to mix two runs in one."""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from gan_jax import build, checks
from gan_jax.build import ConfigError, flatten, number_of_steps
from gan_jax.lock import BusyError, lock_file
from gan_jax.report.files import atomic_write
from gan_jax.report.metric_log import METRICS_FILE, read_column

CONFIG_FILE = "config.json"
EVALUATION_FILE = "evaluation.json"
HISTORY = "history"
_SAVED = ".saved"  # beside the checkpoints: that there have been any
# Beginnings of fields without effect on the run.
FREE_FIELDS = (
    "published.",
    "data.dir",
    "data.feed",
    "eval.inception_weights",
    "classifier.cache_dir",
    "steps_per_dispatch",
)
# May change while a run goes on; recorded in its history.
_FREE_IN_TRAINING = (
    "log_every",
    "sample_every",
    "checkpoint_every",
    "test_every",
    "checkpoints.keep_latest",
)
_LENGTHS = ("num_steps", "num_epochs")
# May differ when the result is judged.
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
    """The config as plain JSON values; ConfigError if it holds others."""
    try:
        return json.loads(json.dumps(config.to_dict()))
    except TypeError as error:
        raise ConfigError(f"config holds what JSON cannot: {error}") from None


def save_config(
    workdir: pathlib.Path, config: ConfigDict, num_train: int | None = None
) -> None:
    """Writes config.json, or compares with the one that is there.

    Raises:
      ConfigError: as `check_training_config`; or config.json is missing from a run.
    """
    if (workdir / CONFIG_FILE).exists():
        check_training_config(workdir, config, num_train)
        return
    for what, path in (("checkpoints", "checkpoints/*"), (METRICS_FILE, METRICS_FILE)):
        if any(workdir.glob(path)):
            raise ConfigError(
                f"{workdir} holds {what} but no {CONFIG_FILE}: of what run is unknown"
            )
    _write_config(workdir, config, [])


def record_changes(
    workdir: pathlib.Path,
    config: ConfigDict,
    *,
    step: int,
    lengths: tuple[int, int],
) -> None:
    """Writes what has changed in a run's config at `step` to config.json.

    Its list `history` has {"step": ..., "changed": {field: [before, after]}} of each
    time, with "steps": [before, after], `lengths`, if the run has become longer.
    """
    before = flatten(config_to_dict(load_config(workdir)))
    after = flatten(config_to_dict(config))
    changed = {
        field: [before[field], after[field]]
        for field in (*_LENGTHS, *_FREE_IN_TRAINING)
        if before[field] != after[field]
    }
    if changed:
        entry = {"step": step, "changed": changed}
        if lengths[0] != lengths[1]:
            entry["steps"] = list(lengths)
        _write_config(workdir, config, [*_history(workdir), entry])


def number_of_extensions(workdir: pathlib.Path) -> int:
    """How many times the run has been made longer after its first step."""
    return sum(entry["step"] > 0 and "steps" in entry for entry in _history(workdir))


def note_saved(workdir: pathlib.Path) -> None:
    """Notes that the run has had a whole checkpoint."""
    (workdir / _SAVED).touch()


def refuse_lost_checkpoints(workdir: pathlib.Path) -> None:
    """For a run without a checkpoint: it must be one that never had any.

    One that was killed before its first checkpoint was whole may begin anew.

    Raises:
      ConfigError: the run had checkpoints.
    """
    folder = workdir / "checkpoints"
    last = max(read_column(workdir, "step"), default=0)
    # The first one is begun before its step is logged.
    begun = last >= load_config(workdir).checkpoint_every
    if (
        (workdir / _SAVED).exists()
        or (workdir / EVALUATION_FILE).exists()
        or (begun and not folder.exists())
    ):
        raise ConfigError(
            f"{workdir} holds a run that has come to step {last:,}, but {folder} is "
            f"{'empty' if folder.exists() else 'missing'}: put it back, or train anew "
            "in another folder (--workdir)"
        )


@contextlib.contextmanager
def locked_workdir(workdir: pathlib.Path) -> Iterator[None]:
    """Keeps other processes from training in the folder.

    Raises:
      BusyError: one does already.
      ConfigError: it is no folder.
    """
    if workdir.exists() and not workdir.is_dir():
        raise ConfigError(f"{workdir} is a file; --workdir must be a folder")
    with lock_file(workdir / ".lock") as is_ours:
        if not is_ours:
            raise BusyError(f"another process is at the run in {workdir}")
        yield


def _write_config(
    workdir: pathlib.Path, config: ConfigDict, history: list[dict[str, Any]]
) -> None:
    values = config_to_dict(config)
    if history:
        values[HISTORY] = history
    with atomic_write(workdir / CONFIG_FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_config(workdir: pathlib.Path) -> ConfigDict:
    """The config of the run in `workdir`.

    Raises:
      ConfigError: there is none, or the file is damaged.
    """
    values = _read_config(workdir)
    values.pop(HISTORY, None)
    return config_from_dict(values)


def config_from_dict(values: dict[str, Any]) -> ConfigDict:
    """The config of which `config_to_dict` made JSON values."""
    return ConfigDict(_with_tuples(values))


def _read_config(workdir: pathlib.Path) -> dict[str, Any]:
    path = workdir / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"it holds no object but {values!r}")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{workdir} holds no run: {CONFIG_FILE} is missing") from None
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    return values


def _history(workdir: pathlib.Path) -> list[dict[str, Any]]:
    return _read_config(workdir).get(HISTORY, [])


def _with_tuples(values: Any) -> Any:
    """The same with tuples in place of lists, which JSON makes of them."""
    if isinstance(values, dict):
        return {name: _with_tuples(value) for name, value in values.items()}
    if isinstance(values, list):
        return tuple(_with_tuples(value) for value in values)
    return values


def check_training_config(
    workdir: pathlib.Path, config: ConfigDict, num_train: int | None = None
) -> None:
    """Raises ConfigError if the run in `workdir` cannot go on with this config.

    It may become longer, not shorter. Steps and epochs can be compared only with the
    number of training images.
    """
    free = FREE_FIELDS + _FREE_IN_TRAINING + _LENGTHS
    check_same_config(workdir, config, free=free)
    saved = load_config(workdir)
    length = "num_steps" if config.num_steps else "num_epochs"
    if bool(config.num_steps) == bool(saved.num_steps):
        here, there = config[length], saved[length]
    elif num_train is not None:
        length = "num_steps"
        here, there = (number_of_steps(each, num_train) for each in (config, saved))
    else:
        return
    if here < there:
        raise ConfigError(
            f"{workdir} holds a longer run: config.{length} is {here} here, {there} "
            "there; a run can be extended, not shortened"
        )


def check_evaluation_config(workdir: pathlib.Path, config: ConfigDict) -> ConfigDict:
    """The config with what the run knows of its data, see `build.completed`.

    Raises:
      ConfigError: more differs from the run than how it is judged.
    """
    free = FREE_FIELDS + _FREE_IN_TRAINING + _FREE_IN_EVALUATION
    check_same_config(workdir, config, free=free)
    same = _completed_as(config, load_config(workdir))
    if same is not config:
        checks.check_config(same, scored=False)
    return same


def evaluation_settings(config: ConfigDict) -> dict[str, Any]:
    """The fields, {name: JSON value}, in which evaluations of one run may differ."""
    return {
        field: value
        for field, value in flatten(config_to_dict(config)).items()
        if field.startswith(_FREE_IN_EVALUATION) and not field.startswith(FREE_FIELDS)
    }


def _completed_as(config: ConfigDict, saved: ConfigDict) -> ConfigDict:
    """The config of the run whose own is `saved`, of the same data."""
    if config.get("data") is None or build.is_complete(config):
        return config
    if saved.data.name != config.data.name or not build.is_complete(saved):
        return config
    return build.completed(config, build.dataset_spec(saved), saved.data.fingerprint)


def check_same_config(
    workdir: pathlib.Path, config: ConfigDict, *, free: tuple[str, ...]
) -> None:
    """Compares with config.json, but for fields whose names begin as one in `free`.

    Raises:
      ConfigError: names every other field that differs, with both values.
    """
    run = load_config(workdir)
    saved = flatten(config_to_dict(run))
    given = flatten(config_to_dict(_completed_as(config, run)))
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
