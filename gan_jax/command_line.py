"""Flags and config files; what is wrong with them is told in one line."""

import ast
import difflib
import pathlib
import re
import runpy
import sys
import textwrap
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from absl import flags
from ml_collections import ConfigDict, config_flags

from gan_jax import parallel
from gan_jax.build import ConfigError, flatten
from gan_jax.sections import choose, schedule, table_of

# What absl and ml_collections raise for flags and values that they cannot take.
_FLAG_ERRORS = (flags.Error, AttributeError, LookupError, TypeError, ValueError)
# Flags that say what --mode=sample draws; the fields of samples.Drawing.
DRAWING = ("format", "classes", "num", "seed", "truncation")
# Sections whose fields are an optax function's arguments, which may be any.
_OPEN_SECTIONS = ("generator_optimizer.arguments", "discriminator_optimizer.arguments")


def parse_flags(arguments: list[str]) -> list[str]:
    """Parses all flags but --config.FIELD=VALUE; a wrong one ends the program.

    Returns:
      The name of the program, and those arguments, for `override`.
    """
    program, *given = arguments
    others, overrides = _split_overrides(given)
    try:
        _, *stray = flags.FLAGS([program, *others])
    except _FLAG_ERRORS as error:
        stop(error)
    if stray:
        stop(f"unexpected arguments: {' '.join(stray)}")
    return [program, *overrides]


def check_flags(given: flags.FlagValues, overrides: Sequence[str]) -> None:
    """Ends the program if flags are missing, or do not go together."""
    sweeps = given.mode == "sweep"
    if sweeps and (given.sweep is None or given.config is not None or overrides):
        stop("--mode=sweep takes --sweep=sweeps/NAME.py and --set, but no --config")
    if (given.sweep or given.set) and not sweeps:
        stop("--sweep and --set are for --mode=sweep")
    reports = given.mode == "report"
    if reports and (given.workdir is None or given.config is not None or overrides):
        stop("--mode=report takes --workdir=DIR and --runs=DIR1,DIR2, but no --config")
    if given.runs and not reports:
        stop("--runs is for --mode=report")
    # The others find the config in the run's folder.
    needs_config = given.workdir is None or given.mode == "train"
    if given.config is None and needs_config and not sweeps:
        stop("--config=configs/NAME.py is missing")
    if given.distributed and given.mode != "train":
        stop("--distributed is for --mode=train")
    addresses = (given.coordinator, given.num_processes, given.process_id)
    if any(value is not None for value in addresses) and not given.distributed:
        stop("--coordinator, --num_processes and --process_id are for --distributed")
    if given.step is not None and given.mode not in ("evaluate", "sample", "export"):
        stop("--step is for --mode=evaluate, --mode=sample and --mode=export")
    if given.output is not None and given.mode not in ("sample", "export", "score"):
        stop("--output is for --mode=sample, --mode=export and --mode=score")
    scores = given.mode == "score"
    if scores and (given.config is None or given.images is None):
        stop("--mode=score takes --images=FILE_OR_FOLDER and --config=configs/NAME.py")
    if given.images is not None and not scores:
        stop("--images is for --mode=score")
    for flag in ("analysis", "groups", *DRAWING):
        if given[flag].value is not None and given.mode != "sample":
            stop(f"--{flag} is for --mode=sample")
    for flag in DRAWING:
        if given[flag].value is not None and given.analysis not in (None, "samples"):
            stop(f"--{flag} is for --mode=sample without --analysis")


def stop(error: Exception | str) -> NoReturn:
    """Ends the program with a line on standard error."""
    parallel.end(f"error: {one_line(error)}")


def one_line(error: Exception | str) -> str:
    # What XLA says when memory is exhausted is many pages long.
    return textwrap.shorten(str(error), 1000, placeholder=" ...")


def load_config_file(file: pathlib.Path, argument: str = "") -> ConfigDict:
    """The config of a file, locked; the argument, if any, is `get_config`'s.

    Names in it, `package.module:attribute`, may be of modules beside the file.

    Raises:
      ConfigError: there is no such file, or a mistake in it.
    """
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    config = call_file(file, "get_config", *filter(None, [argument]))
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"{file}: get_config() must return a ConfigDict")
    return config.lock()


def call_file(file: pathlib.Path, function: str, *arguments: str) -> Any:
    """Calls a function of a Python file; any mistake in it is a ConfigError."""
    try:
        module = runpy.run_path(str(file))
        if function not in module:
            raise NameError(f"it has no function {function}")
        result = module[function](*arguments)
        # A generator's mistakes come when it is run.
        return list(result) if isinstance(result, Iterator) else result
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(file)
        ]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        reason = getattr(error, "strerror", None) or error  # of an OSError, no path
        raise ConfigError(f"{where}: {type(error).__name__}: {reason}") from error


def override(config: ConfigDict, arguments: Iterable[str]) -> None:
    """Sets fields of a config, by arguments "--config.FIELD=VALUE".

    A value gets the type of its field. Arguments of optimisers may be any that optax
    knows, and None, which leaves one out.

    Raises:
      ConfigError: there is no such field, or the value does not fit it.
    """
    typed = []
    # A component brings its fields, so its name comes before them; a schedule its end.
    brings = re.compile(r"\.(name|end)=")
    for argument in sorted(arguments, key=lambda text: not brings.search(text)):
        flag, equals, value = argument.partition("=")
        field = flag.removeprefix("--noconfig.").removeprefix("--config.")
        if field.rpartition(".")[0] in _OPEN_SECTIONS:
            value = _literal(value) if equals else not flag.startswith("--noconfig.")
        if not _prepared(config, field, value, argument):
            typed.append(argument)
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, sys_argv=["", *typed]
        )
        values(["", *typed])
    except _FLAG_ERRORS as error:
        reason = " ".join(str(error).split())
        raise ConfigError(reason.removeprefix("flag ")) from error


def set_field(config: ConfigDict, setting: str) -> None:
    """`override` with one "FIELD=VALUE", the value of a flag --set."""
    if "=" not in setting:
        raise ConfigError(f"--set={setting} must be --set=FIELD=VALUE")
    argument = f"--config.{setting}"
    try:
        override(config, [argument])
    except ConfigError as error:
        reason = str(error).removeprefix(f"{argument}: ")
        raise ConfigError(f"--set={setting}: {reason}") from error


def update(config: ConfigDict, fields: Mapping[str, Any]) -> None:
    """Sets fields of a config, {"section.field": value}.

    Raises:
      ConfigError: as `override`.
    """
    for field, value in sorted(
        fields.items(), key=lambda item: not item[0].endswith((".name", ".end"))
    ):
        if _prepared(config, field, value, field):
            continue
        try:
            config.update_from_flattened_dict({field: value})
        except _FLAG_ERRORS as error:
            raise ConfigError(f"{field}: {error}") from error


def _split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags of ours, and those of the config's fields as "--config.FIELD=VALUE"."""
    others, overrides = [], []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        flag = "--" + argument.lstrip("-") if argument.startswith("-") else argument
        if not flag.startswith(("--config.", "--noconfig.")):
            others.append(argument)
            continue
        # "--config.FIELD VALUE"; a bool may stand alone.
        follows = waiting and not waiting[0].startswith("--")
        if "=" not in flag and flag.startswith("--config.") and follows:
            flag = f"{flag}={waiting.pop(0)}"
        overrides.append(flag)
    return others, overrides


def _prepared(config: ConfigDict, field: str, value: Any, shown: str) -> bool:
    """Makes the section that a field brings; whether the field is set already.

    Components and open sections are set here. Raises ConfigError, which begins with
    what is `shown`, if there is no such field.
    """
    if _choose_component(config, field, value):
        return True
    _add_schedule(config, field)
    section, _, name = field.rpartition(".")
    if section in _OPEN_SECTIONS and name.isidentifier():
        _set_open(config, section, name, value)
        return True
    _check_field(config, field, shown)
    return False


def _check_field(config: ConfigDict, field: str, argument: str) -> None:
    """Raises ConfigError, with what may be meant, if there is no such field."""
    known = flatten(config.to_dict())
    if field in known:
        return
    inner = [name for name in known if name.startswith(f"{field}.")]
    if inner:
        raise ConfigError(f"{argument}: config.{field} has fields: {', '.join(inner)}")
    close = difflib.get_close_matches(field, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"{argument}: config has no field {field!r}{meant}")


def _choose_component(config: ConfigDict, field: str, value: Any) -> bool:
    """Puts a component where its name says so; whether that sets the field.

    A term that is not there yet is one of the name under which it is asked for.
    """
    section, _, name = field.rpartition(".")
    if table_of(section) is None:
        return False
    label = section.removeprefix("terms.")
    try:
        if name == "name":
            choose(config, section, value)
        elif label != section and label not in config.terms:
            choose(config, section, label)
    except ValueError as error:
        raise ConfigError(f"config.{section}.name {error}") from error
    return name == "name"


def _add_schedule(config: ConfigDict, field: str) -> None:
    """Where the field is a new schedule's end, makes its section, with defaults."""
    *path, last = field.split(".")
    if path[:1] != ["schedules"] or len(path) < 2 or last != "end":
        return
    section = config
    with config.unlocked():
        for part in path[:-1]:
            if part not in section:
                section[part] = ConfigDict()
            section = section[part]
        if path[-1] not in section:
            section[path[-1]] = schedule(0.0)


def _set_open(config: ConfigDict, section: str, name: str, value: Any) -> None:
    for part in section.split("."):
        config = config[part]
    with config.unlocked(), config.ignore_type():
        config[name] = value


def _literal(text: str) -> Any:
    """A number, None, True or False; else the text itself."""
    try:
        return ast.literal_eval(text.title() if text.isalpha() else text)
    except (SyntaxError, ValueError):
        return text
