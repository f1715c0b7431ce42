"""Sweeps: a list of runs, each trained and judged once, and a table of their scores.

A sweep file is Python with a function `get_sweep() -> list[Run]`. Each run lives in
a folder of its name in the sweep's; beside it are NAME.lock, which says who trains it,
and NAME.error, if it failed. What a table says is read from these files, so that
several processes that share a sweep write the same one.
"""

import contextlib
import dataclasses
import fcntl
import json
import pathlib
import re
import runpy
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.build import ConfigError
from gan_jax.checkpoint import CheckpointError
from gan_jax.command_line import set_field
from gan_jax.data import DataError
from gan_jax.evaluate import EVALUATION_FILE, evaluate, format_scores
from gan_jax.report.files import atomic_write
from gan_jax.report.metric_log import MetricLogError
from gan_jax.report.score_table import Row, Score, csv_table, markdown_table
from gan_jax.train import train
from gan_jax.workdir import CONFIG_FILE, check_training_config

# What may be wrong with a run, other than this code: told in one line.
RUN_ERRORS = (
    ConfigError,
    DataError,
    CheckpointError,
    MetricLogError,
    FloatingPointError,
    OSError,
)
_CAPTION = (
    "Scores are those of the checkpoint after the last step. With several seeds the ± "
    "of ours is the standard deviation over them; with one, that of GAN-test is the "
    "sample standard deviation over sampling runs, that of the Inception Score the "
    "population standard deviation over its splits, and that of GAN-train, where "
    "eval.gan_train_runs is more than 1, the sample standard deviation over these runs."
    " The ± of published scores is as published."
)


class SweepError(ValueError):
    """A sweep that cannot begin, or of which runs failed: the message says which."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One line of a sweep's table.

    Attributes:
      name: of its folder: letters, digits, _ and -.
      config: as --config takes it, "configs/NAME.py" or "configs/NAME.py:ARGUMENT".
      settings: what it stands for, {column of the table: value}.
      overrides: of the config, {field: value} with dots in nested fields' names.
      published: {"gan_test", "gan_train" or "inception_score": Score}, accuracies as
        fractions.
    """

    name: str
    config: str
    settings: Mapping[str, object]
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    published: Mapping[str, Score] = dataclasses.field(default_factory=dict)


def run_sweep(file: str, workdir: pathlib.Path, settings: Sequence[str]) -> bool:
    """Trains and judges the runs of a sweep file that are not finished yet.

    Writes table.md and table.csv after every run, and prints the former at the end. A
    run that fails is reported, and tried again in the next call. One that another
    process is at is left to it, unless that process gives it up before the others
    are done.

    Args:
      file: has `get_sweep() -> list[Run]`.
      settings: "FIELD=VALUE" of the config, for every run.

    Returns:
      Whether it came to its end, rather than being interrupted.

    Raises:
      SweepError: the file is no sweep, a setting does not fit a run's config, or runs
        failed.
    """
    jobs = [_Job.plan(run, workdir, settings) for run in load_sweep(file)]
    title = shlex.join([file, *(f"--set={setting}" for setting in settings)])
    elsewhere: list[_Job] = []

    def write_table() -> tuple[list[Row], str]:
        rows = [job.row(elsewhere=job in elsewhere) for job in jobs]
        return rows, _write_table(title, workdir, rows)

    write_table()
    waiting, complete = jobs, False
    try:
        while not complete:
            elsewhere = []
            for job in waiting:
                if not job.attempt():
                    elsewhere.append(job)
                write_table()
            # Otherwise other processes are done with some, or gave them up.
            complete = not elsewhere or elsewhere == waiting
            waiting = elsewhere
    except KeyboardInterrupt:
        pass
    rows, table = write_table()
    print(f"\n{table}", flush=True)
    if not complete:
        return False
    if elsewhere:
        print(f"Other processes are at {', '.join(job.run.name for job in elsewhere)}.")
    failed = [row.name for row in rows if row.state.startswith("error")]
    if failed:
        raise SweepError(
            f"{len(failed)} of {len(rows)} runs failed ({', '.join(failed)}), the same "
            "command tries them again"
        )
    return True


def load_sweep(file: str) -> list[Run]:
    """The runs of a sweep file; SweepError if it has none or their names are unfit."""
    try:
        runs = _call(file, "get_sweep")
    except ConfigError as error:
        raise SweepError(error) from error
    if not runs or not all(isinstance(run, Run) for run in runs):
        raise SweepError(f"{file}: get_sweep() must return a list of Run, not {runs!r}")
    names = [run.name for run in runs]
    for name in names:
        if not re.fullmatch(r"[\w-]+", name):
            raise SweepError(f"{file}: {name!r} is no name of a folder for a run")
        if names.count(name) > 1:
            raise SweepError(f"{file}: two runs have the name {name!r}")
    return runs


def build_config(run: Run) -> ConfigDict:
    """The config of a run; ConfigError if there is none, or an override is none."""
    file, *argument = run.config.split(":", 1)
    config = _call(file, "get_config", *argument)
    config.lock()
    try:
        config.update_from_flattened_dict(run.overrides)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"an override does not fit {run.config}: {error}") from error
    return config


@dataclasses.dataclass(eq=False)
class _Job:
    """A run in its folder, and what this process knows of it."""

    run: Run
    folder: pathlib.Path
    config: ConfigDict | None  # None: there is none, see config_error
    config_error: str | None
    old_failure: int | None  # which failure was recorded when this process began

    @classmethod
    def plan(cls, run: Run, workdir: pathlib.Path, settings: Sequence[str]) -> "_Job":
        config, config_error = None, None
        try:
            config = build_config(run)
        except ConfigError as error:
            config_error = _one_line(error)
        else:
            try:
                for setting in settings:
                    set_field(config, setting)
            except ConfigError as error:
                # The command is wrong, not the run.
                raise SweepError(f"{_one_line(error)} (of run {run.name})") from error
        job = cls(run, workdir / run.name, config, config_error, None)
        job.old_failure = job.failure()
        return job

    @property
    def error_file(self) -> pathlib.Path:
        return self.folder.with_name(f"{self.run.name}.error")

    def failure(self) -> int | None:
        """Tells one recorded failure from another; None if none is recorded."""
        try:
            return self.error_file.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def attempt(self) -> bool:
        """Trains and judges the run if that is to be done.

        Returns:
          False if another process is at it.

        Raises:
          KeyboardInterrupt: it was interrupted; also if by SIGTERM in training.
        """
        problem = self.problem()
        if problem is not None:
            self._report("error", problem)
            return True
        with _lock(self.folder.with_name(f"{self.run.name}.lock")) as is_ours:
            if not is_ours:
                return False
            if self.evaluation() is not None:
                self._report("finished")
            elif self.failure() not in (None, self.old_failure):
                self._report("error", self.error_file.read_text())  # another process's
            else:
                self._train_and_evaluate()
        return True

    def _train_and_evaluate(self) -> None:
        self.error_file.unlink(missing_ok=True)
        self._report(self.run.config)
        try:
            if not train(self.config, self.folder):
                raise KeyboardInterrupt
            print(format_scores(evaluate(self.config, self.folder)), flush=True)
        except (*RUN_ERRORS, jax.errors.JaxRuntimeError) as error:
            message = _one_line(error)
            self._report("error", message)
            with atomic_write(self.error_file) as temporary:
                temporary.write_text(f"{message}\n")

    def _report(self, *parts: str) -> None:
        print(": ".join((self.run.name, *parts)).strip(), flush=True)

    def problem(self) -> str | None:
        """Why there is no use in trying: no config, or a folder of another one."""
        if self.config is None:
            return self.config_error
        if not (self.folder / CONFIG_FILE).exists():
            return None
        try:
            check_training_config(self.folder, self.config)
        except ConfigError as error:
            return _one_line(error)
        return None

    def evaluation(self) -> dict[str, Any] | None:
        """The scores after the last step; None if they are not there (any more)."""
        if not (self.folder / CONFIG_FILE).exists():
            return None
        try:
            scores = json.loads((self.folder / EVALUATION_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None
        last = build.number_of_steps(self.config, scores["data"]["num_train"])
        # Of an earlier step if somebody evaluated that one since.
        return scores if scores["step"] == last else None

    def row(self, *, elsewhere: bool = False) -> Row:
        """What the files say now, and whether another process holds the run."""
        line = Row(self.run.name, self.run.settings, "not run", self.run.published)
        problem = self.problem()
        if problem is not None:
            return dataclasses.replace(line, state=f"error: {problem}")
        evaluation = self.evaluation()
        if evaluation is not None:
            steps_per_epoch = evaluation["data"]["num_train"] // self.config.batch_size
            return dataclasses.replace(
                line,
                state="finished",
                scores=_scores(evaluation),
                steps=evaluation["step"],
                epochs=evaluation["step"] / steps_per_epoch,
                seeds=len(evaluation.get("seeds", [evaluation["seed"]])),
            )
        if elsewhere:
            return dataclasses.replace(line, state="running elsewhere")
        with contextlib.suppress(FileNotFoundError):
            failure = self.error_file.read_text().strip()
            return dataclasses.replace(line, state=f"error: {failure}")
        begun = (self.folder / CONFIG_FILE).exists()
        return dataclasses.replace(line, state="unfinished" if begun else "not run")


def _scores(evaluation: Mapping[str, Any]) -> dict[str, Score]:
    """What the table has of evaluation.json: over seeds where there are several."""
    values = evaluation.get("over_seeds", evaluation)
    return {
        name: Score(value["mean"], value["std"])
        if isinstance(value, dict)
        else Score(value, evaluation.get(f"{name}_std"))
        for name, value in values.items()
        if name in build.SCORES
    }


def _write_table(title: str, workdir: pathlib.Path, rows: Sequence[Row]) -> str:
    """Writes both tables and returns the Markdown one."""
    table = f"{markdown_table(rows)}\n{_CAPTION}\n"
    # A name that no run's lock can have.
    with _lock(workdir / "table.md.lock", wait=True):
        with atomic_write(workdir / "table.md") as temporary:
            temporary.write_text(f"# {title}\n\n{table}", encoding="utf-8")
        with atomic_write(workdir / "table.csv") as temporary:
            temporary.write_text(csv_table(rows), encoding="utf-8")
    return table


@contextlib.contextmanager
def _lock(path: pathlib.Path, *, wait: bool = False) -> Iterator[bool]:
    """Locks a file against other processes; yields whether it could.

    The system frees it when the process ends in whatever way. The file stays, since
    another process may have opened it already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        is_ours = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            is_ours = False
        yield is_ours


def _call(file: str, function: str, *arguments: str) -> Any:
    """Calls a function of a Python file; any mistake in it is a ConfigError."""
    try:
        module = runpy.run_path(file)
        if function not in module:
            raise NameError(f"it has no function {function}")
        return module[function](*arguments)
    except Exception as error:
        reason = getattr(error, "strerror", None) or error  # of an OSError, no path
        raise ConfigError(f"{file}: {type(error).__name__}: {reason}") from error


def _one_line(error: Exception) -> str:
    # What XLA says when memory is exhausted is many pages long.
    return textwrap.shorten(str(error), 600, placeholder=" ...")
