"""Metrics of a run, as JSON lines and as TensorBoard events."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from gan_jax.report.files import atomic_write, names_file

METRICS_FILE = "metrics.jsonl"


Row = dict[str, Any]


class MetricLogError(ValueError):
    """metrics.jsonl is damaged."""


class MetricLog:
    """Appends metrics to `workdir/metrics.jsonl` and to TensorBoard events beside it.

    One JSON object per logged step, `step` first, whole on disk when `write` returns;
    `last_step` is the step of the last one, -1 before the first.
    Floats are written with all their digits; NaN and infinities, which JSON lacks, as
    null (TensorBoard gets them as they are).

    Args:
      workdir: created if need be.
      resume_step: the step of the checkpoint that training goes on from: what was
        logged after it is dropped. None starts afresh and drops everything.
      revise: changes the row of that step, if there is one; None drops it.

    Raises OSError, naming the file, if it cannot be written; MetricLogError if the
    existing metrics.jsonl is not one.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        resume_step: int | None,
        revise: Callable[[Row], Row | None] = lambda row: row,
    ):
        workdir = Path(workdir)
        self._path = workdir / METRICS_FILE
        kept = []
        if resume_step is not None and self._path.exists():
            kept = [row for row in _read_rows(self._path) if row["step"] <= resume_step]
        if kept and kept[-1]["step"] == resume_step:
            revised = revise(kept.pop())
            kept += [revised] if revised else []
        self.last_step = kept[-1]["step"] if kept else -1
        with atomic_write(self._path) as temporary:
            temporary.write_text("".join(map(_line, kept)), encoding="utf-8")
        # Not tensorboardX.SummaryWriter: its thread dies of a full disk and the next
        # writes then wait for it for ever.
        with names_file(workdir / "events.out.tfevents"):
            # The writer's names are by the second, and it overwrites.
            suffix = f".{time.time_ns()}"
            self._events = EventsWriter(str(workdir / "events"), suffix)
            # Tells TensorBoard to forget what it has from this step on.
            self._write_event(
                step=0 if resume_step is None else resume_step + 1,
                session_log=SessionLog(status=SessionLog.START),
            )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs scalars (Python, NumPy or JAX) of one step."""
        row = {name: float(value) for name, value in metrics.items()}
        with names_file(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line({"step": int(step), **row}))
        values = [
            Summary.Value(tag=name, simple_value=value) for name, value in row.items()
        ]
        self._write_event(step=step, summary=Summary(value=values))
        self.last_step = step

    def image(self, tag: str, array: np.ndarray, step: int) -> None:
        """Logs a picture, uint8 [H, W, 1 or 3], to TensorBoard."""
        picture = summary.image(tag, np.asarray(array), dataformats="HWC")
        self._write_event(step=step, summary=picture)

    def close(self) -> None:
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write_event(self, **fields: Any) -> None:
        with names_file(self._path.parent / "events.out.tfevents"):
            self._events.write_event(Event(wall_time=time.time(), **fields))
            self._events.flush()


def read_metrics(workdir: str | Path) -> list[dict[str, float]]:
    """The rows of `workdir/metrics.jsonl` in order; what was not finite is NaN.

    A last line that is cut off (a killed or running writer) is left out. Raises
    FileNotFoundError, and MetricLogError naming file and line for any other damage.
    """
    return [
        {name: math.nan if value is None else value for name, value in row.items()}
        for row in _read_rows(Path(workdir) / METRICS_FILE)
    ]


def read_column(workdir: str | Path, name: str) -> dict[int, float]:
    """{step: value} of one metric, where it was logged; {} if there is no log."""
    if not (Path(workdir) / METRICS_FILE).exists():
        return {}
    return {row["step"]: row[name] for row in read_metrics(workdir) if name in row}


def _read_rows(path: Path) -> list[Row]:
    # Undecodable bytes only matter where they make a line unreadable.
    *lines, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            row["step"]
        except (ValueError, TypeError, KeyError) as error:
            raise MetricLogError(
                f"{path}, line {number}: expected a JSON object with a step, "
                f"found {line[:80]!r}"
            ) from error
        rows.append(row)
    return rows


def _line(row: Mapping[str, Any]) -> str:
    finite = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in row.items()
    }
    return json.dumps(finite, allow_nan=False) + "\n"
