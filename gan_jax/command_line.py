"""Flags that are wrong, told in one line."""

from typing import NoReturn

from absl import flags
from ml_collections import ConfigDict, config_flags

from gan_jax import parallel
from gan_jax.build import ConfigError


def parse_flags(arguments: list[str]) -> list[str]:
    """Parses the flags; what is wrong with them ends the program."""
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, ValueError, OSError) as error:
        stop(_message(error))


def check_flags(given: flags.FlagValues) -> None:
    """Ends the program if flags are missing, or do not go together."""
    sweeps = given.mode == "sweep"
    if sweeps and (given.sweep is None or given.config is not None):
        stop("--mode=sweep takes --sweep=sweeps/NAME.py and no --config")
    if (given.sweep or given.set) and not sweeps:
        stop("--sweep and --set are for --mode=sweep")
    needs_config = given.workdir is None or given.mode == "train"
    if given.config is None and needs_config and not sweeps:
        stop("--config=configs/NAME.py is missing")
    if given.distributed and given.mode != "train":
        stop("--distributed is for --mode=train")
    addresses = (given.coordinator, given.num_processes, given.process_id)
    if any(value is not None for value in addresses) and not given.distributed:
        stop("--coordinator, --num_processes and --process_id are for --distributed")
    if (given.analysis or given.groups) and given.mode != "sample":
        stop("--analysis is for --mode=sample")


def stop(error: Exception | str) -> NoReturn:
    """Ends the program with a line on standard error."""
    parallel.end(f"error: {' '.join(str(error).split())}")


def set_field(config: ConfigDict, setting: str) -> None:
    """Sets "FIELD=VALUE", with the checks that --config.FIELD=VALUE has.

    Raises:
      ConfigError: there is no such field, or its type is another.
    """
    field, equals, value = setting.partition("=")
    if not equals:
        raise ConfigError(f"--set={setting} must be --set=FIELD=VALUE")
    argument = f"--config.{field}={value}"
    flag_values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=flag_values, sys_argv=["", argument]
        )
        flag_values(["", argument])
    except KeyError:
        reason = f"config has no field {field!r}"
    except (flags.Error, AttributeError, TypeError, ValueError) as error:
        reason = _message(error).removeprefix(f"flag {argument}: ")
    else:
        return
    raise ConfigError(f"--set={setting}: {reason}")


def _message(error: Exception) -> str:
    """What ml_collections' config flags raise, without what only we can use."""
    message = str(error).strip()
    if isinstance(error, AttributeError):
        # Of a KeyError, whose text is in quotes; it suggests a field's name.
        cause = error.args[0]
        text = cause.args[0] if isinstance(cause, KeyError) else message
        return f"config has no field {'. '.join(text.splitlines())}"
    if "Traceback" in message:
        # A config file's own error comes with its traceback and ends with its message.
        return message.splitlines()[-1].strip()
    return message
