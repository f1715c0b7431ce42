"""Sweeps: a list of runs, each trained and judged once, and a table of their scores.

A sweep file is Python with a function `get_sweep() -> list[Run]`. Each run lives in
a folder of its name in the sweep's; beside it are NAME.lock, which says who trains it,
and NAME.error, if it failed. What a table says is read from these files, so that
several processes that share a sweep write the same one.
"""

import ast
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.build import ConfigError
from gan_jax.checkpoint import CheckpointError
from gan_jax.command_line import (
    call_file,
    load_config_file,
    one_line,
    set_field,
    update,
)
from gan_jax.console_scores import format_scores
from gan_jax.data import DataError
from gan_jax.evaluate import evaluate
from gan_jax.interrupts import announced_interrupts
from gan_jax.lock import BusyError, lock_file
from gan_jax.metrics import METRICS, mean_and_std
from gan_jax.paths import local_path
from gan_jax.report.files import atomic_write
from gan_jax.report.metric_log import MetricLogError
from gan_jax.report.score_table import Row, Score, csv_table, markdown_table
from gan_jax.train import train
from gan_jax.workdir import (
    CONFIG_FILE,
    EVALUATION_FILE,
    check_training_config,
    evaluation_settings,
    load_config,
)

# What may be wrong with a run, other than this code: told in one line.
RUN_ERRORS = (
    ConfigError,
    DataError,
    CheckpointError,
    MetricLogError,
    FloatingPointError,
    OSError,
    jax.errors.JaxRuntimeError,  # memory exhausted, above all
)
_CAPTION = (
    "Scores are those of the checkpoint after the last step. With several seeds the ± "
    "of ours is the standard deviation over them; with one, that of the Inception "
    "Score is the population standard deviation over its splits, that of GAN-train, "
    "where eval.gan_train_runs is more than 1, the sample standard deviation over "
    "these runs, and that of any other score the one over sampling runs."
    " The ± of published scores is as published."
)

_PLAIN = re.compile(r"([\d.]+)(?: ± ([\d.]+))?")


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


def published_scores(published: Mapping[str, str]) -> dict[str, Score]:
    """The plain numbers, "M" or "M ± S", of a config's `published`, for `Run`."""
    scores = {}
    for name, text in published.items():
        if match := _PLAIN.fullmatch(text):
            scale = int(METRICS[name].scale)
            values = (float(Decimal(part) / scale) for part in match.groups() if part)
            scores[name] = Score(*values)
    return scores


def run_sweep(file: str, workdir: pathlib.Path, settings: Sequence[str]) -> bool:
    """Trains and judges the runs of a sweep file that are not finished yet.

    Writes table.md and table.csv after every run, and prints the former at the end. A
    run that fails is reported, and tried again in the next call. One that another
    process is at is left to it, unless that process gives it up before the others
    are done.

    Args:
      file: "FILE" with a function `get_sweep() -> list[Run]`, or "FILE:NAME".
      settings: "FIELD=VALUE" of the config, for every run.

    Returns:
      Whether it came to its end, rather than being interrupted.

    Raises:
      SweepError: the file is no sweep, a setting does not fit a run's config, or runs
        failed.
    """
    folder = local_path(file.partition(":")[0], "sweep").absolute().parent
    jobs = [_Job.plan(run, workdir, settings, folder) for run in load_sweep(file)]
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
    failed = [row for row in rows if row.state.startswith("error")]
    if failed:
        raise SweepError(
            f"{len(failed)} of {len(rows)} runs failed "
            f"({', '.join(row.name for row in failed)}), the same command tries them "
            f"again; the first: {failed[0].state.removeprefix('error: ')}"
        )
    return True


def load_sweep(sweep: str) -> list[Run]:
    """The runs of "FILE[:NAME]", what the function NAME (get_sweep) of a file returns.

    Raises:
      SweepError: there is no such function, or what it returns is no list of runs with
        names of folders.
    """
    file, _, name = sweep.partition(":")
    name = name or "get_sweep"
    path = local_path(file, "sweep")
    try:
        found = call_file(path, name)
    except ConfigError as error:
        raise SweepError(f"{error}{_known_sweeps(path, name)}") from error
    runs = list(found) if isinstance(found, Iterable) else []
    if not runs or not all(isinstance(run, Run) for run in runs):
        raise SweepError(f"{file}: {name}() must return a list of Run, not {found!r}")
    names = [run.name for run in runs]
    for name in names:
        if not re.fullmatch(r"[\w-]+", name):
            raise SweepError(f"{file}: {name!r} is no name of a folder for a run")
        if names.count(name) > 1:
            raise SweepError(f"{file}: two runs have the name {name!r}")
    return runs


def _known_sweeps(path: pathlib.Path, name: str) -> str:
    """What a file has in place of a function that it lacks, for an error's end."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    names = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    if not names or name in names:
        return ""
    return f"; it has {', '.join(names)}: --sweep={path}:{names[0]}"


def build_config(run: Run, folder: pathlib.Path) -> ConfigDict:
    """The config of a run.

    Its file is looked for from `folder`, the sweep file's, and the folders that this
    one is in; then from the current folder and where Python looks for modules (with
    main.py, its folder).

    Raises:
      ConfigError: there is no such file, or an override does not fit it.
    """
    file, _, argument = os.path.expanduser(run.config).partition(":")
    places = [folder, *folder.parents, pathlib.Path(), *map(pathlib.Path, sys.path)]
    found = [place / file for place in places if (place / file).is_file()]
    # The error names a missing one as it is written.
    config = load_config_file(found[0] if found else pathlib.Path(file), argument)
    try:
        update(config, run.overrides)
    except ConfigError as error:
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
    def plan(
        cls,
        run: Run,
        workdir: pathlib.Path,
        settings: Sequence[str],
        folder: pathlib.Path,
    ) -> "_Job":
        config, config_error = None, None
        try:
            config = build_config(run, folder)
        except ConfigError as error:
            config_error = one_line(error)
        else:
            try:
                for setting in settings:
                    set_field(config, setting)
            except ConfigError as error:
                # The command is wrong, not the run.
                raise SweepError(f"{one_line(error)} (of run {run.name})") from error
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
        with lock_file(self.folder.with_name(f"{self.run.name}.lock")) as is_ours:
            if not is_ours:
                return False
            if self.evaluation() is not None:
                self._report("finished")
            elif self.failure() not in (None, self.old_failure):
                self._report("error", self.recorded_error())  # another process's
            else:
                return self._train_and_evaluate()
        return True

    def _train_and_evaluate(self) -> bool:
        """Returns False if a process outside the sweep is at the run."""
        self.error_file.unlink(missing_ok=True)
        self._report(self.run.config)
        try:
            if not train(self.config, self.folder):
                raise KeyboardInterrupt
            with announced_interrupts():
                scores = evaluate(self.config, self.folder)
            print(format_scores(scores), flush=True)
        except BusyError:
            return False
        except Exception as error:
            message = one_line(error)
            details = ""
            if not isinstance(error, RUN_ERRORS):
                # A mistake in the program, or in what the config names.
                message = f"{type(error).__name__}: {message}"
                details = traceback.format_exc()
            self._report("error", message)
            with atomic_write(self.error_file) as temporary:
                temporary.write_text(f"{message}\n{details}", encoding="utf-8")
        return True

    def recorded_error(self) -> str:
        """The first line of the file that a failure leaves; a traceback may follow."""
        return self.error_file.read_text(encoding="utf-8").partition("\n")[0]

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
            return one_line(error)
        return None

    def evaluation(self) -> dict[str, Any] | None:
        """The scores after the last step; None if they are not there (any more)."""
        if not (self.folder / CONFIG_FILE).exists():
            return None
        try:
            text = (self.folder / EVALUATION_FILE).read_text(encoding="utf-8")
            scores = json.loads(text)
            num_train = scores["data"]["num_train"]
            settings = scores["settings"]
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return None
        last = build.number_of_steps(self.config, num_train)
        # `problem` has compared the run's own config with the sweep's.
        wanted = evaluation_settings(load_config(self.folder))
        # Of an earlier step, or with other settings, if somebody evaluated it since.
        return scores if scores["step"] == last and settings == wanted else None

    def row(self, *, elsewhere: bool = False) -> Row:
        """What the files say now, and whether another process holds the run."""
        line = Row(self.run.name, self.run.settings, "not run", self.run.published)
        problem = self.problem()
        if problem is not None:
            return dataclasses.replace(line, state=f"error: {problem}")
        evaluation = self.evaluation()
        if evaluation is not None:
            steps_per_epoch = evaluation["data"]["num_train"] // self.config.batch_size
            warnings = "; ".join(evaluation.get("warnings", ()))
            return dataclasses.replace(
                line,
                state=f"finished; warning: {warnings}" if warnings else "finished",
                scores=_scores(evaluation),
                titles=_titles(evaluation),
                steps=evaluation["step"],
                epochs=evaluation["step"] / steps_per_epoch,
                seeds=len(evaluation.get("seeds", [evaluation["seed"]])),
            )
        if elsewhere:
            return dataclasses.replace(line, state="running elsewhere")
        with contextlib.suppress(FileNotFoundError):
            return dataclasses.replace(line, state=f"error: {self.recorded_error()}")
        begun = (self.folder / CONFIG_FILE).exists()
        return dataclasses.replace(line, state="unfinished" if begun else "not run")


def _scores(evaluation: Mapping[str, Any]) -> dict[str, Score]:
    """What the table has of evaluation.json: over seeds where there are several."""
    values = evaluation.get("over_seeds", evaluation)
    names = {**METRICS, **evaluation.get("metrics", {})}
    return {
        name: Score(*mean_and_std(values, name)) for name in names if name in values
    }


def _titles(evaluation: Mapping[str, Any]) -> dict[str, str]:
    described = evaluation.get("metrics", {})
    return {name: description["title"] for name, description in described.items()}


def _write_table(title: str, workdir: pathlib.Path, rows: Sequence[Row]) -> str:
    """Writes both tables and returns the Markdown one."""
    table = f"{markdown_table(rows)}\n{_CAPTION}\n"
    # A name that no run's lock can have.
    with lock_file(workdir / "table.md.lock", wait=True):
        with atomic_write(workdir / "table.md") as temporary:
            temporary.write_text(f"# {title}\n\n{table}", encoding="utf-8")
        with atomic_write(workdir / "table.csv") as temporary:
            temporary.write_text(csv_table(rows), encoding="utf-8")
    return table
