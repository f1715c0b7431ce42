"""Times the data-parallel train step on fake CPU devices against one device.

    python -m benchmarks.devices [--config=mlp_cgan_mnist] [--devices=2,4] \
        [--batch-size=100] [--rounds=5] [--steps=20] [--data-dir=DIR] \
        [--output=FILE.json]

Weak scaling: N devices train with N times --batch-size images. All fake devices share
this machine's cores, so one device takes the same time for the same images but for what
dividing costs: communication, work that every device does for itself (optimiser
updates, the order of the data) and smaller operations. That ratio is in the table, for
both ways of `config.parallel`, medians of rounds in turns.
"""

import statistics
import sys

import jax

from benchmarks import common
from gan_jax import build, parallel
from gan_jax.data import DataError


def main() -> None:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--config", default="mlp_cgan_mnist", help="NAME[:ARGUMENT]")
    parser.add_argument("--devices", type=common.numbers, default="2,4")
    parser.add_argument("--batch-size", type=int, default=100, help="of each device")
    parser.add_argument("--steps", type=int, default=20, help="in a round")
    arguments = common.parse_arguments(parser)
    jax.config.update("jax_num_cpu_devices", max(arguments.devices))
    try:
        config = common.load_config(arguments.config, arguments)
        dataset = build.build_dataset(config)
    except (DataError, ValueError, ModuleNotFoundError) as error:
        sys.exit(f"error: {arguments.config}: {error}")
    rows = []
    print(f"{'devices':>7} {'batch':>6} {'one ms':>8} {'jit ms':>15} {'pmap ms':>15}")
    for number in arguments.devices:
        config.batch_size = number * arguments.batch_size
        devices = jax.devices()[:number]
        programs = {"one": common.jax_program(config, dataset)[0]}
        for way in parallel.PARALLEL:
            spread = parallel.batch_devices(way, config.batch_size, devices)
            programs[way] = common.jax_program(config, dataset, spread)[0]
        times = common.times_in_turns(programs, arguments.rounds, arguments.steps)
        rows.append({"devices": number, "batch_size": config.batch_size, **times})
        medians = {name: statistics.median(values) for name, values in times.items()}
        ways = (
            f"{medians[way] * 1e3:8.1f} ({medians[way] / medians['one']:.2f})"
            for way in parallel.PARALLEL
        )
        one = f"{medians['one'] * 1e3:8.1f}"
        print(f"{number:7} {config.batch_size:6} {one} {' '.join(ways)}", flush=True)
    common.write_json(arguments.output, {"config": arguments.config, "rows": rows})


if __name__ == "__main__":
    main()
