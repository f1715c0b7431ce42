"""Curves over steps as numbers that a page draws: points, ticks, last values."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from gan_jax.report.curves import group_means

SIZE = 1000  # of a chart's coordinates, in both directions; y points down
MOST_POINTS = 500  # of a line; more are averaged
_FEW_POINTS = 30  # up to so many are marked each
_MARGIN = 0.06  # of the range of values, above and below


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve: `values` over ascending `steps`; NaN is a gap.

    Attributes:
      spread: a deviation for each value, or None.
      color: a number; the same one in every panel for what is the same.
    """

    label: str
    steps: np.ndarray  # [N]
    values: np.ndarray  # [N]
    spread: np.ndarray | None = None
    color: int = 0


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A line in a chart's coordinates, as SVG path data."""

    label: str
    color: int
    path: str
    dots: str
    band: str
    last: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """A panel; ticks are (text, per cent from the left or from the top)."""

    title: str
    lines: list[Drawn]
    x_ticks: list[tuple[str, float]]
    y_ticks: list[tuple[str, float]]
    last_step: str
    note: str
    data: dict[str, Any]  # what the page's script reads


def line_of(
    rows: Sequence[Mapping[str, Any]],
    name: str,
    label: str,
    *,
    scale: float = 1.0,
    color: int = 0,
) -> Line | None:
    """A metric of a log's rows; None if no row has a finite value."""
    rows = [row for row in rows if name in row]
    steps = np.array([row["step"] for row in rows], np.float64)
    values, spread = (
        scale * np.array([number(row.get(column)) for row in rows], np.float64)
        for column in (name, f"{name}_std")
    )
    if not np.isfinite(values).any():
        return None
    has_spread = np.isfinite(spread).any()
    return Line(label, steps, values, spread if has_spread else None, color)


def number(value: Any) -> float:
    """The value if it is a finite number, else NaN."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number else math.nan


def chart(
    title: str, lines: Sequence[Line], limits: tuple[float, float] | None = None
) -> Chart:
    """A panel of lines.

    Args:
      limits: of the values; None: those of the lines, but for rare peaks of long ones.
    """
    longest = max(len(line.steps) for line in lines)
    lines = [_thinned(line) for line in lines]
    first = min(line.steps[0] for line in lines)
    last = max(line.steps[-1] for line in lines)
    low, high = limits or _limits(lines)
    return Chart(
        title,
        [_drawn(line, (first, last), (low, high)) for line in lines],
        _ticks(first, last, MaxNLocator(nbins=5, integer=True), down=False),
        _ticks(low, high, MaxNLocator(nbins=5), down=True),
        f"{last:,.0f}",
        _note(longest),
        {
            "first": first,
            "last": last,
            "lines": [
                {"steps": line.steps.tolist(), "values": _json_numbers(line.values)}
                for line in lines
            ],
        },
    )


def shown(value: float) -> str:
    """A number in four digits, as the page's script writes it."""
    return f"{float(f'{value:.4g}'):,.10g}"


def _note(longest: int) -> str:
    if longest <= MOST_POINTS:
        return ""
    return (
        f"{longest:,} logged rows: a point is the mean of about "
        f"{longest / MOST_POINTS:.2g} neighbours."
    )


def _thinned(line: Line) -> Line:
    spread = line.spread
    return dataclasses.replace(
        line,
        steps=group_means(line.steps, MOST_POINTS).round(),
        values=group_means(line.values, MOST_POINTS),
        spread=None if spread is None else group_means(spread, MOST_POINTS),
    )


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    values = [line.values for line in lines]
    values += [
        line.values + sign * line.spread
        for line in lines
        if line.spread is not None
        for sign in (-1, 1)
    ]
    values = [each[np.isfinite(each)] for each in values]
    if max(map(len, values)) > 200:
        values = [np.percentile(each, [0.5, 99.5]) for each in values]
    low, high = np.concatenate(values).min(), np.concatenate(values).max()
    margin = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def _drawn(
    line: Line, steps: tuple[float, float], limits: tuple[float, float]
) -> Drawn:
    x = _place(line.steps, *steps)
    segments = _segments(x, SIZE - _place(line.values, *limits))
    alone = [segment for segment in segments if len(segment) == 1]
    few = len(line.steps) <= _FEW_POINTS
    finite = line.values[np.isfinite(line.values)]
    return Drawn(
        line.label,
        line.color,
        "".join(_path(segment) for segment in segments if len(segment) > 1),
        "".join(
            f"M{x:g},{y:g}h0"
            for segment in (segments if few else alone)
            for x, y in segment
        ),
        "" if line.spread is None else _band(line, x, limits),
        shown(finite[-1]),
    )


def _place(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where values are on an axis from 0 to SIZE; in its middle if it has no length."""
    if low == high:
        return np.full(len(values), SIZE / 2)
    return SIZE * (values - low) / (high - low)


def _segments(x: np.ndarray, y: np.ndarray) -> list[list[tuple[float, float]]]:
    """Points, rounded, in stretches without a gap."""
    segments: list[list[tuple[float, float]]] = [[]]
    for point in zip(x.round(1).tolist(), y.round(1).tolist(), strict=True):
        if math.isfinite(point[1]):
            segments[-1].append(point)
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _band(line: Line, x: np.ndarray, limits: tuple[float, float]) -> str:
    """Closed paths of one deviation on both sides."""
    above, below = (
        _segments(x, SIZE - _place(line.values + sign * line.spread, *limits))
        for sign in (1, -1)
    )
    return "".join(
        _path([*upper, *reversed(lower)]) + "Z"
        for upper, lower in zip(above, below, strict=True)
    )


def _ticks(
    low: float, high: float, locator: MaxNLocator, *, down: bool
) -> list[tuple[str, float]]:
    if low == high:
        return [(f"{low:,.10g}", 50.0)]
    ticks = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    places = [100 * (tick - low) / (high - low) for tick in ticks]
    return [
        (f"{tick:,.10g}", round(100 - place if down else place, 2))
        for tick, place in zip(ticks, places, strict=True)
    ]


def _json_numbers(values: np.ndarray) -> list[float | None]:
    return [
        float(f"{value:.6g}") if math.isfinite(value) else None
        for value in values.tolist()
    ]
