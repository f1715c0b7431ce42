"""report.html: reads run folders, without data set or checkpoint, and writes a page."""

import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gan_jax.build import ConfigError, flatten
from gan_jax.command_line import load_config_file
from gan_jax.data import SPECS
from gan_jax.paths import local_path
from gan_jax.report.charts import number
from gan_jax.report.files import atomic_write
from gan_jax.report.grids import png_size
from gan_jax.report.metric_log import METRICS_FILE, MetricLogError, read_metrics
from gan_jax.report.page import Picture, Run, render
from gan_jax.sections import section, table_of
from gan_jax.workdir import EVALUATION_FILE, config_to_dict, load_config

REPORT_FILE = "report.html"
DEFAULT_CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "default.py"
MAX_GRIDS = 30
# Of the pictures in a page, each kind; base64 makes them a third larger.
_MAX_BYTES = 4_000_000
_GRID_FILE = re.compile(r"step_(\d+)\.png")
_COMPONENTS = ("generator", "discriminator", "loss")


def write_report(
    workdir: str | pathlib.Path, runs: Sequence[str | pathlib.Path] = ()
) -> pathlib.Path:
    """Writes report.html into `workdir`; returns its path.

    Args:
      workdir: the run that the page is of, or only where the page goes.
      runs: folders of the runs that the page compares; none: `workdir` alone.

    Raises:
      ConfigError: a folder holds no run, or a folder is named twice.
      OSError: it cannot be written.
    """
    workdir = local_path(workdir, "workdir")
    folders = [local_path(run, "runs") for run in runs] or [workdir]
    max_grids = MAX_GRIDS if len(folders) == 1 else 1
    names = _names(folders)
    read = [
        read_run(folder, name, max_grids=max_grids)
        for folder, name in zip(folders, names, strict=True)
    ]
    path = workdir / REPORT_FILE
    with atomic_write(path) as temporary:
        temporary.write_text(render(read), encoding="utf-8")
    return path


def read_run(folder: pathlib.Path, name: str, *, max_grids: int = MAX_GRIDS) -> Run:
    """What a run's folder holds; what is missing or damaged is told in `remarks`.

    Args:
      max_grids: at most so many of the sample grids, evenly, the last one among them.

    Raises:
      ConfigError: there is no config, or it is damaged.
    """
    config = load_config(folder)
    defaults, told = _defaults(config)
    remarks = {"settings": told}
    rows, remarks["curves"] = _rows(folder)
    evaluation, remarks["scores"] = _evaluation(folder)
    grids, num_grids, remarks["samples"] = _grids(folder, max_grids)
    pictures, remarks["analyses"] = _analyses(folder)
    data = config.get("data", {})
    spec = SPECS.get(data.get("name"))
    return Run(
        name=name,
        settings=flatten(config_to_dict(config)),
        defaults=defaults,
        class_names=spec.class_names if spec else data.get("class_names", ()),
        rows=rows,
        evaluation=evaluation,
        grids=grids,
        num_grids=num_grids,
        pictures=pictures,
        remarks=remarks,
    )


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """The folders' last names; with those before them where that is not enough."""
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ConfigError("--runs names a folder twice")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def _defaults(config: ConfigDict) -> tuple[dict[str, Any], list[str]]:
    """Defaults of a run's fields: configs/default.py's, and its own components'."""
    told = []
    if DEFAULT_CONFIG.exists():
        base = load_config_file(DEFAULT_CONFIG)
    else:
        told.append(
            "configs/default.py is not installed: only networks, loss and terms are "
            "compared with their defaults."
        )
        base = config.copy_and_resolve_references()
    defaults = flatten(config_to_dict(base))
    for name in (*_COMPONENTS, *(f"terms.{term}" for term in config.get("terms", ()))):
        defaults = _with_components_own(defaults, config, name)
    return defaults, told


def _with_components_own(
    defaults: dict[str, Any], config: ConfigDict, name: str
) -> dict[str, Any]:
    """Where a section is of another component than the default's, its defaults."""
    own = flatten(config.to_dict()).get(f"{name}.name")
    if own == defaults.get(f"{name}.name") and DEFAULT_CONFIG.exists():
        return defaults
    kept = {
        field: value
        for field, value in defaults.items()
        if field == f"{name}.name" or not field.startswith(f"{name}.")
    }
    table = table_of(name) or {}
    if own in table:  # not one of the user's own, which would have to be imported
        fields = flatten(config_to_dict(section(table, own)), f"{name}.")
        fields.pop(f"{name}.name")
        kept |= fields
    return kept


def _rows(folder: pathlib.Path) -> tuple[list[dict[str, Any]], list[str]]:
    path = folder / METRICS_FILE
    if not path.exists():
        return [], [f"No curves: {METRICS_FILE} is missing."]
    try:
        rows = read_metrics(folder)
    except (MetricLogError, OSError) as error:
        return [], [f"No curves: {METRICS_FILE} is damaged: {error}"]
    remarks = []
    rows = [row for row in rows if number(row["step"]) == row["step"]]
    if not rows:
        remarks.append(f"No curves: {METRICS_FILE} holds no logged step.")
    if not path.read_bytes().endswith(b"\n") and path.stat().st_size:
        remarks.append(
            f"The last line of {METRICS_FILE} is cut off, and left out: training was "
            "killed, or goes on."
        )
    return rows, remarks


def _evaluation(folder: pathlib.Path) -> tuple[dict[str, Any] | None, list[str]]:
    try:
        evaluation = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
        if not isinstance(evaluation, dict):
            raise ValueError(f"it holds no object but {evaluation!r}")
    except FileNotFoundError:
        return None, [
            f"Not evaluated yet: {EVALUATION_FILE} is missing "
            "(--mode=evaluate writes it)."
        ]
    except (OSError, ValueError) as error:
        return None, [f"No scores: {EVALUATION_FILE} is damaged: {error}"]
    return evaluation, []


def _grids(
    folder: pathlib.Path, max_grids: int
) -> tuple[list[Picture], int, list[str]]:
    """Those that are shown, how many there are, and remarks."""
    found = {
        int(match[1]): path
        for path in (folder / "samples").glob("step_*.png")
        if (match := _GRID_FILE.fullmatch(path.name))
    }
    if not found:
        return [], 0, ["No samples: samples/ holds no step_00001000.png or the like."]
    mean_size = sum(path.stat().st_size for path in found.values()) / len(found)
    shown = max(1, min(len(found), max_grids, int(_MAX_BYTES / max(mean_size, 1))))
    steps = sorted(found)
    # From the end, so that the last one is there if only one is.
    chosen = np.linspace(len(steps) - 1, 0, shown).round().astype(int)[::-1]
    grids, remarks = [], []
    for step in (steps[place] for place in chosen):
        try:
            grids.append(_picture(found[step], step))
        except OSError as error:
            remarks.append(str(error))
    return grids, len(found), remarks


def _analyses(folder: pathlib.Path) -> tuple[list[Picture], list[str]]:
    """Pictures of --mode=sample; curves.png is left out, the page draws them itself."""
    paths = [path for path in sorted(folder.glob("*.png")) if path.stem != "curves"]
    pictures, remarks, size = [], [], 0
    for path in paths:
        try:
            picture = _picture(path)
        except OSError as error:
            remarks.append(str(error))
            continue
        size += len(picture.png)
        if size > _MAX_BYTES and pictures:
            remarks.append(f"{path.name} is left out: the page would become too large.")
            size -= len(picture.png)
            continue
        pictures.append(picture)
    return pictures, remarks


def _picture(path: pathlib.Path, step: int = 0) -> Picture:
    """Raises OSError, naming the file, if it is no whole PNG file."""
    data = path.read_bytes()
    try:
        return Picture(path.stem, data, *png_size(data), step)
    except ValueError as error:
        raise OSError(f"{path.name} is damaged, and left out.") from error
