"""What the programs that time gan_jax beside PyTorch have in common."""

import argparse
import contextlib
import importlib
import itertools
import json
import math
import os
import pathlib
import platform
import statistics
import time
import weakref
from collections.abc import Callable, Hashable
from typing import TypeVar

import flax
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, checks, training
from gan_jax.data import Dataset
from gan_jax.gan import Gan
from gan_jax.parallel import Devices
from gan_jax.steps import compile_run_steps
from gan_jax.types import GanState

try:
    import torch
except ImportError:  # what times gan_jax alone does without
    torch = None

NAMES = ("gan_jax", "torch")
Name = TypeVar("Name", bound=Hashable)
Program = Callable[[int], dict[str, float]]  # runs n steps, returns metrics' means


def argument_parser(
    description: str, rounds: int | None = 5
) -> argparse.ArgumentParser:
    """With what every program takes; `rounds` is the default of --rounds, if any."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds, help="at least 5")
    parser.add_argument(
        "--data-source",
        choices=("embedded", "files"),
        help="default: files if --data-dir is given, else embedded",
    )
    parser.add_argument("--data-dir", default="", help="folder of the files")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    return parser


def parse_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Numbers must be as large as their help says, and at least 1."""
    arguments = parser.parse_args()
    for name, value in vars(arguments).items():
        minimum = 5 if name == "rounds" else 1
        if isinstance(value, int) and value < minimum:
            option = name.replace("_", "-")
            parser.error(f"--{option} is {value}; it must be >= {minimum}")
    arguments.data_source = arguments.data_source or (
        "files" if arguments.data_dir else "embedded"
    )
    return arguments


def numbers(text: str) -> list[int]:
    """Of an option's value as "1,2,4"."""
    return [int(part) for part in text.split(",")]


def load_config(name: str, arguments: argparse.Namespace) -> ConfigDict:
    """configs/NAME.py, or NAME:ARGUMENT, with the data set that was asked for."""
    module, _, argument = name.partition(":")
    get_config = importlib.import_module(f"configs.{module}").get_config
    config = get_config(argument) if argument else get_config()
    config.data.source = arguments.data_source
    config.data.dir = arguments.data_dir
    checks.check_config(config)
    return config


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "jax": jax.__version__}
    return found | ({"torch": torch.__version__} if torch else {})


def write_json(path: pathlib.Path | None, result: dict) -> None:
    """With the versions; nowhere without a path."""
    if path:
        result = result | {"versions": versions()}
        path.write_text(json.dumps(result, indent=2) + "\n")


def use_same_threads() -> int:
    """Gives PyTorch as many threads as XLA takes: one per core it may run on."""
    if hasattr(os, "sched_getaffinity"):
        threads = len(os.sched_getaffinity(0))
    else:
        threads = os.cpu_count()
    torch.set_num_threads(threads)
    return threads


def with_draws(gan: Gan, latents: np.ndarray, labels: np.ndarray) -> Gan:
    """The same GAN, but its latents and classes are always the given ones."""

    class GanWithDraws(Gan):
        def sample_latents(self, key, batch_size):
            return jnp.asarray(latents)

        def sample_labels(self, key, batch_size):
            return jnp.asarray(labels)

    return GanWithDraws(**vars(gan))


def jax_step(config: ConfigDict, gan: Gan) -> tuple[GanState, Callable]:
    """The first state, and one jitted train step of (state, list of real batches)."""
    train_step, make_state = training.build_train_step(config, gan, num_steps=1)
    return make_state(), jax.jit(
        lambda state, batches: train_step(
            state, jax.tree.map(lambda *arrays: jnp.stack(arrays), *batches)
        )
    )


def jax_program(
    config: ConfigDict, dataset: Dataset, devices: Devices | None = None
) -> tuple[Program, float]:
    """gan_jax's steps, compiled and called as the loop does; seconds to compile.

    On one device if none are given. A population's metrics are means over its members.
    With `config.data.feed` 'host' every call is of `config.steps_per_dispatch` steps.
    """
    devices = devices or Devices()
    gan = build.build_gan(config, dataset.spec)
    num_steps = build.number_of_steps(config, len(dataset.train_labels))
    references = training.reference_examples(config, gan, dataset)
    run_steps, state = training.build_training(
        config, gan, num_steps, references, devices
    )
    length = config.steps_per_dispatch
    stack = contextlib.ExitStack()
    feed = stack.enter_context(
        training.build_feed(
            config,
            dataset,
            devices,
            dispatches=((step, length) for step in itertools.count(0, length)),
            longest=length,
        )
    )
    data = next(feed)
    order = training.initial_order(config, len(dataset.train_labels))
    state, order = devices.put((state, order))
    start = time.perf_counter()
    compiled = compile_run_steps(run_steps, state, order, data)
    compile_seconds = time.perf_counter() - start

    def run(num_steps: int) -> dict[str, float]:
        nonlocal state, order, data
        state, order = compiled(state, order, data, jnp.int32(num_steps))
        data = next(feed)
        # As in the loop, the sums are read after each dispatch: it has ended then.
        sums = jax.device_get(state.metric_sums)
        zeros = jax.tree.map(jnp.zeros_like, state.metric_sums)
        state = state.replace(metric_sums=zeros)
        return {name: float(value.mean()) / num_steps for name, value in sums.items()}

    weakref.finalize(run, stack.close)
    return run, compile_seconds


def seconds_per_step(program: Program, num_steps: int) -> float:
    start = time.perf_counter()
    means = program(num_steps)
    seconds = time.perf_counter() - start
    if not all(map(math.isfinite, means.values())):
        raise RuntimeError(f"training diverged: {means}")
    return seconds / num_steps


def times_in_turns(
    programs: dict[Name, Program], num_rounds: int, num_steps: int
) -> dict[Name, list[float]]:
    """Seconds per step of each program in every round, after one that warms up."""
    times = {name: [] for name in programs}
    for number in range(num_rounds + 1):
        for name, program in programs.items():
            seconds = seconds_per_step(program, num_steps)
            if number:
                times[name].append(seconds)
    return times


def summarise(rounds: list[tuple[float, float]]) -> dict:
    """Medians, extremes and ratios; a ratio above 1 says that gan_jax is faster."""
    times = dict(zip(NAMES, zip(*rounds, strict=True), strict=True))
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = [theirs / ours for ours, theirs in rounds]
    return {
        "seconds": {
            name: {
                "median": medians[name],
                "min": min(values),
                "max": max(values),
                "rounds": values,
            }
            for name, values in times.items()
        },
        "ratio_of_medians": medians["torch"] / medians["gan_jax"],
        "median_of_ratios": statistics.median(ratios),
        "ratios": ratios,
    }


def initial_state(config: ConfigDict, gan: Gan) -> GanState:
    """Everything as it is before training."""
    _, make_state = training.build_train_step(config, gan, num_steps=1)
    return make_state()


def params_by_layer(params: dict) -> dict[str, dict[str, np.ndarray]]:
    """One player's parameters as the programs of PyTorch take them."""
    layers = {}
    for (*path, field), value in flax.traverse_util.flatten_dict(
        jax.device_get(params)
    ).items():
        layers.setdefault("/".join(path), {})[field] = value
    return layers


def fastest(timed: dict[Name, Callable[[], float]], num_trials: int) -> Name:
    """The name of what takes the least time, in turns; each returns its seconds."""
    times = {name: [] for name in timed}
    for _ in range(num_trials):
        for name, run in timed.items():
            times[name].append(run())
    return min(times, key=lambda name: min(times[name]))
