"""Times the train steps of several configs, of gan_jax and of PyTorch, in turns.

    pip install -e '.[benchmark]'
    python -m benchmarks.train_steps --data-dir=DIR [--configs=NAME,NAME:ARGUMENT] \
        [--rounds=5] [--seconds=10] [--output=FILE.json]

The fully connected cGAN is `benchmarks.mlp_cgan_step`; the convolutional configs'
PyTorch programs are in `benchmarks.torch_dcgan`. What neither has (virtual batch norm,
up-sampling, unconditional MLPs, ...) is refused by name. Both programs keep the data in
memory as bytes, start from the same parameters and use the same number of threads. That
they do the same mathematics is checked first: without dropout and gradient penalty,
with gradient descent in place of Adam and on the same draws, the losses of four train
steps must agree, and have moved ten times as far. PyTorch runs with the fastest of its
memory formats and Adams, by trial.

In each round each program runs for about --seconds. GFLOP are those of PyTorch's
program by its own counter (convolutions by their definition), for both; the share of
the peak is of what a product of two 2048 x 2048 matrices reaches in the same run. Quote
figures from an otherwise idle machine only.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch
from ml_collections import ConfigDict
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import common, mlp_cgan_step
from benchmarks.torch_dcgan import (
    Training,
    implementations,
    mirrored,
)
from benchmarks.torch_mlp_cgan import shuffled_batches
from benchmarks.torch_r3gan import R3GANTraining
from gan_jax import build
from gan_jax.data import DataError, Dataset
from gan_jax.gan import Gan
from gan_jax.types import Batch

CONFIGS = (
    "mlp_cgan_mnist",
    "dcgan_mnist",
    "cgan_mnist",
    "wgan_gp_mnist",
    "acgan_cifar",
    "vtgan_cifar",
)
CHECK_STEPS = 4
CHECK_TOLERANCE = 1e-3  # of each loss, absolute
TRIALS = 4  # of each of PyTorch's implementations, the first to warm up


def main() -> None:
    arguments = parse_arguments()
    threads = common.use_same_threads()
    peak = matrix_product_peak()
    print(f"{threads} threads; matrix products reach {peak:.0f} GFLOP/s", flush=True)
    rows = []
    for name in arguments.configs.split(","):
        try:
            config = common.load_config(name, arguments)
            row = {"config": name} | time_config(
                config, arguments.rounds, arguments.seconds
            )
        except (DataError, ValueError, ModuleNotFoundError) as error:
            sys.exit(f"error: {name}: {error}")
        rows.append(row)
        print(format_row(row, peak), flush=True)
    print(format_table(rows, peak))
    result = {
        "threads": threads,
        "matrix_product_gflop_per_second": peak,
        "configs": rows,
    }
    common.write_json(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--configs", default=",".join(CONFIGS))
    parser.add_argument("--seconds", type=float, default=10.0, help="of each round")
    return common.parse_arguments(parser)


def matrix_product_peak() -> float:
    """GFLOP/s, the best of ten."""
    matrix = jnp.ones((2048, 2048))
    product = jax.jit(jnp.matmul)
    best = 0.0
    for _ in range(11):
        start = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        best = max(best, 2 * 2048**3 / 1e9 / (time.perf_counter() - start))
    return best


class NoModules:
    """Stands for PyTorch's tracker of modules: everything is in none."""

    parents = frozenset({"Global"})

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def time_config(config: ConfigDict, num_rounds: int, seconds: float) -> dict:
    """The times of one config's steps, in rounds of about `seconds` of each program."""
    dataset = build.build_dataset(config)
    if config.generator.name == "mlp":
        if not config.conditional:
            raise ValueError("unconditional MLPs are not written in PyTorch")
        difference = mlp_cgan_step.check_same_mathematics(config, dataset)
        adam, theirs = mlp_cgan_step.torch_program(config, dataset)
        implementation = f"{adam} Adam"
    else:
        difference = check_same_mathematics(config, dataset)
        way, theirs = torch_program(config, dataset)
        implementation = "{}, {} Adam".format(*way)
    counter = FlopCounterMode(display=False)
    # Its own fails on second derivatives; which module counts what is not asked here.
    counter.mod_tracker = NoModules()
    with counter:
        theirs(1)
    ours, compile_seconds = common.jax_program(config, dataset)
    programs = ours, theirs
    steps = []
    for program in programs:
        program(1)
        trial = common.seconds_per_step(program, 2)
        steps.append(max(1, round(seconds / trial)))
    rounds = [
        tuple(map(common.seconds_per_step, programs, steps)) for _ in range(num_rounds)
    ]
    return common.summarise(rounds) | {
        "batch_size": config.batch_size,
        "gflop_per_step": counter.get_total_flops() / 1e9,
        "compile_seconds": compile_seconds,
        "torch_implementation": implementation,
        "largest_loss_difference": difference,
    }


def initial_params(config: ConfigDict, gan: Gan) -> dict[str, dict]:
    """Both players' parameters before training, by layer."""
    state = common.initial_state(config, gan)
    return {
        player: common.params_by_layer(getattr(state, player).params)
        for player in ("generator", "discriminator")
    }


def training_class(config: ConfigDict) -> type[Training]:
    """PyTorch's program of a convolutional config."""
    return R3GANTraining if config.generator.name == "residual" else Training


def torch_programs(
    config: ConfigDict, dataset: Dataset
) -> Callable[..., common.Program]:
    """A function of memory format, Adam and compile mode that gives PyTorch's steps."""
    gan = build.build_gan(config, dataset.spec)
    params = initial_params(config, gan)
    images = mirrored(dataset.train_images)
    labels = torch.tensor(dataset.train_labels, dtype=torch.int64)
    order = shuffled_batches(len(labels), config.batch_size)

    def program(
        memory_format: str, adam: str, compile_mode: str | None = None
    ) -> common.Program:
        training = training_class(config)(
            config,
            params,
            gan.image_shape,
            gan.num_classes,
            adam,
            memory_format,
            compile_mode,
        )
        return functools.partial(training.run_steps, images, labels, order)

    return program


def torch_program(
    config: ConfigDict, dataset: Dataset
) -> tuple[tuple[str, str], common.Program]:
    """PyTorch's memory format and Adam, the fastest here, and its steps with them."""
    program = torch_programs(config, dataset)
    programs = {way: program(*way) for way in implementations()}
    timed = {
        way: functools.partial(common.seconds_per_step, run, 1)
        for way, run in programs.items()
    }
    way = common.fastest(timed, TRIALS)
    return way, programs[way]


def check_same_mathematics(config: ConfigDict, dataset: Dataset) -> float:
    """The largest difference between losses of both programs, on the same draws.

    Raises:
      RuntimeError: it exceeds CHECK_TOLERANCE.
    """
    config = config.copy_and_resolve_references()
    for player in ("generator", "discriminator"):
        if "dropout_rate" in config[player]:
            config[player].dropout_rate = 0.0
    if "gradient_penalty" in config.terms:
        del config.terms.gradient_penalty
    config.schedules = ConfigDict()
    # Adam's first steps are of one size whatever the gradient: where that is nothing
    # but rounding, as before batch norm, they differ.
    for player in ("generator", "discriminator"):
        config[f"{player}_optimizer"].name = "sgd"
        # Residual blocks are the identity at first: they have to move.
        rate = 0.1 if config.generator.name == "residual" else 1e-4
        config[f"{player}_optimizer"].learning_rate = rate
        config[f"{player}_optimizer"].arguments = ConfigDict()
    size = config.batch_size
    random = np.random.default_rng(0)
    latents = random.uniform(-1, 1, (size, config.latent.size)).astype(np.float32)
    labels = random.integers(dataset.spec.num_classes, size=size, dtype=np.int32)
    batches = [
        Batch(dataset.train_images[start:][:size], dataset.train_labels[start:][:size])
        for start in range(0, config.d_steps * size, size)
    ]
    gan = common.with_draws(build.build_gan(config, dataset.spec), latents, labels)
    state, step = common.jax_step(config, gan)
    training = training_class(config)(
        config,
        initial_params(config, gan),
        gan.image_shape,
        gan.num_classes,
        "foreach",
        "contiguous",
    )
    draws = torch.tensor(latents), torch.tensor(labels, dtype=torch.int64)
    largest, first, last = 0.0, None, None
    for _ in range(CHECK_STEPS):
        state, metrics = step(state, batches)
        updates = [
            training.discriminator_update(
                mirrored(images), torch.tensor(real_labels, dtype=torch.int64), *draws
            )
            for images, real_labels in batches
        ]
        last = jax.tree.map(lambda *losses: sum(losses) / len(losses), *updates)
        last |= training.generator_update(*draws)
        last = {name: float(loss) for name, loss in last.items()}
        first = first or last
        for name, loss in last.items():
            largest = max(largest, abs(float(metrics[name]) - loss))
    moved = min(abs(last[name] - first[name]) for name in last)
    if moved < 10 * largest:
        raise RuntimeError(
            f"{CHECK_STEPS} steps move a loss by {moved:.1e} only, no more than what "
            f"the programs differ by, {largest:.1e}: nothing is checked"
        )
    if largest > CHECK_TOLERANCE:
        raise RuntimeError(
            f"the two programs differ: a loss by {largest:.1e} in {CHECK_STEPS} steps "
            f"without dropout, more than {CHECK_TOLERANCE:.0e}"
        )
    return largest


def format_row(row: dict, peak: float) -> str:
    columns = [f"{row['config']:18} {row['batch_size']:5} {row['gflop_per_step']:8.1f}"]
    for times in row["seconds"].values():
        share = row["gflop_per_step"] / times["median"] / peak
        columns.append(f"{times['median'] * 1e3:9.1f} {share:6.0%}")
    ratios = row["ratios"]
    columns.append(
        f"{row['ratio_of_medians']:6.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    columns.append(f"{row['compile_seconds']:5.1f}  {row['torch_implementation']}")
    return " ".join(columns)


def format_table(rows: list[dict], peak: float) -> str:
    header = (
        f"{'config':18} {'batch':>5} {'GFLOP':>8} {'gan_jax ms':>10} {'peak':>5} "
        f"{'PyTorch ms':>10} {'peak':>5} ratio (rounds)       compile s"
    )
    return "\n".join([header, *(format_row(row, peak) for row in rows)])


if __name__ == "__main__":
    main()
