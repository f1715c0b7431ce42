"""A page of one run or of several, as the text of one HTML file that needs no other.

What is read comes in as a `Run`, and nothing else is looked at: `run_report` reads it.
"""

import base64
import dataclasses
import functools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from gan_jax.metrics import METRICS, Metric, mean_and_std
from gan_jax.report.charts import Chart, chart, line_of, number

_TEMPLATES = Path(__file__).parent / "templates"
_PHASES = {"": "", "test_": ", test phase"}
# Columns of the log and their names in a panel, of each phase.
_PANELS = {
    "Losses": {
        "discriminator_loss": "discriminator",
        "generator_loss": "generator",
    },
    "Class losses": {
        "discriminator_class_loss": "discriminator",
        "generator_class_loss": "generator",
    },
    "Discriminator's accuracy (%)": {
        "real_accuracy": "real images",
        "fake_accuracy": "generated images",
    },
}
# The same for several runs: a panel for each.
_COMPARED = {
    "discriminator_loss": "Discriminator's loss",
    "generator_loss": "Generator's loss",
    "real_accuracy": "Discriminator's accuracy on real images (%)",
    "fake_accuracy": "Discriminator's accuracy on generated images (%)",
}
_ACCURACY_LIMITS = (-3.0, 103.0)
# What a deviation is over, by the field beside it.
_SPREADS = {"num_splits": "splits", "num_runs": "runs", "num_seeds": "seeds"}
_CAPTIONS = {
    "samples": "Generated images",
    "interpolation": "Paths from one latent to another",
    "arithmetic": "Latent arithmetic: average latents, a - b + c",
    "dropout": "The same latents at dropout rates from 0.5 down to 0",
    "truncation": "The same latents, truncated more from row to row",
    "training": "The same latents over training, a row for each moment",
    "directions": "One latent moved along the directions that change images most",
    "projection": "Real images above the nearest that the generator can make",
    "neighbours": "Generated images, and right of each its nearest training images",
}
_NONE = "–"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG file; `step` is set for samples during training."""

    name: str  # without .png
    png: bytes
    width: int
    height: int
    step: int = 0

    @property
    def uri(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"

    @property
    def caption(self) -> str:
        return _CAPTIONS.get(self.name, self.name)


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run's folder holds.

    Attributes:
      settings: of config.json, with dots in their names.
      defaults: of these fields; a field without one differs.
      class_names: of the data set; () if they are not known.
      rows: of metrics.jsonl.
      evaluation: evaluation.json, or None.
      grids: samples over training, those that the page is to show.
      num_grids: how many there are.
      pictures: of analyses.
      remarks: {section: what is missing or damaged there}, in words.
    """

    name: str
    settings: Mapping[str, Any]
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    class_names: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    evaluation: Mapping[str, Any] | None = None
    grids: Sequence[Picture] = ()
    num_grids: int = 0
    pictures: Sequence[Picture] = ()
    remarks: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A score as people are shown it, and as it is sorted (None: it is missing)."""

    text: str
    value: float | None = None


@dataclasses.dataclass(frozen=True)
class ScoreRow:
    title: str
    better: str  # 'larger' or 'smaller'
    last: Cell
    best: Cell
    real: Cell
    floor: Cell  # of training images against other training images
    note: str


def render(runs: Sequence[Run]) -> str:
    """The page of a run, or the comparison of several, with different names."""
    if len(runs) == 1:
        return _template("run.html").render(_run_view(runs[0]))
    return _template("comparison.html").render(_comparison_view(runs))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["setting"] = _setting
    environment.filters["breakable"] = _breakable
    return environment


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


def _setting(value: Any) -> str:
    """As the command line takes it."""
    if isinstance(value, list | tuple):
        inner = ", ".join(map(repr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return value if isinstance(value, str) and value else repr(value)


def _breakable(name: str) -> markupsafe.Markup:
    """Shows where it may be broken in a narrow window; not within a number."""
    places = r"(?<=[_/])|(?<=\.)(?=[a-z])"
    return markupsafe.Markup("<wbr>").join(re.split(places, name))


# One run.


def _run_view(run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "title": run.name,
        "facts": _facts(run),
        "differing": [
            (field, value, run.defaults.get(field, _NONE))
            for field, value in run.settings.items()
            if field not in run.defaults or run.defaults[field] != value
        ],
        "scores": _score_rows(run.evaluation or {}),
        "has_floors": any(name.endswith("_floor") for name in run.evaluation or ()),
        "late": _late(run),
        "charts_of_run": _charts(run),
        "gaps": _gaps(run.rows),
        "classes": _classes(run),
        "confusion": _confusion(run),
    }


def _facts(run: Run) -> list[tuple[str, str]]:
    """What a reader asks first, of whatever is known."""
    settings = run.settings
    steps = f"{run.rows[-1]['step']:,.0f}" if run.rows else _NONE
    if settings.get("num_steps"):
        steps += f" of {settings['num_steps']:,}"
    elif settings.get("num_epochs"):
        steps += f" ({settings['num_epochs']:,} epochs asked for)"
    return [
        ("data", str(settings.get("data.name", _NONE))),
        ("generator", str(settings.get("generator.name", _NONE))),
        ("discriminator", str(settings.get("discriminator.name", _NONE))),
        ("loss", str(settings.get("loss.name", _NONE))),
        ("seed", str(settings.get("seed", _NONE))),
        ("logged steps", steps),
    ]


def _score_rows(evaluation: Mapping[str, Any]) -> list[ScoreRow]:
    best = evaluation.get("best") or {}
    rows = []
    for name, metric in _metrics(evaluation).items():
        better = "smaller" if metric.better == "smallest" else "larger"
        rows.append(
            ScoreRow(
                _title(metric),
                better,
                _score_cell(evaluation, name, metric),
                _score_cell(best, name, metric),
                _real_cell(evaluation, name, metric),
                _score_cell(evaluation, f"{name}_floor", metric),
                _spread_note(evaluation, name),
            )
        )
        last_of, best_of = (each.get(f"{name}_of", {}) for each in (evaluation, best))
        rows += [
            ScoreRow(
                f"{_title(metric)} of {int(size):,} images",
                better,
                _score_cell(last_of, size, metric),
                _score_cell(best_of, size, metric),
                real=Cell(_NONE),  # That of as many real images is not known.
                floor=Cell(_NONE),
                note="",
            )
            for size in last_of
        ]
    return rows


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, Metric]:
    """The metrics of an evaluation, by what it says of them itself."""
    return {
        name: Metric(title=name, value=None).described(description)
        for name, description in evaluation.get("metrics", {}).items()
    }


def _title(metric: Metric) -> str:
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def _score_cell(scores: Mapping[str, Any], name: str, metric: Metric) -> Cell:
    if name not in scores:
        return Cell(_NONE)
    mean, std = map(number, mean_and_std(scores, name))
    if math.isnan(mean):
        return Cell("not a number")
    return Cell(metric.shown(mean, None if math.isnan(std) else std), mean)


def _real_cell(evaluation: Mapping[str, Any], name: str, metric: Metric) -> Cell:
    """The score of the real test images."""
    real = METRICS[name].real if name in METRICS else ""
    return _score_cell(evaluation, real or f"{name}_real", metric)


def _spread_note(evaluation: Mapping[str, Any], name: str) -> str:
    """What the deviation is over."""
    score = evaluation.get("over_seeds", evaluation).get(name)
    if isinstance(score, Mapping):
        for field, word in _SPREADS.items():
            if field in score:
                return f"± over {score[field]} {word}"
    runs = len(evaluation.get(f"{name}_accuracies", ()))
    return f"± over {runs} classifiers" if runs > 1 else ""


def _late(run: Run) -> str:
    """That training has gone on since the evaluation, if it has."""
    step = (run.evaluation or {}).get("step")
    if step is None or not run.rows or run.rows[-1]["step"] <= step:
        return ""
    return (
        f"These scores are of step {step:,}; the log goes on to step "
        f"{run.rows[-1]['step']:,.0f}."
    )


def _charts(run: Run) -> list[Chart]:
    charts = []
    for title, labels in _PANELS.items():
        scale, limits = (100, _ACCURACY_LIMITS) if "%" in title else (1, None)
        names = {
            f"{prefix}{name}": f"{label}{note}"
            for prefix, note in _PHASES.items()
            for name, label in labels.items()
        }
        lines = [
            line_of(run.rows, name, label, scale=scale, color=color)
            for color, (name, label) in enumerate(names.items())
        ]
        charts += _chart_of(title, lines, limits)
    for name, metric in _logged_scores([run]).items():
        line = line_of(run.rows, name, metric.title, scale=metric.scale)
        charts += _chart_of(_title(metric), [line])
    return charts


def _chart_of(title: str, lines: Iterable, limits: Any = None) -> list[Chart]:
    lines = [line for line in lines if line is not None]
    return [chart(title, lines, limits)] if lines else []


def _logged_scores(runs: Sequence[Run]) -> dict[str, Metric]:
    """The metrics that stand in a log."""
    known: dict[str, Metric] = {}
    for run in runs:
        features = run.settings.get("eval.features", "judge")
        known |= {name: METRICS[name].with_features(features) for name in METRICS}
    for run in runs:
        # An evaluation may have had other features than the checkpoints' scores.
        known = _metrics(run.evaluation or {}) | known
        best = run.settings.get("checkpoints.best_metric")
        if best and best not in known:  # one of the user's own
            known[best] = Metric(title=best, value=None)
    logged = {name for run in runs for row in run.rows for name in row}
    return {name: metric for name, metric in known.items() if name in logged}


def _gaps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each column with values that are no finite numbers."""
    gaps: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if math.isnan(number(value)):
                gaps.setdefault(name, []).append(row["step"])
    return [
        f"{name} is not a finite number in {len(steps):,} of {len(rows):,} rows, first "
        f"at step {steps[0]:,.0f}: its curve has a gap there."
        for name, steps in gaps.items()
    ]


def _classes(run: Run) -> dict[str, Any] | None:
    """Shares of the classes among generated images, and lengths of their bars."""
    shares = list(map(number, (run.evaluation or {}).get("class_frequencies", ())))
    finite = [share for share in shares if math.isfinite(share)]
    if not finite:
        return None
    uniform = 1 / len(shares)
    # The bar of the largest share does not fill its place, nor does the mark.
    scale = 1000 / (1.1 * max(*finite, uniform))
    return {
        "uniform": f"{uniform:.2%}",
        "mark": round(scale * uniform, 1),
        "bars": [
            (name, f"{share:.2%}", 0 if math.isnan(share) else round(scale * share, 1))
            for name, share in zip(_names(run, len(shares)), shares, strict=True)
        ],
    }


def _names(run: Run, num_classes: int) -> Sequence[str]:
    """Of the classes; their numbers where they are not known."""
    if len(run.class_names) == num_classes:
        return run.class_names
    return [str(label) for label in range(num_classes)]


def _confusion(run: Run) -> dict[str, Any] | None:
    """Of each class asked for, the shares of the classes that the judge sees."""
    counts = (run.evaluation or {}).get("confusion_matrix")
    if not counts:
        return None
    names = _names(run, len(counts))
    rows = []
    for label, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = sum(row)
        shares = [count / total if total else math.nan for count in row]
        cells = [
            (_share(share), _strength(share), seen == label)
            for seen, share in enumerate(shares)
        ]
        rows.append((name, cells, f"{total:,}"))
    return {"names": names, "rows": rows}


def _strength(share: float) -> int:
    """Of a cell's colour, in per cent; by the root, so that a few per cent are seen."""
    return 0 if math.isnan(share) else round(100 * math.sqrt(share))


def _share(share: float) -> str:
    """In per cent; what is nothing or nearly nothing is told apart."""
    if math.isnan(share):
        return _NONE
    return f"{100 * share:.1f}" if share else "0"


# Several runs.


def _comparison_view(runs: Sequence[Run]) -> dict[str, Any]:
    metrics: dict[str, Metric] = {}
    for run in runs:
        metrics |= _metrics(run.evaluation or {})
    return {
        "title": f"Comparison of {len(runs)} runs",
        "runs": runs,
        "metrics": [(_title(metric), metric.better) for metric in metrics.values()],
        "table": [
            (
                run,
                Cell(*_step_of(run)),
                [_score_cell(run.evaluation or {}, *item) for item in metrics.items()],
            )
            for run in runs
        ],
        "real": _common_real_scores(runs, metrics),
        "doubts": _doubts(runs),
        "shared": [row for row in _differing(runs) if _NONE not in row[1]],
        "partial": [row for row in _differing(runs) if _NONE in row[1]],
        "charts_of_run": _compared_charts(runs),
        "told": [(run, _told(run)) for run in runs if _told(run)],
    }


def _step_of(run: Run) -> tuple[str, float | None]:
    step = (run.evaluation or {}).get("step")
    return (_NONE, None) if step is None else (f"{step:,}", step)


def _common_real_scores(
    runs: Sequence[Run], metrics: Mapping[str, Metric]
) -> list[Cell] | None:
    """Scores of the real images, if they are the same for all runs."""
    scores = [
        [_real_cell(run.evaluation, *item) for item in metrics.items()]
        for run in runs
        if run.evaluation
    ]
    same = scores and all(each == scores[0] for each in scores)
    return scores[0] if same and any(cell.value for cell in scores[0]) else None


def _doubts(runs: Sequence[Run]) -> list[str]:
    """Why scores of the runs may not be comparable: the first reason there is."""
    evaluations = [run.evaluation for run in runs if run.evaluation]
    for field, what in (
        ("data", "on different data"),
        ("classifier", "by different judges"),
        ("features", "by different features"),
        ("num_samples", "with different numbers of generated images"),
    ):
        if len({json.dumps(each.get(field)) for each in evaluations}) > 1:
            return [f"The runs were scored {what}: their scores do not compare."]
    sizes = {each.get("gan_train_samples") for each in evaluations} - {None}
    if len(sizes) > 1:
        return ["GAN-train has different numbers of images: its values do not compare."]
    return []


def _differing(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    fields = dict.fromkeys(field for run in runs for field in run.settings)
    rows = []
    for field in fields:
        values = [
            _setting(run.settings[field]) if field in run.settings else _NONE
            for run in runs
        ]
        if len(set(values)) > 1:
            rows.append((field, values))
    return rows


def _compared_charts(runs: Sequence[Run]) -> list[Chart]:
    panels = [
        (f"{prefix}{name}", f"{title}{note}", 100 if "%" in title else 1)
        for prefix, note in _PHASES.items()
        for name, title in _COMPARED.items()
    ]
    for name, metric in _logged_scores(runs).items():
        panels.append((name, _title(metric), metric.scale))
    charts = []
    for name, title, scale in panels:
        limits = _ACCURACY_LIMITS if name.endswith("_accuracy") else None
        lines = [
            line_of(run.rows, name, run.name, scale=scale, color=color)
            for color, run in enumerate(runs)
        ]
        charts += _chart_of(title, lines, limits)
    return charts


def _told(run: Run) -> list[str]:
    """Warnings, health and what is missing of a run, in a comparison."""
    evaluation = run.evaluation or {}
    return [
        *(
            line
            for section in ("scores", "curves", "samples")
            for line in run.remarks.get(section, ())
        ),
        *filter(None, [_late(run)]),
        *(f"warning: {line}" for line in evaluation.get("warnings", ())),
        *(f"health: {line}" for line in evaluation.get("health", ())),
        *_gaps(run.rows),
    ]
