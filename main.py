"""Trains, evaluates, samples and describes GANs: see README.md for the commands."""

import pathlib
import shlex
import sys

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from gan_jax import build
from gan_jax.analyses import ANALYSES, analyse
from gan_jax.cache import keep_compiled_programs
from gan_jax.checkpoint import CheckpointError
from gan_jax.data import DataError
from gan_jax.describe import describe
from gan_jax.evaluate import evaluate, format_scores
from gan_jax.report.metric_log import MetricLogError
from gan_jax.train import train
from gan_jax.workdir import default_workdir, load_config

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config FILE[:ARGUMENT].")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run. Default: runs/NAME")
_MODE = flags.DEFINE_enum(
    "mode", "train", ["train", "evaluate", "sample", "describe"], "What to do."
)
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to use. Default: the latest.")
_ANALYSIS = flags.DEFINE_enum("analysis", None, ANALYSES, "What to sample.")
_GROUPS = flags.DEFINE_string("groups", None, "Of arithmetic: A,B,C; see README.md.")
_COMMAND = f"python {shlex.join(sys.argv)}"
_ERRORS = (build.ConfigError, DataError, MetricLogError, CheckpointError)


def run(config: ConfigDict, workdir: pathlib.Path) -> None:
    match _MODE.value:
        case "train":
            if train(config, workdir):
                print(format_scores(evaluate(config, workdir)))
            else:
                print(f"Stopped. To resume: {_COMMAND}")
        case "evaluate":
            print(format_scores(evaluate(config, workdir, _STEP.value)))
        case "sample":
            print(analyse(config, workdir, _ANALYSIS.value, _STEP.value, _GROUPS.value))
        case "describe":
            build.check_config(config)
            print(describe(build.build_gan(config, build.dataset_spec(config))))


def main(arguments: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    if len(arguments) > 1:
        _stop(f"unexpected arguments: {shlex.join(arguments[1:])}")
    if _CONFIG.value is None and (_WORKDIR.value is None or _MODE.value == "train"):
        _stop("--config=configs/NAME.py is missing")
    if (_ANALYSIS.value or _GROUPS.value) and _MODE.value != "sample":
        _stop("--analysis is for --mode=sample")
    keep_compiled_programs()
    flag = flags.FLAGS["config"]
    workdir = pathlib.Path(_WORKDIR.value or default_workdir(flag.config_filename))
    try:
        run(_CONFIG.value or load_config(workdir), workdir)
    except (*_ERRORS, OSError, FloatingPointError) as error:
        _stop(error)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. To go on: {_COMMAND}")


def parse_flags(arguments: list[str]) -> list[str]:
    """Parses the flags; what is wrong with them ends in one line."""
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, ValueError, OSError) as error:
        _stop(build.flag_error_message(error))


def _stop(error: Exception | str) -> None:
    sys.exit(f"error: {' '.join(str(error).split())}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
