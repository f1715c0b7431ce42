"""The pages of results/ hold what its files give, and a run gets its file."""

import json
import sys

import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER
from PIL import Image

from gan_jax.command_line import update
from gan_jax.workdir import save_config
from scripts import publish, results


def test_every_page_is_true():
    stale = [
        path.name
        for path, text in results.written_files()
        if path.read_text(encoding="utf-8") != text
    ]

    assert not stale, "run python -m scripts.results"


def test_every_picture_is_small_and_shown():
    pictures = sorted(results.RUNS.glob("*/*.webp"))
    shown = {
        path.parent / json.loads(path.read_text())["picture"]
        for path in results.RUNS.glob("*/*.json")
        if "picture" in json.loads(path.read_text())
    }

    assert set(pictures) == shown
    assert all(path.stat().st_size <= 60_000 for path in pictures)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A results folder of one page and one run."""
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(results, "RUNS", tmp_path / "results" / "runs")
    (tmp_path / "README.md").write_text(
        "# X\n<!-- scores -->\n<!-- end of scores -->\n"
    )
    pages = tmp_path / "results" / "pages"
    pages.mkdir(parents=True)
    (pages / "index.md").write_text("How to read.")
    (pages / "demo.toml").write_text(
        """
title = "Demo"
summary = "a demo"
[[rows]]
name = "one"
title = "One"
best = "run"
best_title = "Demo one"
data = "MNIST"
[[rows]]
name = "two"
title = "Two"
[[findings]]
claim = "It works."
verdict = "confirmed"
text = "GAN-test is {run.gan_test} %."
"""
    )
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "demo.py").write_text(
        """
from ml_collections import ConfigDict

def get_config(model):
    return ConfigDict({"published": {"gan_test": model}})
"""
    )
    run = {
        "page": "demo",
        "row": "one",
        "config": "configs/demo.py:90.0",
        "overrides": {"num_steps": 5, "loss.name": "hinge"},
        "steps": 1500,
        "share": 0.25,
        "evaluation": {
            "gan_test": {"mean": 0.87654, "std": 0.0012},
            "classifier": {"test_accuracy": 0.9936},
        },
        "note": "digits",
    }
    _write(tmp_path, run)
    return tmp_path, run


def _write(root, run):
    path = root / "results" / "runs" / "demo" / "run.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run))


def _pages():
    files = results.written_files()
    return {
        str(path.relative_to(results.ROOT)): text.replace("\N{NO-BREAK SPACE}", " ")
        for path, text in files
    }


def test_a_page_has_the_runs_in_its_rows(folder):
    pages = _pages()

    assert (
        "| [One](runs/demo/run.json)<br>`loss` hinge | 1,500 steps<br>(25 %) "
        "| 87.65 ± 0.12<br>*90.0* | digits |"
    ) in pages["results/demo.md"]
    assert "| Two | not run |  |  |" in pages["results/demo.md"]
    assert "*Confirmed.* GAN-test is 87.65 ± 0.12 %." in pages["results/demo.md"]
    assert "[Demo](demo.md): a demo" in pages["results/README.md"]
    assert "| [Demo one](results/demo.md) | MNIST |" in pages["README.md"]


def test_check_names_what_is_stale(folder, monkeypatch, capsys):
    root, _ = folder
    monkeypatch.setattr(sys, "argv", ["results", "--check"])
    with pytest.raises(SystemExit, match=r"results/demo\.md"):
        results.main()
    assert not (root / "results" / "demo.md").exists()

    monkeypatch.setattr(sys, "argv", ["results"])
    results.main()
    monkeypatch.setattr(sys, "argv", ["results", "--check"])
    results.main()
    assert "all pages are true" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"page": "other"}, "is of page 'other'"),
        ({"row": "three"}, "has no rows {'three'}"),
        (
            {"evaluation": {"inception_score": {"mean": 2.0}}},
            "no {run.gan_test} in runs",
        ),
    ],
)
def test_what_has_no_place_is_refused(folder, change, message):
    root, run = folder
    _write(root, run | change)

    with pytest.raises(ValueError, match=message):
        list(results.written_files())


def test_a_finished_run_gets_its_file(tmp_path, monkeypatch, small_config):
    config = small_config(ONE_HIDDEN_LAYER | {"num_steps": 20, "batch_size": 50})
    intended = config.copy_and_resolve_references()
    config.batch_size = 25
    config.data.dir = "/somewhere"
    config.data.fingerprint = "read"
    update(config, {"terms.mode_seeking.weight": 2.0})
    monkeypatch.setattr(publish, "load_config_file", lambda *_: intended)
    monkeypatch.setattr(publish, "RUNS", tmp_path / "runs")
    workdir = tmp_path / "mine"
    (workdir / "samples").mkdir(parents=True)
    save_config(workdir, config)
    Image.new("L", (40, 40)).save(workdir / "samples" / "step_00000020.png")
    (workdir / "metrics.jsonl").write_text(
        '{"step": 10, "steps_per_second": 2.0}\n{"step": 20, "steps_per_second": 4.0}\n'
    )
    scores = {"step": 20, "data": {"num_train": 100}, "gan_train": 0.5}
    scores["seeds"] = [0, 1]
    more = {"metrics": {}, "settings": {}, "versions": {"jax": "0.1"}}
    (workdir / "evaluation.json").write_text(json.dumps(scores | more))
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "publish",
            f"--workdir={workdir}",
            "--config=configs/x.py:9",
            "--page=demo",
            "--row=one",
        ],
    )

    publish.main()

    run = json.loads((tmp_path / "runs" / "demo" / "mine.json").read_text())
    assert run["overrides"] == {"batch_size": 25, "terms.mode_seeking.weight": 2.0}
    assert run["command"] == (
        "python main.py --config=configs/x.py:9 --workdir=DIR --config.batch_size=25 "
        "--config.terms.mode_seeking.weight=2.0"
    )
    assert run["evaluation"] == scores
    assert run["seeds"] == 2 and run["versions"]["jax"] == "0.1"
    # 20 of 20 steps, of half the batch; 10 steps of half a second and 10 of a quarter.
    assert run["share"] == 0.5
    assert run["minutes"] == 0.1
    assert run["ms_per_step"] == 375.0
    with Image.open(tmp_path / "runs" / "demo" / run["picture"]) as picture:
        assert picture.size == (40, 40)


def test_a_large_picture_is_made_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(256, size=(500, 500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")

    publish._save_picture(tmp_path / "a.png", tmp_path / "a.webp")

    assert (tmp_path / "a.webp").stat().st_size <= 60_000
    with Image.open(tmp_path / "a.webp") as picture:
        assert picture.size in ((375, 375), (250, 250))


def test_a_run_without_scores_is_not_published(tmp_path, monkeypatch, capsys):
    arguments = [f"--workdir={tmp_path}", "--config=c", "--page=p", "--row=r"]
    monkeypatch.setattr(sys, "argv", ["publish", *arguments])

    with pytest.raises(SystemExit):
        publish.main()

    assert "has no config.json: is the run finished?" in capsys.readouterr().err
