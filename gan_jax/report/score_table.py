"""Tables of settings against scores, ours beside published ones: Markdown and CSV."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gan_jax.metrics import METRICS, metric_named


class Score(NamedTuple):
    """A score and what stands behind its ±; accuracies are fractions in [0, 1]."""

    mean: float
    std: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A run's line in the table; what is not known (yet) is None or absent."""

    name: str
    settings: Mapping[str, object]
    state: str
    published: Mapping[str, Score]
    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    steps: int | None = None
    epochs: float | None = None
    seeds: int | None = None


def markdown_table(rows: Sequence[Row]) -> str:
    """For people: accuracies in per cent, and no column in which nothing stands."""
    settings = _setting_names(rows)
    shown = []
    for score in _score_names(rows):
        title = f"{_title(score, rows)} {metric_named(score).unit}".strip()
        is_published = any(score in row.published for row in rows)
        if is_published or any(score in row.scores for row in rows):
            shown.append((title, "scores", score))
        if is_published:
            shown.append(("published", "published", score))
    titles = ["run", *settings, "epochs", "steps", "seeds"]
    titles += [*(title for title, _, _ in shown), "state"]
    lines = [titles, ["---"] * len(titles)]
    for row in rows:
        lines.append(
            [
                row.name,
                *(row.settings.get(name, "") for name in settings),
                "" if row.epochs is None else f"{row.epochs:.4g}",
                "" if row.steps is None else f"{row.steps:,}",
                "" if row.seeds is None else row.seeds,
                *(_score_cell(score, getattr(row, of)) for _, of, score in shown),
                row.state,
            ]
        )
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines)


def csv_table(rows: Sequence[Row]) -> str:
    """For programs: the same columns for every sweep but for the settings.

    Of each score `NAME_mean`, `NAME_std`, `published_NAME_mean`, `published_NAME_std`.
    """
    settings = _setting_names(rows)
    scores = {
        f"{prefix}{score}": (of, score)
        for score in _score_names(rows)
        for prefix, of in (("", "scores"), ("published_", "published"))
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["run", *settings, "epochs", "steps", "seeds"]
        + [f"{name}_{part}" for name in scores for part in Score._fields]
        + ["state"]
    )
    for row in rows:
        values = [row.name, *(row.settings.get(name) for name in settings)]
        values += [row.epochs, row.steps, row.seeds]
        for of, score in scores.values():
            values += getattr(row, of).get(score, (None, None))
        writer.writerow([*values, row.state])  # None becomes an empty cell
    return text.getvalue()


def _title(score: str, rows: Sequence[Row]) -> str:
    """The rows' titles of a score, which depend on `eval.features`."""
    titles = [row.titles[score] for row in rows if score in row.titles]
    return " / ".join(dict.fromkeys(titles)) or metric_named(score).title


def _setting_names(rows: Sequence[Row]) -> list[str]:
    """Every row's settings, in the order of their first use."""
    return list(dict.fromkeys(name for row in rows for name in row.settings))


def _score_names(rows: Sequence[Row]) -> list[str]:
    """The package's metrics, and others that a row has."""
    names = [name for row in rows for name in (*row.published, *row.scores)]
    return list(dict.fromkeys([*METRICS, *names]))


def _score_cell(name: str, scores: Mapping[str, Score]) -> str:
    if name not in scores:
        return ""
    return metric_named(name).shown(*scores[name])


def _escaped(cell: object) -> str:
    return " ".join(str(cell).split()).replace("|", "\\|")
