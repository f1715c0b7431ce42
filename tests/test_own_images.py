"""Pictures of one's own, through the real entry point, in every form they come in."""

import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax.workdir import load_config

# Programs, and a trained judge.
pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]
COLOURS = {"red ones": (200, 40, 40), "grün": (40, 200, 40), "blue": (40, 40, 200)}
NUMBERS = {"red ones": 40, "grün": 25, "blue": 15}
SMALL = [
    "--config=configs/own_images.py:20x24",
    "--config.num_steps=4",
    "--config.batch_size=8",
    "--config.log_every=2",
    "--config.sample_every=4",
    "--config.checkpoint_every=4",
    "--config.latent.size=6",
    "--config.generator.projection_filters=5",
    "--config.generator.filters=(3,4)",
    "--config.discriminator.filters=(3,4,5,6)",
    "--config.discriminator.dense_sizes=(8,)",
    "--config.sampling.standing_batches=2",
    "--config.classifier.name=lenet",
    "--config.checkpoints.best_num_samples=40",
    "--config.eval.num_samples=40",
    "--config.eval.num_splits=2",
    "--config.eval.num_runs=2",
]
SCORES = "--config.eval.scores=('inception_score','gan_test')"


@pytest.fixture(scope="module")
def run(judge_cache):
    """run(arguments) -> (standard output, standard error); the program succeeds."""

    def run(arguments, returncode=0):
        program = subprocess.run(
            [sys.executable, "main.py", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert program.returncode == returncode, program.stderr
        return program.stdout, program.stderr

    return run


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with `classes`, `flat`, `classes.zip` and own.npz of coloured noise."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    (folder / "flat").mkdir()
    arrays, labels = [], []
    for label, (name, colour) in enumerate(COLOURS.items()):
        (folder / "classes" / name).mkdir(parents=True)
        for number in range(NUMBERS[name]):
            noise = random.normal(colour, 25, (40, 48, 3))
            arrays.append(np.clip(noise, 0, 255).astype(np.uint8))
            labels.append(label)
            picture = Image.fromarray(arrays[-1])
            picture.save(folder / "classes" / name / f"{number}.png")
            picture.save(folder / "flat" / f"{name} {number}.png")
    shutil.make_archive(str(folder / "classes"), "zip", folder, "classes")
    images, labels = np.stack(arrays)[:, 10:30, 12:36], np.array(labels)
    parts = {"train": slice(0, None, 2), "test": slice(1, None, 2)}
    np.savez(
        folder / "own.npz",
        **{f"x_{part}": images[rows] for part, rows in parts.items()},
        **{f"y_{part}": labels[rows] for part, rows in parts.items()},
    )
    return folder


def assert_generates(workdir, names):
    """The generator comes back without the data."""
    generator = gan_jax.load_generator(workdir)
    assert generator.step == 4
    assert generator.spec.image_shape == (20, 24, 3)
    assert generator.spec.class_names == names
    labels = [len(names) - 1, 0] if generator.conditional else 2
    images = generator.sample(jax.random.key(0), labels)
    assert images.shape == (2, 20, 24, 3)
    assert len(list((workdir / "samples").glob("*.png"))) == 2


@pytest.mark.parametrize("form", ["classes", "classes.zip", "own.npz"])
def test_pictures_with_classes(run, own, tmp_path, form):
    workdir = tmp_path / "run"
    command = [
        *SMALL,
        SCORES,
        f"--workdir={workdir}",
        f"--config.data.dir={own / form}",
    ]
    if form == "own.npz":
        command.append("--config.data.source=files")
    names = ("0", "1", "2") if form == "own.npz" else tuple(sorted(COLOURS))

    output, _ = run(command)

    resized = "80 of 80 pictures in " in output
    assert resized == (form != "own.npz")
    scores = json.loads((workdir / "evaluation.json").read_text())
    assert scores["classifier"]["test_accuracy"] > 0.9
    assert 0 <= scores["gan_test"]["mean"] <= 1
    assert scores["data"]["num_train"] + scores["data"]["num_test"] == 80
    assert_generates(workdir, names)
    run(["--mode=sample", f"--workdir={workdir}", "--config.sampling.num_samples=6"])
    samples = np.load(workdir / "samples.npz")
    assert samples["images"].shape == (6, 20, 24, 3)
    assert samples["labels"].tolist() == [0, 1, 2, 0, 1, 2]
    if form != "classes":
        return
    output, _ = run(["--mode=describe", f"--workdir={workdir}"])
    assert "discriminator: total" in output.splitlines()[-1]
    # It goes on with the same pictures, and not with others.
    run([*command, "--config.num_steps=6"])
    shutil.copytree(own / form, tmp_path / "fewer")
    (tmp_path / "fewer" / "blue" / "0.png").unlink()
    command.append(f"--config.data.dir={tmp_path / 'fewer'}")
    _, errors = run([*command, "--config.num_steps=8"], returncode=1)
    assert "config.data.fingerprint is" in errors
    _, errors = run(
        [
            "--mode=evaluate",
            f"--workdir={workdir}",
            f"--config.data.dir={tmp_path / 'fewer'}",
        ],
        returncode=1,
    )
    assert "are not those that the run was trained on" in errors


def test_pictures_without_classes(run, own, tmp_path):
    workdir = tmp_path / "run"
    command = [*SMALL, f"--workdir={workdir}", f"--config.data.dir={own / 'flat'}"]

    output, _ = run(command)

    without = "own have no classes: the GAN is unconditional, no judge can be trained"
    assert f"warning: the images of {without}" in output
    assert output.splitlines()[-1] == "step 4: no scores"
    scores = json.loads((workdir / "evaluation.json").read_text())
    assert (scores["step"], scores["metrics"]) == (4, {})
    assert without in scores["warnings"][0]
    assert not load_config(workdir).conditional
    assert_generates(workdir, ("all",))
    # With --config, which does not know that there are no classes, and without it.
    run([*command, "--mode=sample", "--config.sampling.num_samples=6"])
    assert np.load(workdir / "samples.npz")["labels"].tolist() == [-1] * 6
    run(["--mode=evaluate", f"--workdir={workdir}"])
    _, errors = run(
        ["--mode=sample", "--analysis=projection", f"--workdir={workdir}"], returncode=1
    )
    assert "own have no classes: no judge can be trained" in errors
