"""Times scores beside public libraries, in turns, and compares their values.

    pip install -e '.[benchmark]'
    python -m benchmarks.scores [--only=TEXT] [--rounds=5] [--num-samples=10000] \
        [--output=results/tables/scores.json] [--beside-other-work]

Features are random numbers, float32, of two distributions that differ a little. Of the
kernel distance ten subsets of 1,000 images are timed. Values are compared first, of the
first 1,000 images, where subsets are all images and each library must give the same.
"""

import argparse
import contextlib
import io
import json
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import prdc
import torch
from torch_fidelity import metric_fid, metric_kid, metric_prc

from benchmarks import common
from gan_jax import metrics
from gan_jax.metrics._balls import balls

CHECKED = (
    1000  # images behind the comparison of values; a subset of the kernel distance
)
NEIGHBOURS = 5
_TEXT = (
    "Medians of {rounds} rounds in turns, {num_samples:,} images each, on {threads} "
    "threads{beside}. Features are random, float32; libraries compute in the number "
    "format in brackets, gan_jax in float64. The kernel distance is of ten subsets of "
    f"{CHECKED:,} images. Values are compared on {CHECKED:,} images: for the Fréchet "
    "distance these are fewer than features."
)


class Comparison(NamedTuple):
    """A score of ours and of a library, both (real, generated) -> values."""

    title: str
    library: str
    num_features: int
    ours: Callable[[np.ndarray, np.ndarray], tuple[float, ...]]
    theirs: Callable[[np.ndarray, np.ndarray], tuple[float, ...]]


def main() -> None:
    arguments = parse_arguments()
    threads = common.use_same_threads()
    rows = []
    for comparison in COMPARISONS:
        if arguments.only not in f"{comparison.title} {comparison.library}":
            continue
        real, generated = features(arguments.num_samples, comparison.num_features)
        difference = relative_difference(comparison, real, generated)
        times = common.summarise(
            [
                tuple(
                    seconds(function, real, generated)
                    for function in (comparison.ours, comparison.theirs)
                )
                for _ in range(arguments.rounds + 1)
            ][1:]
        )
        rows.append(
            [
                comparison.title,
                comparison.library,
                f"{comparison.num_features:,}",
                *(f"{times['seconds'][name]['median']:.2f}" for name in common.NAMES),
                f"{times['median_of_ratios']:.2f}",
                f"{difference:.1e}",
            ]
        )
        print("  ".join(rows[-1]), flush=True)
    if arguments.output:
        beside = ", beside other work" * arguments.beside_other_work
        table = {
            "source": "run",
            "page": "speed",
            "title": "Scores beside public libraries",
            "text": _TEXT.format(**vars(arguments), threads=threads, beside=beside),
            "command": "python -m benchmarks.scores",
            "columns": [
                "score",
                "library",
                "features",
                "gan_jax, s",
                "library, s",
                "ratio",
                "relative difference",
            ],
            "rows": rows,
        }
        text = json.dumps(table, indent=1, ensure_ascii=False)
        arguments.output.write_text(text + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="scores or libraries with this text")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5")
    parser.add_argument("--num-samples", type=int, default=10_000, help="1000 or more")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    parser.add_argument(
        "--beside-other-work", action="store_true", help="for the table's text"
    )
    arguments = parser.parse_args()
    for name, minimum in (("rounds", 5), ("num_samples", CHECKED)):
        value = getattr(arguments, name)
        if value < minimum:
            option = name.replace("_", "-")
            parser.error(f"--{option} is {value}; it must be >= {minimum}")
    return arguments


def features(num_samples: int, num_features: int) -> list[np.ndarray]:
    """Real and generated ones, float32 [num_samples, num_features]."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(num_features, num_features)) / num_features**0.5
    mixing += np.eye(num_features)
    return [
        np.float32(scale * random.normal(size=(num_samples, num_features)) @ mixing)
        for scale in (1.0, 0.9)
    ]


def relative_difference(
    comparison: Comparison, real: np.ndarray, generated: np.ndarray
) -> float:
    """The largest of the values."""
    ours, theirs = (
        np.array(function(real[:CHECKED], generated[:CHECKED]))
        for function in (comparison.ours, comparison.theirs)
    )
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-12)))


def seconds(function: Callable, real: np.ndarray, generated: np.ndarray) -> float:
    start = time.perf_counter()
    function(real, generated)
    return time.perf_counter() - start


def frechet_distance(real, generated):
    return (metrics.frechet_distance(real, generated),)


def torch_frechet_distance(real, generated):
    statistics = [
        metric_fid.fid_features_to_statistics(torch.tensor(each))
        for each in (real, generated)
    ]
    return tuple(
        metric_fid.fid_statistics_to_metric(*statistics, verbose=False).values()
    )


def kernel_distance(real, generated):
    mean, _ = metrics.kernel_distance(
        real, generated, num_subsets=10, subset_size=CHECKED
    )
    return (mean,)


def torch_kernel_distance(real, generated, dtype=torch.float32):
    found = metric_kid.kid_features_to_metric(
        *(torch.tensor(each, dtype=dtype) for each in (real, generated)),
        kid_subsets=10,
        kid_subset_size=CHECKED,
        verbose=False,
    )
    return (found[metric_kid.KEY_METRIC_KID_MEAN],)


def precision_recall(real, generated):
    return metrics.precision_recall(real, generated, NEIGHBOURS)


def torch_precision_recall(real, generated):
    found = metric_prc.prc_features_to_metric(
        torch.tensor(generated),
        torch.tensor(real),
        prc_neighborhood=NEIGHBOURS,
        verbose=False,
    )
    return found["precision"], found["recall"]


def all_of_balls(real, generated):
    """As evaluations compute these four scores: at once."""
    found = balls(real, generated, k=NEIGHBOURS, count_k=NEIGHBOURS)
    return (
        found.is_precise.mean(),
        found.is_recalled.mean(),
        found.num_balls.mean() / NEIGHBOURS,
        found.is_covered.mean(),
    )


def prdc_all_of_balls(real, generated):
    with contextlib.redirect_stdout(io.StringIO()):
        found = prdc.compute_prdc(real, generated, NEIGHBOURS)
    return tuple(found[name] for name in ("precision", "recall", "density", "coverage"))


COMPARISONS = (
    Comparison(
        "Fréchet distance",
        "torch-fidelity (float64)",
        2048,
        frechet_distance,
        torch_frechet_distance,
    ),
    Comparison(
        "kernel distance",
        "torch-fidelity (float64)",
        2048,
        kernel_distance,
        lambda real, generated: torch_kernel_distance(real, generated, torch.float64),
    ),
    Comparison(
        "kernel distance",
        "torch-fidelity (float32)",
        2048,
        kernel_distance,
        torch_kernel_distance,
    ),
    Comparison(
        "precision, recall",
        "torch-fidelity (float32)",
        512,
        precision_recall,
        torch_precision_recall,
    ),
    Comparison(
        "precision, recall, density, coverage",
        "prdc (float64)",
        512,
        all_of_balls,
        prdc_all_of_balls,
    ),
)


if __name__ == "__main__":
    main()
