"""Which score catches what: planted faults, scored as generated images are.

    python -m scripts.planted_faults --data-dir=DIR

Writes results/tables/planted_faults.json. The data set is the embedded part of MNIST;
DIR has all of MNIST, whose other training images are new to the judge.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np

from gan_jax.command_line import load_config_file, update
from gan_jax.console_scores import format_scores
from gan_jax.data import load_dataset
from gan_jax.metrics import METRICS, mean_and_std, metric_named
from gan_jax.score import score_images
from scripts.results import RESULTS, ROOT

NUMBER = 2000
# All that need no generator.
SCORES = tuple(name for name in METRICS if name != "gan_train_filtered")
_TEXT = (
    f"{NUMBER:,} images each; the data set is the embedded part of MNIST. New images: "
    "of MNIST, not in that part. Memorised: training images with a noise of up to 4 "
    "grey levels. Noisy: new images with a noise of 60 grey levels (standard "
    "deviation). Collapsed: one new image for each class, with a noise of up to 9. Two "
    "classes missing: a 3 where an 8 was asked for, a 4 for a 9. GAN-train is of as "
    "many images."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", required=True, help="folder with MNIST")
    arguments = parser.parse_args()
    columns = {}
    config = load_config_file(ROOT / "configs" / "quickstart.py")
    update(config, {"eval.scores": SCORES})
    with tempfile.TemporaryDirectory() as folder:
        for name, (images, labels) in planted(arguments.data_dir).items():
            path = pathlib.Path(folder) / "images.npz"
            np.savez(path, images=images, labels=labels)
            columns[name] = score_images(config, path)
            print(f"{name}\n{format_scores(columns[name])}\n", flush=True)
    table = {
        "source": "run",
        "page": "checks",
        "title": "Which score catches what",
        "text": _TEXT,
        "command": "python -m scripts.planted_faults --data-dir=DIR",
        "columns": ["score", *columns],
        "rows": [
            *([_title(name), *_values(name, columns)] for name in SCORES),
            ["told by the health rules", *map(_told, columns.values())],
        ],
    }
    path = RESULTS / "tables" / "planted_faults.json"
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def planted(data_dir: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 [N, 28, 28, 1] and the labels asked for, int [N], by the fault."""
    random = np.random.default_rng(0)
    part = load_dataset(name="mnist", source="embedded")
    whole = load_dataset(name="mnist", source="files", directory=data_dir)
    known = {image.tobytes() for image in part.train_images}
    is_new = [image.tobytes() not in known for image in whole.train_images]
    images, labels = whole.train_images[is_new], whole.train_labels[is_new]
    new, asked = images[:NUMBER], labels[:NUMBER]

    def noisy(array, noise):
        return np.clip(array + noise, 0, 255).round().astype(np.uint8)

    copies = part.train_images[:NUMBER]
    first = np.array([np.flatnonzero(labels == label)[0] for label in range(10)])
    shown = np.select([asked == 8, asked == 9], [3, 4], asked)
    rows = {label: iter(np.flatnonzero(labels == label)) for label in range(10)}
    return {
        "new images": (new, asked),
        "memorised": (
            noisy(copies, random.integers(-4, 5, copies.shape)),
            part.train_labels[:NUMBER],
        ),
        "noisy": (noisy(new, random.normal(0, 60, new.shape)), asked),
        "collapsed": (
            noisy(images[first[asked]], random.integers(-9, 10, new.shape)),
            asked,
        ),
        "two classes missing": (images[[next(rows[label]) for label in shown]], asked),
    }


def _title(name: str) -> str:
    metric = metric_named(name)
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.title.replace(chr(39) + 's features', '')}{unit}"


def _values(name: str, columns: dict[str, dict]) -> list[str]:
    metric = metric_named(name)
    return [metric.shown(mean_and_std(each, name)[0]) for each in columns.values()]


def _told(scores: dict) -> str:
    rules = {
        "nearly alike": "collapse",
        "nearer to training": "memorisation",
        "are blank": "blank images",
        "are 0 or 255": "saturation",
    }
    lines = " ".join(scores["health"])
    return ", ".join(name for text, name in rules.items() if text in lines) or "–"


if __name__ == "__main__":
    main()
