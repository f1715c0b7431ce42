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
from unittest import mock

from benchmarks import common
from gan_jax import build, training
from gan_jax.data import DataError
from gan_jax.population import in_turn, vectorised

WAYS = {"in turn": in_turn, "vectorised": vectorised}


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
            config.population = size
            with mock.patch.object(training, "run_members", WAYS[way]):
                run, seconds = common.jax_program(config, dataset)
            programs[size, way] = run
            rows.append({"size": size, "way": way, "compile_seconds": seconds})
    times = {
        (size, way): [seconds / size for seconds in values]
        for (size, way), values in common.times_in_turns(
            programs, arguments.rounds, arguments.steps
        ).items()
    }
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


if __name__ == "__main__":
    main()
