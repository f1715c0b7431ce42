"""One training process of gan_jax, of which `benchmarks.process` is the parent.

    python -m benchmarks.process_gan_jax RUN_FOLDER NUM_STEPS
    python -m benchmarks.process_gan_jax RUN_FOLDER

Trains as the config in the folder says: NUM_STEPS steps in the way and order of
`gan_jax.train.train`, but without pictures, test losses and checkpoints; without
NUM_STEPS by that function itself.
"""

import pathlib
import sys

import jax
import jax.numpy as jnp

import benchmarks.without_torch  # noqa: F401
from benchmarks.process_report import Report
from gan_jax import build, checks, training
from gan_jax.cache import keep_compiled_programs
from gan_jax.host_memory import return_large_blocks_when_freed
from gan_jax.steps import compile_run_steps
from gan_jax.train import train
from gan_jax.types import Batch
from gan_jax.workdir import load_config


def main() -> None:
    report = Report()
    report.reached("imports")
    keep_compiled_programs()
    folder, *num_steps = sys.argv[1:]
    folder = pathlib.Path(folder)
    if num_steps:
        run_steps(folder, int(num_steps[0]), report)
    else:
        train(load_config(folder), folder)
    report.reached("end")
    report.write()


def run_steps(folder: pathlib.Path, num_steps: int, report: Report) -> None:
    return_large_blocks_when_freed()
    config = load_config(folder)
    checks.check_config(config)
    dataset = build.build_dataset(config)
    gan = build.build_gan(config, dataset.spec)
    reference = training.reference_examples(config, gan, dataset)
    steps_of_run = build.number_of_steps(config, len(dataset.train_labels))
    run_steps, state = training.build_training(config, gan, steps_of_run, reference)
    data = jax.device_put(Batch(dataset.train_images, dataset.train_labels))
    order = training.initial_order(config, len(dataset.train_labels))
    jax.block_until_ready((state, data))
    report.reached("data and initialisation")
    compiled = compile_run_steps(run_steps, state, order, data)
    report.reached("compilation")
    state, order = jax.block_until_ready(compiled(state, order, data, jnp.int32(1)))
    report.reached("first step")
    for start in range(1, num_steps, config.steps_per_dispatch):
        count = min(config.steps_per_dispatch, num_steps - start)
        state, order = compiled(state, order, data, jnp.int32(count))
        jax.block_until_ready(state)


if __name__ == "__main__":
    main()
