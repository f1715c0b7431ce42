"""The examples of docs/extending.md: users' own files, trained, scored and drawn."""

import importlib
import json
import shutil
import sys

import jax
import numpy as np
import pages
import pytest
from conftest import ONE_HIDDEN_LAYER
from PIL import Image

from gan_jax import build, checks
from gan_jax.analyses import analyse
from gan_jax.build import ConfigError
from gan_jax.command_line import override, update
from gan_jax.console_scores import format_scores
from gan_jax.data import load_dataset
from gan_jax.evaluate import evaluate
from gan_jax.generator import load_generator, open_checkpoints
from gan_jax.report.metric_log import read_column, read_metrics
from gan_jax.train import train

GUIDE = pages.ROOT / "docs" / "extending.md"
EXAMPLES = ("my_loss", "my_network", "my_score", "my_data")


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """The examples' files, on the Python path."""
    folder = tmp_path / "examples"
    folder.mkdir()
    for file, code in pages.python_files(GUIDE).items():
        (folder / file).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    for name in EXAMPLES:
        sys.modules.pop(name, None)
    yield folder
    for name in EXAMPLES:
        sys.modules.pop(name, None)


@pytest.fixture
def command_config(examples, small_config):
    """command_config(workdir): the config of the page's command, for a few steps."""

    def make(workdir):
        config = small_config(
            ONE_HIDDEN_LAYER
            | {
                "num_steps": 12,
                "log_every": 4,
                "checkpoint_every": 4,
                "sample_every": 12,
                "checkpoints.keep_latest": 1,
                "checkpoints.best_num_samples": 150,
                "eval.num_samples": 150,
                "eval.num_runs": 2,
                "eval.scores": ("gan_test",),
            },
            name="quickstart",
        )
        command = next(
            each
            for each in pages.commands(GUIDE)
            if each.flag("workdir") == workdir
            and (each.mode == "train" or workdir == "runs/quickstart")
        )
        arguments = command.arguments()
        override(
            config.lock(), [each for each in arguments if each.startswith("--config.")]
        )
        return config

    return make


def saved_config(workdir):
    return json.loads((workdir / "config.json").read_text(encoding="utf-8"))


def test_the_page_has_the_examples():
    assert tuple(pages.python_files(GUIDE)) == tuple(f"{each}.py" for each in EXAMPLES)
    for code in pages.python_files(GUIDE).values():
        assert len([line for line in code.splitlines() if line]) <= 30


@pytest.mark.slow
def test_a_loss(command_config, tiny_world, tmp_path):
    config, workdir = command_config("runs/my_loss"), tmp_path / "run"

    assert train(config, workdir)

    saved = saved_config(workdir)
    assert saved["loss"]["name"] == "my_loss:MarginHinge"
    assert saved["loss"]["margin"] == 2.0
    assert saved["terms"]["drift"] == {"name": "my_loss:Drift", "weight": 0.01}
    rows = read_metrics(workdir)
    assert len(rows) == 3 and all(row["drift"] > 0 for row in rows)
    # A discriminator that knows nothing yet loses both margins.
    assert 2 < rows[0]["discriminator_loss"] < 6
    with pytest.raises(ConfigError, match="config.loss.margin is 0.0; it must be > 0"):
        update(config, {"loss.margin": 0.0})
        checks.check_config(config)


@pytest.mark.slow
def test_a_network(command_config, tiny_world, tmp_path):
    config, workdir = command_config("runs/my_network"), tmp_path / "run"

    assert train(config, workdir)

    generator = saved_config(workdir)["generator"]
    assert generator["name"] == "my_network:CoordinateGenerator"
    assert generator["features"] == 64
    images = load_generator(workdir).sample(jax.random.key(0), [3, 3, 4])
    assert images.shape == (3, 28, 28, 1) and images.dtype == np.uint8
    assert np.ptp(np.asarray(images)) > 0


@pytest.mark.slow
def test_a_score(command_config, tiny_world, tmp_path):
    config, workdir = command_config("runs/my_score"), tmp_path / "run"

    assert train(config, workdir)

    # The best checkpoint has the smallest distance.
    distances = read_column(workdir, "my_score:FRECHET")
    assert sorted(distances) == [4, 8, 12]
    with open_checkpoints(config, workdir, distances) as checkpoints:
        assert checkpoints.best_step() == min(distances, key=distances.get)
    result = evaluate(config, workdir)
    assert result["best"]["rule"].startswith("smallest my_score:FRECHET of 150 images")


@pytest.mark.slow
def test_a_score_of_a_run_that_is_there(command_config, tiny_world, tiny_run, tmp_path):
    config, workdir = tiny_run[0].copy_and_resolve_references(), tmp_path / "run"
    shutil.copytree(tiny_run[1], workdir)
    scores = command_config("runs/quickstart").eval.scores
    update(config, {"eval.scores": scores})

    result = evaluate(config, workdir)
    analyse(config, workdir, "my_score:one_row")

    assert scores == ("gan_test", "my_score:FRECHET")
    score = result["my_score:FRECHET"]
    assert score["mean"] > 0 and score["num_runs"] == 2
    (line,) = [x for x in format_scores(result).splitlines() if "Fréchet" in x]
    assert f" {score['mean']:.2f} ± {score['std']:.2f} " in line
    with Image.open(workdir / "one_row.png") as picture:
        assert picture.size == (280, 28)


def test_the_distance_of_equal_features_is_zero(examples):
    frechet = importlib.import_module("my_score").frechet

    class Features:
        features = np.random.default_rng(0).normal(size=(50, 4))

    class Shifted:
        features = Features.features + np.array([3.0, 0.0, 4.0, 0.0])

    assert frechet(Features, Features, {}) == pytest.approx(0, abs=1e-8)
    assert frechet(Features, Shifted, {}) == pytest.approx(25)


@pytest.mark.slow
def test_a_data_set(command_config, quick_judge, monkeypatch, tmp_path):
    config, workdir = command_config("runs/my_data"), tmp_path / "run"
    monkeypatch.setattr(build, "classifier_settings", lambda config: quick_judge)

    assert train(config, workdir)
    result = evaluate(config, workdir)

    assert result["data"]["num_train"] == 6000
    # Rings of three sizes are easy to tell.
    assert result["real_accuracy"] > 0.9
    assert load_generator(workdir).sample(jax.random.key(0), [0, 2]).shape == (
        2,
        16,
        16,
        1,
    )


def test_the_data_set_and_its_archive(examples, tmp_path):
    names = {"name": "my_data:SPEC", "directory": str(tmp_path)}
    rings = load_dataset(source="my_data:load", **names)

    np.savez(
        tmp_path / "rings.npz",
        x_train=rings.train_images,
        y_train=rings.train_labels,
        x_test=rings.test_images,
        y_test=rings.test_labels,
    )

    assert rings.spec.class_names == ("small", "medium", "large")
    assert np.bincount(rings.test_labels).tolist() == [334, 333, 333]
    # The larger the ring, the more of it there is.
    means = [rings.test_images[rings.test_labels == each].mean() for each in range(3)]
    assert means == sorted(means)
    read = load_dataset(source="files", **names)
    assert read.fingerprint() == rings.fingerprint()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss.name": "my_loss:Absent"}, "loss.name is 'my_loss:Absent'.*has no"),
        ({"loss.name": "not_there:X"}, "not_there cannot be imported.*Python path"),
        ({"loss.name": "hing"}, "loss.name is 'hing'; known: 'non_saturating'"),
    ],
)
def test_names_that_lead_nowhere(examples, small_config, fields, message):
    with pytest.raises(ConfigError, match=message):
        update(small_config(), fields)
