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
import functools
import math
import sys

import flax
import jax
import numpy as np
import torch
from ml_collections import ConfigDict

from benchmarks import common
from benchmarks.common import Program
from benchmarks.torch_mlp_cgan import (
    ADAM_IMPLEMENTATIONS,
    Adam,
    Architecture,
    Training,
    TrainingData,
    shuffled_batches,
)
from gan_jax import build
from gan_jax.data import DataError, Dataset
from gan_jax.gan import Gan
from gan_jax.types import Batch, GanState

CHECK_STEPS = 3
CHECK_TOLERANCE = 1e-4  # of each loss, absolute
ADAM_TRIALS = 5
ADAM_TRIAL_STEPS = 10


def main() -> None:
    arguments = parse_arguments()
    config = common.load_config("mlp_cgan_mnist:9", arguments)
    threads = common.use_same_threads()
    try:
        dataset = build.build_dataset(config)
    except DataError as error:
        sys.exit(f"error: {error}")
    difference = check_same_mathematics(config, dataset)
    print(
        f"Same mathematics: losses of {CHECK_STEPS} steps without dropout differ by at "
        f"most {difference:.1e} (allowed: {CHECK_TOLERANCE:.0e})"
    )
    ours, compile_seconds = common.jax_program(config, dataset)
    adam, theirs = torch_program(config, dataset)
    rounds = time_in_turns(ours, theirs, arguments.rounds, arguments.steps)
    result = common.summarise(rounds) | {
        "steps_per_round": arguments.steps,
        "threads": threads,
        "compile_seconds": compile_seconds,
        "largest_loss_difference": difference,
        "torch_adam": adam,
        "data_source": config.data.source,
        "training_images": len(dataset.train_labels),
    }
    print(format_table(result))
    common.write_json(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = common.argument_parser(__doc__, rounds=9)
    parser.add_argument("--steps", type=int, default=100, help="in a round, of each")
    return common.parse_arguments(parser)


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
    gan = common.with_draws(build.build_gan(config, dataset.spec), latents, labels)
    state, step = common.jax_step(config, gan)
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
    config: ConfigDict,
    gan: Gan,
    state: GanState,
    adam_implementation: str,
    compile_mode: str | None = None,
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
        compile_mode=compile_mode,
    )


def _flat(params: dict) -> dict[str, np.ndarray]:
    return flax.traverse_util.flatten_dict(jax.device_get(params), sep=".")


def _torch_data(images: np.ndarray, labels: np.ndarray) -> TrainingData:
    return TrainingData(
        torch.tensor(images).flatten(start_dim=1),
        torch.tensor(labels, dtype=torch.int64),
    )


def torch_program(config: ConfigDict, dataset: Dataset) -> tuple[str, Program]:
    """PyTorch's steps with its fastest implementation of Adam here; that one's name."""
    programs = {
        name: torch_program_of(config, dataset, name) for name in ADAM_IMPLEMENTATIONS
    }
    timed = {
        name: functools.partial(common.seconds_per_step, program, ADAM_TRIAL_STEPS)
        for name, program in programs.items()
    }
    name = common.fastest(timed, ADAM_TRIALS)
    return name, programs[name]


def torch_program_of(
    config: ConfigDict,
    dataset: Dataset,
    adam_implementation: str,
    compile_mode: str | None = None,
) -> Program:
    """PyTorch's steps with one implementation of Adam."""
    gan = build.build_gan(config, dataset.spec)
    state = common.initial_state(config, gan)
    training = torch_training(config, gan, state, adam_implementation, compile_mode)
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
        pair = tuple(common.seconds_per_step(run, num_steps) for run in (ours, theirs))
        rounds.append(pair)
        print(
            f"round {number}: gan_jax {pair[0] * 1e3:.2f}, PyTorch {pair[1] * 1e3:.2f} "
            "ms per step",
            flush=True,
        )
    return rounds


def format_table(result: dict) -> str:
    lines = [f"{'ms per step':<12}{'median':>9}{'min':>9}{'max':>9}"]
    for name, times in result["seconds"].items():
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
