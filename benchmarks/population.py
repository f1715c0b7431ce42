"""Times a population's train step per member against a single run's.

    python -m benchmarks.population [--config=mlp_cgan_mnist] [--sizes=1,8] \
        [--rounds=5] [--steps=40] [--data-dir=DIR] [--output=FILE.json]

Programs of --sizes members are timed in turns, --steps train steps in a round; those of
several members in both ways, one member after the other and vectorised, whatever
`gan_jax.population` chooses on this backend. The table has medians of milliseconds per
member's step, and their ratio to the first size's.
"""

import statistics
import sys
import time
from unittest import mock

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks import common
from gan_jax import build
from gan_jax.data import DataError, Dataset
from gan_jax.types import Batch

WAYS = {"in turn": "cpu", "vectorised": "gpu"}


def main() -> None:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--config", default="mlp_cgan_mnist", help="NAME[:ARGUMENT]")
    parser.add_argument("--sizes", type=common.numbers, default="1,8")
    parser.add_argument("--steps", type=int, default=40, help="in a round")
    arguments = common.parse_arguments(parser)
    try:
        config = common.load_config(arguments.config, arguments)
        dataset = build.build_dataset(config)
    except (DataError, ValueError, ModuleNotFoundError) as error:
        sys.exit(f"error: {arguments.config}: {error}")
    programs, rows = {}, []
    for size in arguments.sizes:
        for way in WAYS if size > 1 else ("in turn",):
            run, seconds = program(config, dataset, size, way)
            programs[size, way] = run
            rows.append({"size": size, "way": way, "compile_seconds": seconds})
    times = {name: [] for name in programs}
    for number in range(arguments.rounds + 1):
        for name, run in programs.items():
            start = time.perf_counter()
            run(arguments.steps)
            if number:  # the first round warms up
                seconds = time.perf_counter() - start
                times[name].append(seconds / arguments.steps / name[0])
    first = statistics.median(next(iter(times.values())))
    print(f"{'members':>7} {'way':>10} {'ms/member':>9} {'ratio':>6} {'compiled':>9}")
    for row, values in zip(rows, times.values(), strict=True):
        median = statistics.median(values)
        row |= {"seconds_per_member": values, "ratio": median / first}
        print(
            f"{row['size']:7} {row['way']:>10} {median * 1e3:9.2f} "
            f"{row['ratio']:6.2f} {row['compile_seconds']:7.1f} s"
        )
    common.write_json(arguments.output, {"config": arguments.config, "rows": rows})


def program(config: ConfigDict, dataset: Dataset, size: int, way: str):
    """run(num_steps) that trains `size` members, and the seconds it took to compile."""
    config = config.copy_and_resolve_references()
    config.population = size
    gan = build.build_gan(config, dataset.spec)
    references = build.reference_examples(config, gan, dataset)
    data = jax.device_put(Batch(dataset.train_images, dataset.train_labels))
    order = build.initial_order(config, len(dataset.train_labels))
    # What the backend would choose otherwise; convolutions are compiled after it.
    with mock.patch.object(jax, "default_backend", return_value=WAYS[way]):
        run_steps, state = build.build_training(config, gan, 1000, references)
    start = time.perf_counter()
    compiled = run_steps.lower(state, order, data, np.int32(0)).compile()
    compile_seconds = time.perf_counter() - start

    def run(num_steps: int) -> None:
        nonlocal state, order
        state, order = compiled(state, order, data, np.int32(num_steps))
        sums = jax.device_get(state.metric_sums)
        if not all(np.isfinite(value).all() for value in sums.values()):
            raise RuntimeError(f"training diverged: {sums}")

    return run, compile_seconds


if __name__ == "__main__":
    main()
