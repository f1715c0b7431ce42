"""Times train steps with some fields of a config changed against those without.

    pip install -e '.[benchmark]'
    python -m benchmarks.settings --set=FIELD=VALUE [--set=...] \
        [--configs=dcgan_mnist,cgan_mnist] [--data-dir=DIR] [--steps=5] [--rounds=5] \
        [--output=FILE.json]

For example --set=simultaneous_updates=True generates one batch in place of two, and
--configs=vtgan_cifar --set=discriminator.minibatch_kernels=0 leaves minibatch
discrimination out; --set=data.feed=host keeps the images in host memory. Rounds of
--steps steps of each, in turns. Quote figures from an otherwise idle machine only.
"""

import statistics
import sys

from benchmarks import common
from gan_jax import build, checks
from gan_jax.command_line import set_field
from gan_jax.data import DataError


def main() -> None:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--configs", default="dcgan_mnist,cgan_mnist")
    parser.add_argument(
        "--set", action="append", required=True, metavar="FIELD=VALUE", help="to change"
    )
    parser.add_argument("--steps", type=int, default=5, help="of a round")
    arguments = common.parse_arguments(parser)
    rows = []
    print(
        f"{'config':20} {'as it is, ms':>12} {'changed, ms':>12} {'ratio':>6} (rounds)"
    )
    for name in arguments.configs.split(","):
        programs = {}
        try:
            config = common.load_config(name, arguments)
            config.steps_per_dispatch = arguments.steps
            dataset = build.build_dataset(config)
            programs["as it is"], _ = common.jax_program(config, dataset)
            for setting in arguments.set:
                set_field(config, setting)
            checks.check_config(config)
            programs["changed"], _ = common.jax_program(config, dataset)
        except (DataError, ValueError, ModuleNotFoundError) as error:
            sys.exit(f"error: {name}: {error}")
        times = common.times_in_turns(programs, arguments.rounds, arguments.steps)
        rows.append({"config": name, "batch_size": config.batch_size, **times})
        unchanged, changed = (1e3 * statistics.median(times[way]) for way in programs)
        ratios = [
            after / before
            for before, after in zip(times["as it is"], times["changed"], strict=True)
        ]
        print(
            f"{name:20} {unchanged:12.1f} {changed:12.1f} {changed / unchanged:6.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )
    common.write_json(arguments.output, {"set": arguments.set, "rows": rows})


if __name__ == "__main__":
    main()
