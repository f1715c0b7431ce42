"""Measures training processes as a whole, of gan_jax and PyTorch: memory and start.

    pip install -e '.[benchmark]'
    python -m benchmarks.process [--config=dcgan_mnist] [--data-dir=DIR] [--steps=20] \
        [--repeats=3] [--output=FILE.json]

Each in a process of its own, one after the other, --repeats times: --steps train steps
of gan_jax with an empty cache of compiled programs, and again with the cache that this
one has filled; the same steps by `gan_jax.train.train`, which writes pictures, test
losses and a checkpoint too (no judge); and PyTorch's program of
`benchmarks.torch_dcgan`, in its fastest way by trial, from the same initial parameters.
All keep the whole data set in memory.

The table has medians: the peak of resident memory, and the seconds from the process's
start to the end of the first step, by phase; the JSON file has the peaks until the end
of each phase too. Linux only.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from ml_collections import ConfigDict

from benchmarks import common, train_steps
from benchmarks.process_report import LINE_START
from gan_jax import build
from gan_jax.data import DataError, Dataset
from gan_jax.workdir import save_config

PHASES = ("imports", "data and initialisation", "compilation", "first step")
COLUMN_WIDTHS = {
    "to_first_step": 14,
    **{phase: len(phase) for phase in PHASES},
}


def main() -> None:
    arguments = parse_arguments()
    threads = common.use_same_threads()
    try:
        config = common.load_config(arguments.config, arguments)
        config.num_steps = arguments.steps
        config.checkpoints.best_metric = ""  # no judge
        dataset = build.build_dataset(config)
        memory_format, adam = train_steps.torch_program(config, dataset)[0]
    except (DataError, ValueError, ModuleNotFoundError) as error:
        sys.exit(f"error: {arguments.config}: {error}")
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(folder, config, dataset)
        torch_command = ["process_torch", folder, arguments.steps, threads]
        torch_command += [memory_format, adam]
        for repeat in range(arguments.repeats):
            cache = folder / f"cache_{repeat}"
            steps_command = ["process_gan_jax", folder, arguments.steps]
            whole = folder / f"run_{repeat}"
            save_config(whole, config)
            for name, command in {
                "gan_jax, empty cache": steps_command,
                "gan_jax, filled cache": steps_command,
                "gan_jax's train()": ["process_gan_jax", whole],
                "PyTorch": torch_command,
            }.items():
                runs.setdefault(name, []).append(run_child(command, cache))
                print(format_row(name, runs[name][-1]), flush=True)
    result = {
        "config": arguments.config,
        "batch_size": config.batch_size,
        "steps": arguments.steps,
        "threads": threads,
        "torch_implementation": f"{memory_format}, {adam} Adam",
        "processes": {
            name: {"median": medians(each), "runs": each} for name, each in runs.items()
        },
    }
    print(format_table(result))
    common.write_json(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = common.argument_parser(__doc__, rounds=None)
    parser.add_argument("--config", default="dcgan_mnist", help="NAME or NAME:ARGUMENT")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="of each process")
    return common.parse_arguments(parser)


def prepare(folder: pathlib.Path, config: ConfigDict, dataset: Dataset) -> None:
    """Writes what the processes of both programs read."""
    save_config(folder, config)
    gan = build.build_gan(config, dataset.spec)
    params = {
        f"{player}.{layer}.{field}": values
        for player, layers in train_steps.initial_params(config, gan).items()
        for layer, fields in layers.items()
        for field, values in fields.items()
    }
    np.savez(folder / "params.npz", **params)
    np.savez(
        folder / "data.npz", images=dataset.train_images, labels=dataset.train_labels
    )


def run_child(command: list, cache: pathlib.Path) -> dict[str, float]:
    """Runs a program of this folder; seconds of its phases and its peak memory."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"):
        environment.pop(name, None)
    module, *arguments = map(str, command)
    start = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    line = process.stdout.splitlines()[-1]
    report = json.loads(line.removeprefix(LINE_START))
    seconds, before = {}, start
    for phase, moment in report["moments"].items():
        seconds[phase] = moment - before
        before = moment
    peaks = {phase: peak / 2**20 for phase, peak in report["peak_bytes"].items()}
    values = {"peak_mib": peaks["end"]}
    if "first step" in seconds:
        values["to_first_step"] = report["moments"]["first step"] - start
        values |= {phase: seconds[phase] for phase in PHASES if phase in seconds}
        values |= {f"peak_mib until {phase}": peak for phase, peak in peaks.items()}
    return values


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def format_row(name: str, values: dict[str, float]) -> str:
    columns = (
        f"{values[key]:{width}.1f}" if key in values else f"{'-':>{width}}"
        for key, width in COLUMN_WIDTHS.items()
    )
    return f"{name:22} {values['peak_mib']:8.0f} " + " ".join(columns)


def format_table(result: dict) -> str:
    header = f"{'':22} {'peak MiB':>8} {'to first step':>14} {' '.join(PHASES)}"
    rows = [
        format_row(name, process["median"])
        for name, process in result["processes"].items()
    ]
    end = (
        f"{result['config']}, batch {result['batch_size']}, {result['steps']} steps, "
        f"{result['threads']} threads; seconds; PyTorch: "
        f"{result['torch_implementation']}"
    )
    return "\n".join([header, *rows, end])


if __name__ == "__main__":
    main()
