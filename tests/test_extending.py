"""The example of docs/extending.md: a user's own file, trained, scored and drawn."""

import json
import pathlib
import sys

import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER
from PIL import Image

from gan_jax.analyses import analyse
from gan_jax.build import ConfigError
from gan_jax.command_line import override, update
from gan_jax.evaluate import evaluate, format_scores
from gan_jax.generator import open_checkpoints
from gan_jax.report.metric_log import read_column, read_metrics
from gan_jax.train import train

GUIDE = pathlib.Path(__file__).parents[1] / "docs" / "extending.md"


@pytest.fixture
def my_gan(tmp_path, monkeypatch):
    """The example's file, on the Python path."""
    _, code = GUIDE.read_text(encoding="utf-8").split("```python\n")
    (tmp_path / "my_gan.py").write_text(code.partition("```")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_gan", raising=False)
    yield tmp_path
    sys.modules.pop("my_gan", None)


@pytest.fixture
def config(my_gan, small_config):
    """The config of the example's command, for a few steps."""
    config = small_config(
        ONE_HIDDEN_LAYER
        | {
            "num_steps": 12,
            "log_every": 4,
            "checkpoint_every": 4,
            "sample_every": 12,
            "data.source": "embedded",
            "loss.label_smoothing": "none",
            "checkpoints.keep_latest": 1,
            "checkpoints.best_num_samples": 150,
            "eval.num_samples": 150,
            "eval.num_runs": 2,
        },
    )
    # The guide's own arguments.
    command = GUIDE.read_text(encoding="utf-8").split("python main.py")[1]
    arguments = command.replace("\\\n", " ").replace('"', "").replace("', '", "','")
    override(
        config.lock(),
        [each for each in arguments.split() if each.startswith("--config.")],
    )
    return config


@pytest.mark.slow
def test_a_users_own_file_is_trained_scored_and_drawn(config, tiny_world, tmp_path):
    workdir = tmp_path / "run"

    assert train(config, workdir)
    result = evaluate(config, workdir)

    # Settings of the dataclasses are the config's.
    saved = json.loads((workdir / "config.json").read_text())
    assert saved["generator"]["scale"] == 2.0
    assert saved["terms"]["r2"] == {"name": "my_gan:R2Penalty", "weight": 0.1}
    assert all(row["r2"] > 0 for row in read_metrics(workdir))
    # The best checkpoint has the smallest distance.
    distances = read_column(workdir, "my_gan:FRECHET")
    assert sorted(distances) == [4, 8, 12]
    with open_checkpoints(config, workdir, distances) as checkpoints:
        assert checkpoints.best_step() == min(distances, key=distances.get)
    assert result["best"]["rule"].startswith("smallest my_gan:FRECHET of 150 images")
    score = result["my_gan:FRECHET"]
    assert score["mean"] > 0 and score["num_runs"] == 2
    shown = f"Fréchet distance {score['mean']:.2f} ± {score['std']:.2f}"
    assert shown in format_scores(result)

    analyse(config, workdir, "my_gan:one_row")

    with Image.open(workdir / "one_row.png") as picture:
        assert picture.size == (280, 28)


def test_the_distance_of_equal_features_is_zero(my_gan):
    import my_gan as module

    class Features:
        features = np.random.default_rng(0).normal(size=(50, 4))

    class Shifted:
        features = Features.features + np.array([3.0, 0.0, 4.0, 0.0])

    assert module.frechet(Features, Features, {}) == pytest.approx(0, abs=1e-8)
    assert module.frechet(Features, Shifted, {}) == pytest.approx(25)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss.name": "my_gan:Absent"}, "loss.name is 'my_gan:Absent'.*has no"),
        ({"loss.name": "not_there:X"}, "not_there cannot be imported.*Python path"),
        ({"loss.name": "hing"}, "loss.name is 'hing'; known: 'non_saturating'"),
    ],
)
def test_names_that_lead_nowhere(my_gan, small_config, fields, message):
    with pytest.raises(ConfigError, match=message):
        update(small_config(), fields)
