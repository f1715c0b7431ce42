"""Curves of a training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from gan_jax.metrics import METRICS, metric_named
from gan_jax.report.files import atomic_write

_FEW_POINTS = 30  # Up to so many are marked each.
_MANY_POINTS = 200  # More than these are smoothed over a part of the run.
_SMOOTHED_PART = 0.02
_MOST_POINTS = 1000


class _Curve(NamedTuple):
    """How the values of one metric look."""

    name: str
    label: str
    color: str  # of Okabe and Ito's or Tol's palette, for all colour vision
    line: str  # tells the curves apart in grey print, too
    scale: float = 1.0


_LOSSES = (
    _Curve("discriminator_loss", "discriminator", "#0072B2", "-"),
    _Curve("generator_loss", "generator", "#D55E00", "--"),
    _Curve("test_discriminator_loss", "discriminator, test", "#56B4E9", "-."),
    _Curve("test_generator_loss", "generator, test", "#E69F00", ":"),
)
_CLASS_LOSSES = tuple(
    curve._replace(name=curve.name.replace("_loss", "_class_loss")) for curve in _LOSSES
)
_ACCURACIES = (
    _Curve("real_accuracy", "real images", "#009E73", "-", 100),
    _Curve("fake_accuracy", "generated images", "#AA4499", "--", 100),
)


def plot_curves(
    metrics: Sequence[Mapping[str, float]],
    path: str | Path,
    *,
    title: str,
    scores: Sequence[str] = tuple(METRICS),
    features: str = "judge",
) -> None:
    """Draws losses, the discriminator's accuracy and scores over steps as a PNG file.

    Losses on test data stand in the panel of those of training.

    Long runs show means of neighbouring rows, at most 1,000 points, thin and pale, and
    over them a centred moving average over 2 % of the run. The axis of losses then
    leaves out peaks that neither the average nor 99 % of the points reach.

    Of several seeds, rows have means and, as `NAME_std`, deviations, which are drawn as
    a band around the curve.

    Args:
      metrics: rows with `step`, ascending, and any of `discriminator_loss`,
        `generator_loss`, both with `_class_loss` for `_loss`, these four with `test_`
        before them, `real_accuracy`, `fake_accuracy` (as fractions), and scores; a row
        may lack any of them; what is not finite is left out. Class losses and scores
        get panels if any row has them.
      path: written whole or not at all.
      title: stands over the picture.
      scores: names of metrics.
      features: the `eval.features` that these see.

    Raises ValueError if there are no rows; OSError that names the file if it cannot be
    written.
    """
    if not metrics:
        raise ValueError(f"no metrics to draw in {path}")
    names = {name for row in metrics for name in row}
    of_metrics = [_curve_of_metric(score, features) for score in scores]
    losses, class_losses, score_curves = (
        [curve for curve in curves if curve.name in names]
        for curves in (_LOSSES, _CLASS_LOSSES, of_metrics)
    )
    heights = [2.4, 2.0] + [2.0] * bool(class_losses) + [1.6] * len(score_curves)
    figure = Figure(figsize=(7, 0.8 + sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    _draw_losses(panels[0], metrics, losses, "Losses")
    _draw_accuracies(panels[1], metrics)
    if class_losses:
        _draw_losses(panels[2], metrics, class_losses, "Class losses")
    of_scores = panels[len(panels) - len(score_curves) :]
    for axes, curve in zip(of_scores, score_curves, strict=True):
        _draw(axes, metrics, curve)
        _head(axes, curve.label, [])
    for axes in panels:
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    _label_steps(panels[-1], metrics)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


def _curve_of_metric(name: str, features: str) -> _Curve:
    metric = metric_named(name).with_features(features)
    unit = f" ({metric.unit})" if metric.unit else ""
    return _Curve(name, f"{metric.title}{unit}", "black", "-", metric.scale)


def group_means(values: np.ndarray, groups: int) -> np.ndarray:
    """Means over `groups` runs of neighbours, of those that are finite; NaN if none.

    Fewer values than `groups` are returned as they are.
    """
    if len(values) <= groups:
        return values
    starts = np.arange(groups) * len(values) // groups
    finite = np.isfinite(values)
    sums = np.add.reduceat(np.where(finite, values, 0.0), starts)
    counts = np.add.reduceat(finite.astype(np.int64), starts)
    return np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Means over `window` (odd) values around each; of those that are finite and exist.

    At the ends the window is cut. NaN where it holds no finite value.
    """
    finite = np.isfinite(values)
    ones = np.ones(window)
    sums = np.convolve(np.where(finite, values, 0.0), ones, mode="same")
    counts = np.convolve(finite, ones, mode="same").round()
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def _draw_losses(
    axes: Axes,
    metrics: Sequence[Mapping[str, float]],
    curves: Sequence[_Curve],
    title: str,
) -> None:
    lines = [_draw(axes, metrics, curve) for curve in curves]
    values = [_worth_showing(metrics, curve) for curve in curves]
    shown = np.concatenate([np.empty(0), *values])
    if len(shown) and shown.min() < shown.max():
        margin = 0.06 * (shown.max() - shown.min())
        axes.set_ylim(shown.min() - margin, shown.max() + margin)
    axes.set_ylabel("loss")
    _head(axes, title, lines)


def _draw_accuracies(axes: Axes, metrics: Sequence[Mapping[str, float]]) -> None:
    lines = [_draw(axes, metrics, curve) for curve in _ACCURACIES]
    axes.axhline(50, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_ylim(-3, 103)
    axes.set_ylabel("accuracy (%)")
    _head(axes, "Discriminator accuracy", lines)


def _label_steps(axes: Axes, metrics: Sequence[Mapping[str, float]]) -> None:
    first, last = metrics[0]["step"], metrics[-1]["step"]
    if first == last:
        axes.set_xlim(first - 1, last + 1)
    axes.set_xlabel("training step")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _head(axes: Axes, title: str, lines: Sequence[Line2D]) -> None:
    """Title and legend above the panel, where they cover no data."""
    axes.set_title(title, loc="left", fontsize=10)
    if lines:
        axes.legend(
            handles=lines,
            loc="lower right",
            bbox_to_anchor=(1, 0.98),
            ncols=2,
            frameon=False,
            fontsize=9,
        )


def _draw(axes: Axes, metrics: Sequence[Mapping[str, float]], curve: _Curve) -> Line2D:
    steps, values = _series(metrics, curve)
    look = {"color": curve.color, "linestyle": curve.line, "label": curve.label}
    few = len(steps) <= _MANY_POINTS
    if any(f"{curve.name}_std" in row for row in metrics):
        _, spread = _series(metrics, curve._replace(name=f"{curve.name}_std"))
        middle = values
        if not few:
            middle, spread = _smoothed(values), _smoothed(spread)
        axes.fill_between(
            steps,
            middle - spread,
            middle + spread,
            color=curve.color,
            alpha=0.2,
            linewidth=0,
        )
    if few:
        marker = "o" if len(steps) <= _FEW_POINTS else None
        (line,) = axes.plot(
            steps, values, **look, linewidth=1.4, marker=marker, markersize=3.5
        )
        return line
    axes.plot(steps, values, color=curve.color, linewidth=0.5, alpha=0.25)
    (line,) = axes.plot(steps, _smoothed(values), **look, linewidth=1.6)
    return line


def _series(
    metrics: Sequence[Mapping[str, float]], curve: _Curve
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and scaled values of the rows that have the metric, few enough to see."""
    rows = [(row["step"], row[curve.name]) for row in metrics if curve.name in row]
    steps, values = np.asarray(rows, np.float64).reshape(-1, 2).T
    values = np.where(np.isfinite(values), values, np.nan) * curve.scale
    return group_means(steps, _MOST_POINTS), group_means(values, _MOST_POINTS)


def _smoothed(values: np.ndarray) -> np.ndarray:
    half_window = max(1, round(len(values) * _SMOOTHED_PART / 2))
    return moving_average(values, 2 * half_window + 1)


def _worth_showing(metrics: Sequence[Mapping[str, float]], curve: _Curve) -> np.ndarray:
    """Values that the vertical axis must hold: of many, no rare peaks."""
    _, values = _series(metrics, curve)
    finite = values[np.isfinite(values)]
    if len(finite) <= _MANY_POINTS:
        return finite
    smoothed = _smoothed(values)
    percentiles = np.percentile(finite, [0.5, 99.5])
    return np.concatenate([smoothed[np.isfinite(smoothed)], percentiles])
