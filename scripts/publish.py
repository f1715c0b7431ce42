"""Adds a finished run to results/: its scores, settings, origin and pictures.

    python -m scripts.publish --workdir=DIR --config=configs/NAME.py[:ARGUMENT] \
        --page=report_a --row=A1 [--name=NAME] [--note="what the picture shows"]

`row` is a row of results/pages/PAGE.toml. `python -m scripts.results` then writes the
pages anew. A run of the notebook (`"source": "journal"`) of the same name is replaced.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from gan_jax.build import flatten, number_of_steps
from gan_jax.command_line import load_config_file
from gan_jax.report.metric_log import read_metrics
from gan_jax.workdir import CONFIG_FILE, EVALUATION_FILE, FREE_FIELDS, load_config
from scripts.results import ROOT, RUNS

# What reading the data has written into the run's config.
_READ = ("data.image_shape", "data.class_names", "data.fingerprint")
# What another look at the run may have otherwise, besides FREE_FIELDS.
_INCIDENTAL_ENDS = ("log_every", "sample_every", "checkpoint_every", "test_every")
_PACKAGES = ("jax", "flax", "optax", "numpy")
_LARGEST_PICTURE = 60_000  # bytes


def main() -> None:
    arguments = _parse_arguments()
    workdir = arguments.workdir
    file, _, argument = arguments.config.partition(":")
    intended = load_config_file(ROOT / file, argument)
    config = load_config(workdir)
    evaluation = json.loads((workdir / EVALUATION_FILE).read_text())
    versions = evaluation.pop("versions", {})  # of the evaluation, not of today
    for name in ("metrics", "published", "settings"):
        evaluation.pop(name, None)
    overrides = _overrides(config.to_dict(), intended.to_dict())
    numbers, per_step = zip(*_step_times(read_metrics(workdir)), strict=True)
    name = arguments.name or workdir.name
    folder = RUNS / arguments.page
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{name}.webp"
    steps, num_train = evaluation["step"], evaluation["data"]["num_train"]
    _save_picture(workdir / "samples" / f"step_{steps:08d}.png", picture)
    result = {
        "source": "run",
        "page": arguments.page,
        "row": arguments.row,
        "config": arguments.config,
        "overrides": overrides,
        "command": _command(arguments.config, overrides),
        "steps": steps,
        "batch_size": config.batch_size,
        "share": round(steps * config.batch_size / _images(intended, num_train), 5),
        "ms_per_step": round(1000 * float(np.median(per_step)), 1),
        "cores": arguments.cores,
        "beside_other_work": arguments.beside_other_work,
        "minutes": round(float(np.dot(numbers, per_step)) / 60, 1),
        "machine": arguments.machine or _machine(),
        "versions": {"python": platform.python_version()}
        | {
            package: versions.get(package) or importlib.metadata.version(package)
            for package in _PACKAGES
        },
        "commit": arguments.commit or _commit(),
        "evaluation": evaluation,
        "picture": picture.name,
        "note": arguments.note,
    }
    if "seeds" in evaluation:
        result["seeds"] = len(evaluation["seeds"])
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text)
    print(folder / f"{name}.json")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--config", required=True, help="the file that was run")
    parser.add_argument("--page", required=True, help="of results/, as report_a")
    parser.add_argument("--row", required=True, help="of the page")
    parser.add_argument("--name", help="of the files; default: the workdir's")
    parser.add_argument("--note", default="", help="what the picture shows")
    parser.add_argument("--machine", help="if the run was made on another one")
    parser.add_argument("--commit", help="if the run was made by another one")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="it had")
    parser.add_argument("--beside-other-work", action="store_true", help="of its times")
    arguments = parser.parse_args()
    for file in (CONFIG_FILE, EVALUATION_FILE):
        if not (arguments.workdir / file).is_file():
            parser.error(f"{arguments.workdir} has no {file}: is the run finished?")
    return arguments


def _overrides(config: dict, intended: dict) -> dict:
    """Fields in which a run differs from its config file."""
    before = flatten(intended)
    return {
        field: value
        for field, value in flatten(config).items()
        if (field not in before or _plain(value) != _plain(before[field]))
        and not field.startswith(FREE_FIELDS + _READ)
        and not field.endswith(_INCIDENTAL_ENDS)
        # A term's section has its name already.
        and not field.endswith(f".{value}.name")
    }


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def _command(config: str, overrides: dict) -> str:
    parts = [
        "python main.py",
        f"--config={config}",
        "--workdir=DIR",
        *["--config.data.dir=DATA"] * ("data.source" in overrides),
    ]
    for field, value in overrides.items():
        text = str(tuple(value)) if isinstance(value, list | tuple) else str(value)
        parts.append(
            f'"--config.{field}={text}"' if "(" in text else f"--config.{field}={text}"
        )
    return " ".join(parts)


def _images(config: ConfigDict, num_train: int) -> int:
    """Images that a run of this length takes, for one discriminator update a step."""
    return number_of_steps(config, num_train) * config.batch_size


def _step_times(rows: list[dict]) -> list[tuple[int, float]]:
    """(steps, seconds per step) of each logged interval."""
    times, before = [], 0
    for row in rows:
        if "steps_per_second" in row:
            times.append((row["step"] - before, 1 / row["steps_per_second"]))
        before = row["step"]
    return times


def _save_picture(source: pathlib.Path, target: pathlib.Path) -> None:
    """The grid as WebP, as good and, next, as large as the limit of bytes allows."""
    with Image.open(source) as picture:
        for scale in (1, 0.75, 0.5):
            size = [round(scale * side) for side in picture.size]
            scaled = picture.resize(size, Image.Resampling.LANCZOS)
            for quality in (90, 80, 70, 60, 50, 40):
                scaled.save(target, quality=quality, method=6)
                if target.stat().st_size <= _LARGEST_PICTURE:
                    return
    raise SystemExit(f"{source} does not fit into {_LARGEST_PICTURE} bytes")


def _machine() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{os.cpu_count()} cores, {line.partition(':')[2].strip()}"
    return f"{os.cpu_count()} cores, {platform.processor()}"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
