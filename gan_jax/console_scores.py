"""Scores as a table that people read on the console."""

import itertools
from collections.abc import Mapping
from typing import Any

from gan_jax.metrics import mean_and_std, metric_named


def format_scores(result: dict) -> str:
    """The scores as a table for people, in per cent where they are fractions."""
    remarks_and_health = [
        *(f"warning: {warning}" for warning in result.get("warnings", ())),
        *(f"health: {line}" for line in result["health"]),
    ]
    columns = score_columns(result)
    lines = [*_seen_by(result), *remarks_and_health]
    rows = [
        row for name in result["metrics"] for row in _score_rows(name, columns, result)
    ]
    if not rows:
        return "\n".join([*lines, f"{next(iter(columns))}: no scores"])
    titles = ["", *columns, "published", "real images", "half against half", "better"]
    return "\n".join(lines + _aligned(_without_empty_columns([titles, *rows])))


def _seen_by(result: Mapping[str, Any]) -> list[str]:
    """A line of the judge, and one of the features if they are not its own."""
    lines = []
    if judge := result.get("classifier"):
        accuracy = f"{judge['test_accuracy']:.2%} of the real test images"
        lines.append(f"judge {judge['name']}: {accuracy}")
    if features := result.get("features"):
        weights = features.get("weights_sha256")
        of_file = f", weights {weights[:8]}" if weights else ""
        lines.append(f"features {features['name']}: {features['number']:,}{of_file}")
    return lines


def score_columns(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The scores of the last checkpoint, and of the best if it is another, by title."""
    seeds = f", {len(result['members'])} seeds" if "over_seeds" in result else ""
    latest = f"step {result['step']:,}" if "step" in result else "these images"
    columns = {latest + seeds: result}
    best = result.get("best")
    if best and best["step"] != result["step"]:
        columns[f"best, step {best['step']:,}{seeds}"] = best
    return columns


def real_score(result: Mapping[str, Any], name: str) -> float | None:
    """The value that real images have of a metric; None: there is none."""
    real = result.get(metric_named(name).real or f"{name}_real")
    return real["mean"] if isinstance(real, Mapping) else real


def _score_rows(name: str, columns: dict[str, dict], result: dict) -> list[list[str]]:
    """A metric's title, values, published value, those of real images; and better."""
    metric = metric_named(name).described(result["metrics"][name])
    title = f"{metric.title} {metric.unit}".rstrip()
    values = [
        metric.shown(*mean_and_std(scores, name)) if name in scores else ""
        for scores in columns.values()
    ]
    real = real_score(result, name)
    floor = result.get(f"{name}_floor")
    references = [result.get("published", {}).get(name, "")]
    references += ["" if each is None else metric.shown(each) for each in (real, floor)]
    better = {"largest": "larger", "smallest": "smaller"}[metric.better]
    rows = [[title, *values, *references, better]]
    for size in result.get(f"{name}_of", {}):
        of_size = [
            scores.get(f"{name}_of", {}).get(size) for scores in columns.values()
        ]
        values = [
            metric.shown(each["mean"], each["std"]) if each else "" for each in of_size
        ]
        rows.append([f"  of {int(size):,} images", *values, "", "", "", better])
    return rows


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """Without those in which only the title, in the first row, stands."""
    kept = [any(cells) for cells in zip(*rows[1:], strict=True)]
    return [list(itertools.compress(row, kept)) for row in rows]


def _aligned(rows: list[list[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [
                cell.rjust(width)
                for cell, width in zip(row[1:], widths[1:], strict=True)
            ]
        ).rstrip()
        for row in rows
    ]
