"""Trains, evaluates, samples, exports, reports and sweeps GANs: see docs/usage.md."""

import pathlib
import shlex
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import ConfigDict

from gan_jax import build, checks, parallel
from gan_jax.analyses import ANALYSES, analyse
from gan_jax.cache import keep_compiled_programs
from gan_jax.command_line import (
    DRAWING,
    check_flags,
    load_config_file,
    override,
    parse_flags,
    stop,
)
from gan_jax.console import make_steadfast
from gan_jax.console_scores import format_scores
from gan_jax.describe import describe
from gan_jax.evaluate import evaluate
from gan_jax.export import export
from gan_jax.host_memory import return_large_blocks_when_freed
from gan_jax.interrupts import announced_interrupts, let_second_signal_end_process
from gan_jax.paths import local_path
from gan_jax.run_report import write_report
from gan_jax.samples import FORMATS, Drawing
from gan_jax.score import score_images
from gan_jax.sweep import RUN_ERRORS, SweepError, run_sweep
from gan_jax.train import train
from gan_jax.workdir import default_workdir, load_config

_CONFIG = flags.DEFINE_string("config", None, "Config FILE[:ARGUMENT].")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run. Default: runs/NAME")
_MODES = [
    *("train", "evaluate", "sample", "score"),
    *("export", "describe", "report", "sweep"),
]
_MODE = flags.DEFINE_enum("mode", "train", _MODES, "What to do.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to use. Default: the latest.")
_ANALYSIS = flags.DEFINE_string("analysis", None, f"What to sample: {ANALYSES}.")
_GROUPS = flags.DEFINE_string("groups", None, "Of arithmetic: A,B,C; see docs.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for samples, export or scores.")
_IMAGES = flags.DEFINE_string("images", None, "File or folder of images to score.")
_RUNS = flags.DEFINE_list("runs", [], "Folders of runs that a report compares.")
flags.DEFINE_enum("format", None, FORMATS, "Of samples: one file, or one an image.")
flags.DEFINE_string("classes", None, "Of samples, names or numbers: A,B,C.")
flags.DEFINE_integer("num", None, "Number of samples.")
flags.DEFINE_integer("seed", None, "Of the samples' draw. Default: the run's.")
flags.DEFINE_float("truncation", None, "Threshold of the samples' latents.")
_SWEEP = flags.DEFINE_string("sweep", None, "Sweep FILE[:NAME].")
_SET = flags.DEFINE_multi_string("set", [], "FIELD=VALUE for every run of a sweep.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.")
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Index of this process, from 0.")
_COMMAND = f"python {shlex.join(sys.argv)}"
_STOPPED = f"Stopped. To resume: {_COMMAND}"


def run(config: ConfigDict, workdir: pathlib.Path) -> None:
    if _MODE.value == "train":
        complete = train(config, workdir)
        parallel.disconnect()
        if not parallel.is_main():
            return
        if not complete:
            print(_STOPPED)
            return
    with announced_interrupts():
        match _MODE.value:
            case "train":
                print(format_scores(evaluate(config, workdir)))
            case "evaluate":
                print(format_scores(evaluate(config, workdir, _STEP.value)))
            case "sample":
                output = local_path(_OUTPUT.value or workdir, "output")
                what = _ANALYSIS.value, _STEP.value, _GROUPS.value
                drawing = Drawing(*(flags.FLAGS[name].value for name in DRAWING))
                print(analyse(config, workdir, *what, output, drawing))
            case "export":
                folder = export(
                    workdir, _STEP.value, config=config, output=_OUTPUT.value
                )
                print(f"Wrote {folder}")
            case "score":
                print(format_scores(score_images(config, _IMAGES.value, _OUTPUT.value)))
            case "describe":
                checks.check_config(config)
                if not build.is_complete(config):
                    config, _ = checks.with_dataset(config)
                print(describe(build.build_gan(config, build.dataset_spec(config))))


def build_config(workdir: pathlib.Path, overrides: Sequence[str]) -> ConfigDict:
    """The config of --config, or else of the run in `workdir`."""
    if _CONFIG.value:
        file, _, argument = str(local_path(_CONFIG.value, "config")).partition(":")
        config = load_config_file(pathlib.Path(file), argument)
    else:
        config = load_config(workdir)
    override(config, overrides)
    return config


def main(arguments: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    make_steadfast()
    return_large_blocks_when_freed()
    let_second_signal_end_process()
    _, *overrides = arguments
    check_flags(flags.FLAGS, overrides)
    try:
        keep_compiled_programs()
        workdir = local_path(
            _WORKDIR.value or default_workdir(_SWEEP.value or _CONFIG.value), "workdir"
        )
        if _MODE.value == "report":
            print(f"Wrote {write_report(workdir, _RUNS.value)}")
            return
        sweeps = _MODE.value == "sweep"
        config = None if sweeps else build_config(workdir, overrides)
        if _DISTRIBUTED.value:
            parallel.connect(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
        parallel.check_devices()
        if not sweeps:
            run(config, workdir)
        elif not run_sweep(_SWEEP.value, workdir, _SET.value):
            print(_STOPPED)
    except (*RUN_ERRORS, SweepError) as error:
        stop(error)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. To go on: {_COMMAND}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
