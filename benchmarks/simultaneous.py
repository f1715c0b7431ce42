"""Times train steps with simultaneous updates against those with one after the other.

    pip install -e '.[benchmark]'
    python -m benchmarks.simultaneous [--configs=dcgan_mnist,cgan_mnist] \
        [--data-dir=DIR] [--steps=5] [--rounds=5] [--output=FILE.json]

Simultaneous updates generate one batch in place of two. Rounds of --steps steps of
each, in turns. Quote figures from an otherwise idle machine only.
"""

import statistics
import sys

from benchmarks import common
from gan_jax import build
from gan_jax.data import DataError

WAYS = {"alternating": False, "simultaneous": True}


def main() -> None:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--configs", default="dcgan_mnist,cgan_mnist")
    parser.add_argument("--steps", type=int, default=5, help="of a round")
    arguments = common.parse_arguments(parser)
    rows = []
    print(f"{'config':20} {'alternating ms':>14} {'simultaneous ms':>15} {'ratio':>6}")
    for name in arguments.configs.split(","):
        programs = {}
        try:
            config = common.load_config(name, arguments)
            dataset = build.build_dataset(config)
            for way, at_once in WAYS.items():
                config.simultaneous_updates = at_once
                build.check_config(config)
                programs[way], _ = common.jax_program(config, dataset)
        except (DataError, ValueError, ModuleNotFoundError) as error:
            sys.exit(f"error: {name}: {error}")
        times = common.times_in_turns(programs, arguments.rounds, arguments.steps)
        rows.append({"config": name, "batch_size": config.batch_size, **times})
        alternating, simultaneous = (
            1e3 * statistics.median(times[way]) for way in WAYS
        )
        print(
            f"{name:20} {alternating:14.0f} {simultaneous:15.0f} "
            f"{simultaneous / alternating:6.2f}",
            flush=True,
        )
    common.write_json(arguments.output, {"rows": rows})


if __name__ == "__main__":
    main()
