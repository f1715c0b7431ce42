"""Times report D's cGAN train step (model 9) of gan_jax and of PyTorch, in turns.

    pip install -e '.[benchmark]'
    python -m benchmarks.mlp_cgan_step [--data-source=files --data-dir=DIR] \
        [--rounds=9] [--steps=100] [--output=FILE.json]

One step is two discriminator updates and one generator update at batch 100, with batch
norm, dropout, Adam and random label smoothing: configs/mlp_cgan_mnist.py. Both programs
keep the data in memory as bytes, gather and scale a batch for each update, use the same
number of threads and start from the same parameters. That they do the same mathematics
is checked first: without dropout and on the same draws, the losses of a few train steps
must agree.

In each round gan_jax runs --steps steps in one dispatch, as the training loop does, and
then PyTorch runs as many. Quote the medians over the rounds and their ratio, and only
from an otherwise idle machine: PyTorch's threads wait for each other in every
operation, so that other load slows it down out of proportion.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable

import flax
import jax
import jax.numpy as jnp
import numpy as np
import torch
from ml_collections import ConfigDict

from benchmarks.torch_mlp_cgan import (
    ADAM_IMPLEMENTATIONS,
    Adam,
    Architecture,
    Training,
    TrainingData,
    shuffled_batches,
)
from configs import mlp_cgan_mnist
from gan_jax import build
from gan_jax.data import DataError, Dataset
from gan_jax.gan import Gan
from gan_jax.types import Batch, GanState

CHECK_STEPS = 3
CHECK_TOLERANCE = 1e-4  # of each loss, absolute
ADAM_TRIALS = 5
ADAM_TRIAL_STEPS = 10

Program = Callable[[int], dict[str, float]]  # runs n steps, returns metrics' means


def main() -> None:
    arguments = parse_arguments()
    config = mlp_cgan_mnist.get_config("9")
    config.data.source = arguments.data_source
    config.data.dir = arguments.data_dir
    build.check_config(config)
    threads = use_same_threads()
    try:
        dataset = build.build_dataset(config)
    except DataError as error:
        sys.exit(f"error: {error}")
    difference = check_same_mathematics(config, dataset)
    print(
        f"Same mathematics: losses of {CHECK_STEPS} steps without dropout differ by at "
        f"most {difference:.1e} (allowed: {CHECK_TOLERANCE:.0e})"
    )
    ours, compile_seconds = jax_program(config, dataset)
    adam, theirs = torch_program(config, dataset)
    rounds = time_in_turns(ours, theirs, arguments.rounds, arguments.steps)
    result = summarise(rounds) | {
        "steps_per_round": arguments.steps,
        "threads": threads,
        "compile_seconds": compile_seconds,
        "largest_loss_difference": difference,
        "torch_adam": adam,
        "data_source": config.data.source,
        "training_images": len(dataset.train_labels),
        "versions": {
            "python": platform.python_version(),
            "jax": jax.__version__,
            "torch": torch.__version__,
        },
    }
    print(format_table(result))
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="at least 5")
    parser.add_argument("--steps", type=int, default=100, help="in a round, of each")
    parser.add_argument(
        "--data-source", choices=("embedded", "files"), default="embedded"
    )
    parser.add_argument("--data-dir", default="", help="folder of the files")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error(f"--rounds is {arguments.rounds}; it must be >= 5")
    if arguments.steps < 1:
        parser.error(f"--steps is {arguments.steps}; it must be >= 1")
    return arguments


def use_same_threads() -> int:
    """Gives PyTorch as many threads as XLA takes: one per core it may run on."""
    if hasattr(os, "sched_getaffinity"):
        threads = len(os.sched_getaffinity(0))
    else:
        threads = os.cpu_count()
    torch.set_num_threads(threads)
    return threads


def check_same_mathematics(config: ConfigDict, dataset: Dataset) -> float:
    """Compares a few train steps without dropout, on the same batches and draws.

    Batch norm, Adam and fixed label smoothing are in force; the losses of later steps
    depend on the updates of the earlier.

    Returns:
      The largest difference between two losses.

    Raises:
      RuntimeError: it exceeds CHECK_TOLERANCE.
    """
    config = config.copy_and_resolve_references()
    config.generator.dropout_rate = config.discriminator.dropout_rate = 0.0
    config.loss.label_smoothing = "fixed"
    size = config.batch_size
    random = np.random.default_rng(0)
    latents = random.standard_normal((size, config.latent.size), dtype=np.float32)
    labels = random.integers(dataset.spec.num_classes, size=size, dtype=np.int32)
    batches = [
        Batch(dataset.train_images[start:][:size], dataset.train_labels[start:][:size])
        for start in range(0, config.d_steps * size, size)
    ]
    gan = with_draws(build.build_gan(config, dataset.spec), latents, labels)
    state, step = jax_step(config, gan)
    training = torch_training(config, gan, state, "foreach")
    largest = 0.0
    for _ in range(CHECK_STEPS):
        state, metrics = step(state, batches)
        expected = _torch_step(training, config, batches, latents, labels)
        for name in ("discriminator_loss", "generator_loss"):
            largest = max(largest, abs(float(metrics[name]) - expected[name]))
    if largest > CHECK_TOLERANCE:
        raise RuntimeError(
            f"the two programs differ: a loss by {largest:.1e} in {CHECK_STEPS} steps "
            f"without dropout, more than {CHECK_TOLERANCE:.0e}"
        )
    return largest


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
    train_step, initial_state = build.build_train_step(config, gan, CHECK_STEPS)
    return initial_state(), jax.jit(
        lambda state, batches: train_step(
            state, jax.tree.map(lambda *arrays: jnp.stack(arrays), *batches)
        )
    )


def _torch_step(
    training: Training,
    config: ConfigDict,
    batches: list[Batch],
    latents: np.ndarray,
    labels: np.ndarray,
) -> dict[str, float]:
    """The metrics of one train step of PyTorch on given batches and draws."""
    latents = torch.tensor(latents)
    labels = torch.tensor(labels, dtype=torch.int64)
    target = 1 - config.loss.label_smoothing_amount
    for batch in batches:
        real = _torch_data(*batch)
        training.discriminator_update(
            real_images=real.images,
            real_labels=real.labels,
            real_targets=torch.full((config.batch_size,), target),
            latents=latents,
            fake_labels=labels,
            metric_weight=1 / config.d_steps,
        )
    training.generator_update(latents=latents, labels=labels)
    return training.take_metric_sums()


def torch_training(
    config: ConfigDict, gan: Gan, state: GanState, adam_implementation: str
) -> Training:
    """The PyTorch program of the same config, with the parameters of `state`."""
    settings = config.generator_optimizer
    return Training(
        Architecture(
            latent_size=config.latent.size,
            num_pixels=math.prod(gan.image_shape),
            num_classes=gan.num_classes,
            hidden_size=config.generator.hidden_sizes[0],
            label_width=config.generator.label_width,
            negative_slope=config.generator.negative_slope,
            dropout_rate=config.generator.dropout_rate,
        ),
        Adam(
            learning_rate=settings.learning_rate,
            betas=(settings.arguments.b1, settings.arguments.b2),
            implementation=adam_implementation,
        ),
        generator_params=_flat(state.generator.params),
        discriminator_params=_flat(state.discriminator.params),
    )


def _flat(params: dict) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep=".")


def _torch_data(images: np.ndarray, labels: np.ndarray) -> TrainingData:
    return TrainingData(
        torch.tensor(images).flatten(start_dim=1),
        torch.tensor(labels, dtype=torch.int64),
    )


def jax_program(config: ConfigDict, dataset: Dataset) -> tuple[Program, float]:
    """gan_jax's steps, compiled and called as the loop does; seconds to compile."""
    gan = build.build_gan(config, dataset.spec)
    num_steps = build.number_of_steps(config, len(dataset.train_labels))
    run_steps, state = build.build_training(config, gan, num_steps)
    data = jax.device_put(Batch(dataset.train_images, dataset.train_labels))
    order = build.initial_order(config, len(dataset.train_labels))
    start = time.perf_counter()
    compiled = run_steps.lower(state, order, data, jnp.int32(0)).compile()
    compile_seconds = time.perf_counter() - start

    def run(num_steps: int) -> dict[str, float]:
        nonlocal state, order
        state, order = compiled(state, order, data, jnp.int32(num_steps))
        # As in the loop, the sums are read after each dispatch: it has ended then.
        sums = jax.device_get(state.metric_sums)
        state = state.replace(metric_sums=jax.tree.map(jnp.zeros_like, sums))
        return {name: float(value) / num_steps for name, value in sums.items()}

    return run, compile_seconds


def torch_program(config: ConfigDict, dataset: Dataset) -> tuple[str, Program]:
    """PyTorch's steps with its fastest implementation of Adam here; that one's name."""
    programs = {
        name: _torch_program(config, dataset, name) for name in ADAM_IMPLEMENTATIONS
    }
    times = {name: [] for name in programs}
    for _ in range(ADAM_TRIALS):
        for name, program in programs.items():
            times[name].append(seconds_per_step(program, ADAM_TRIAL_STEPS))
    fastest = min(times, key=lambda name: min(times[name]))
    return fastest, programs[fastest]


def _torch_program(
    config: ConfigDict, dataset: Dataset, adam_implementation: str
) -> Program:
    gan = build.build_gan(config, dataset.spec)
    state, _ = jax_step(config, gan)
    training = torch_training(config, gan, state, adam_implementation)
    data = _torch_data(dataset.train_images, dataset.train_labels)
    order = shuffled_batches(len(data.labels), config.batch_size)

    def run(num_steps: int) -> dict[str, float]:
        training.run_steps(
            data,
            order,
            num_steps,
            d_steps=config.d_steps,
            label_smoothing_amount=config.loss.label_smoothing_amount,
        )
        sums = training.take_metric_sums()
        return {name: value / num_steps for name, value in sums.items()}

    return run


def time_in_turns(
    ours: Program, theirs: Program, num_rounds: int, num_steps: int
) -> list[tuple[float, float]]:
    """Seconds per step of each program, round after round, after a warm-up of both."""
    ours(num_steps)
    theirs(num_steps)
    rounds = []
    for number in range(1, num_rounds + 1):
        pair = tuple(seconds_per_step(run, num_steps) for run in (ours, theirs))
        rounds.append(pair)
        print(
            f"round {number}: gan_jax {pair[0] * 1e3:.2f}, PyTorch {pair[1] * 1e3:.2f} "
            "ms per step",
            flush=True,
        )
    return rounds


def seconds_per_step(program: Program, num_steps: int) -> float:
    start = time.perf_counter()
    means = program(num_steps)
    seconds = time.perf_counter() - start
    if not all(map(math.isfinite, means.values())):
        raise RuntimeError(f"training diverged: {means}")
    return seconds / num_steps


def summarise(rounds: list[tuple[float, float]]) -> dict:
    """Medians, extremes and ratios; a ratio above 1 says that gan_jax is faster."""
    times = dict(zip(("gan_jax", "torch"), zip(*rounds, strict=True), strict=True))
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = [theirs / ours for ours, theirs in rounds]
    return {
        "seconds_per_step": {
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


def format_table(result: dict) -> str:
    lines = [f"{'ms per step':<12}{'median':>9}{'min':>9}{'max':>9}"]
    for name, times in result["seconds_per_step"].items():
        columns = (f"{times[key] * 1e3:9.2f}" for key in ("median", "min", "max"))
        lines.append(f"{name:<12}{''.join(columns)}")
    ratios = result["ratios"]
    lines += [
        f"PyTorch's time / gan_jax's: {result['ratio_of_medians']:.2f} (of medians); "
        f"in the rounds {result['median_of_ratios']:.2f} (median), "
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{len(ratios)} rounds of {result['steps_per_round']} steps each on "
        f"{result['threads']} threads; PyTorch's Adam: {result['torch_adam']}; "
        f"gan_jax compiled once in {result['compile_seconds']:.1f} s",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
