"""Trains, evaluates, samples, describes and sweeps GANs: see README.md."""

import pathlib
import shlex
import sys

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from gan_jax import build, parallel
from gan_jax.analyses import ANALYSES, analyse
from gan_jax.cache import keep_compiled_programs
from gan_jax.command_line import check_flags, parse_flags, stop
from gan_jax.describe import describe
from gan_jax.evaluate import evaluate, format_scores
from gan_jax.sweep import RUN_ERRORS, SweepError, run_sweep
from gan_jax.train import train
from gan_jax.workdir import default_workdir, load_config

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config FILE[:ARGUMENT].")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run. Default: runs/NAME")
_MODES = ["train", "evaluate", "sample", "describe", "sweep"]
_MODE = flags.DEFINE_enum("mode", "train", _MODES, "What to do.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to use. Default: the latest.")
_ANALYSIS = flags.DEFINE_enum("analysis", None, ANALYSES, "What to sample.")
_GROUPS = flags.DEFINE_string("groups", None, "Of arithmetic: A,B,C; see README.md.")
_SWEEP = flags.DEFINE_string("sweep", None, "Sweep FILE.")
_SET = flags.DEFINE_multi_string("set", [], "FIELD=VALUE for every run of a sweep.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.")
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Of the run.")
_PROCESS = flags.DEFINE_integer("process_id", None, "This one's, from 0.")
_COMMAND = f"python {shlex.join(sys.argv)}"
_STOPPED = f"Stopped. To resume: {_COMMAND}"


def run(config: ConfigDict, workdir: pathlib.Path) -> None:
    match _MODE.value:
        case "train":
            complete = train(config, workdir)
            parallel.disconnect()
            if not parallel.is_main():
                return
            print(format_scores(evaluate(config, workdir)) if complete else _STOPPED)
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
        stop(f"unexpected arguments: {shlex.join(arguments[1:])}")
    check_flags(flags.FLAGS)
    keep_compiled_programs()
    config_flag = flags.FLAGS["config"]
    workdir = pathlib.Path(
        _WORKDIR.value or default_workdir(_SWEEP.value or config_flag.config_filename)
    )
    try:
        if _DISTRIBUTED.value:
            parallel.connect(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
        if _MODE.value != "sweep":
            run(_CONFIG.value or load_config(workdir), workdir)
        elif not run_sweep(_SWEEP.value, workdir, _SET.value):
            print(_STOPPED)
    except (*RUN_ERRORS, SweepError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. To go on: {_COMMAND}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
