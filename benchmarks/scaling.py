"""Times train steps over batch sizes and numbers of filters, of gan_jax and PyTorch.

    pip install -e '.[benchmark]'
    python -m benchmarks.scaling [--config=dcgan_mnist] [--data-dir=DIR] \
        [--batch-sizes=32,64,128,256] [--filter-multipliers=1,2] [--rounds=5] \
        [--seconds=3] [--output=FILE.json]

The config is taken with each batch size, and with each multiplier of both players'
numbers of filters at its own batch size. Everything else is as in
`benchmarks.train_steps`: the same check, the same choice of PyTorch's fastest way, and
rounds in turns of about --seconds of each program.
"""

import argparse
import sys

from ml_collections import ConfigDict

from benchmarks import common, train_steps
from gan_jax import checks
from gan_jax.data import DataError


def main() -> None:
    arguments = parse_arguments()
    threads = common.use_same_threads()
    rows = []
    try:
        config = common.load_config(arguments.config, arguments)
        for batch_size, multiplier in points(config, arguments):
            row = train_steps.time_config(
                scaled_config(config, batch_size, multiplier),
                arguments.rounds,
                arguments.seconds,
            )
            rows.append({"filter_multiplier": multiplier} | row)
            print(format_row(rows[-1]), flush=True)
    except (DataError, ValueError, ModuleNotFoundError) as error:
        sys.exit(f"error: {arguments.config}: {error}")
    print(format_table(rows))
    result = {"config": arguments.config, "threads": threads, "points": rows}
    common.write_json(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--config", default="dcgan_mnist", help="NAME or NAME:ARGUMENT")
    parser.add_argument("--batch-sizes", type=common.numbers, default="32,64,128,256")
    parser.add_argument("--filter-multipliers", type=common.numbers, default="1,2")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    return common.parse_arguments(parser)


def points(config: ConfigDict, arguments: argparse.Namespace) -> list[tuple[int, int]]:
    """Batch size and filter multiplier of each point, none of them twice."""
    own_multiplier = config.generator.filter_multiplier
    of_batches = [(size, own_multiplier) for size in arguments.batch_sizes]
    of_filters = [(config.batch_size, each) for each in arguments.filter_multipliers]
    return list(dict.fromkeys(of_batches + of_filters))


def scaled_config(config: ConfigDict, batch_size: int, multiplier: int) -> ConfigDict:
    config = config.copy_and_resolve_references()
    config.batch_size = batch_size
    config.generator.filter_multiplier = multiplier
    config.discriminator.filter_multiplier = multiplier
    checks.check_config(config)
    return config


def format_row(row: dict) -> str:
    columns = [f"{row['batch_size']:5} {row['filter_multiplier']:7}"]
    for times in row["seconds"].values():
        median = times["median"]
        columns.append(f"{median * 1e3:9.1f} {row['batch_size'] / median:9.0f}")
    ratios = row["ratios"]
    columns.append(
        f"{row['ratio_of_medians']:6.2f} ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"{row['torch_implementation']}"
    )
    return " ".join(columns)


def format_table(rows: list[dict]) -> str:
    header = (
        f"{'batch':>5} {'filters':>7} {'gan_jax ms':>10} {'images/s':>8} "
        f"{'PyTorch ms':>10} {'images/s':>8} ratio (rounds)"
    )
    return "\n".join([header, *map(format_row, rows)])


if __name__ == "__main__":
    main()
