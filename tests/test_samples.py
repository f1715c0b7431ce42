"""What --mode=sample may be asked for."""

import dataclasses

import numpy as np
import pytest
from absl import flags
from conftest import saved_run
from PIL import Image

from gan_jax import analyses, build
from gan_jax import samples as samples_module
from gan_jax.build import ConfigError
from gan_jax.command_line import check_flags
from gan_jax.generator import load_generator
from gan_jax.random import root_keys
from gan_jax.report.grids import image_grid, split_grid
from gan_jax.samples import Drawing, truncated, write_samples


@pytest.fixture(scope="module")
def run(small_config, tmp_path_factory):
    """(config, workdir) of a small conditional run."""
    config = small_config({"generator.hidden_sizes": (8,)})
    workdir = tmp_path_factory.mktemp("run")
    saved_run(config, workdir)
    return config, workdir


@pytest.fixture(scope="module")
def draw(run, tmp_path_factory):
    """draw(field=value, ...) -> (images, labels, folder)."""
    config, workdir = run

    def draw(**fields):
        folder = tmp_path_factory.mktemp("drawn")
        # The config's own number of images is that of the scores.
        drawing = Drawing(**{"num": 20} | fields)
        path = write_samples(config, workdir, output=folder, drawing=drawing)
        with np.load(path) as drawn:
            return drawn["images"], drawn["labels"], folder

    return draw


@pytest.fixture(scope="module")
def generator(run):
    return load_generator(run[1])


def sampled(generator, labels, seed=0):
    return generator.sample(root_keys(seed)["samples"], labels)


def test_classes_in_turn(draw, generator):
    images, labels, folder = draw(classes="3, 1,4", num=7)

    assert labels.tolist() == [3, 1, 4, 3, 1, 4, 3] and labels.dtype == np.int32
    np.testing.assert_array_equal(images, sampled(generator, labels))
    with Image.open(folder / "samples.png") as picture:
        grid = np.asarray(picture)[..., None]
    shown = split_grid(grid, image_shape=(28, 28, 1), rows=3, columns=10)
    wanted = sampled(generator, np.repeat([3, 1, 4], 10))
    np.testing.assert_array_equal(shown.reshape(wanted.shape), wanted)


def test_another_seed(draw, generator):
    images, labels, _ = draw(num=12, seed=5)

    assert labels.tolist() == [*range(10), 0, 1]
    np.testing.assert_array_equal(images, sampled(generator, labels, seed=5))
    assert not np.array_equal(images, draw(num=12)[0])


@pytest.mark.slow
def test_truncation_is_that_of_the_analysis(draw, generator, monkeypatch):
    classes = ",".join(str(label) for label in np.repeat(np.arange(10), 2))

    images, _, _ = draw(classes=classes, num=20, truncation=0.5)

    key = root_keys(0)["samples"]
    monkeypatch.setattr(analyses, "THRESHOLDS", {"normal": (2.0, 0.5)})
    row = image_grid(images, columns=20)[2:]  # the padding above is the other row's
    np.testing.assert_array_equal(
        analyses.truncation(generator, key)[-len(row) :, -row.shape[1] :], row
    )
    plain = truncated(generator, key, np.repeat(np.arange(10), 2), [50.0])
    assert not np.array_equal(images, plain)


def test_a_file_for_each_image(run, draw, tmp_path):
    config, workdir = run
    images, labels, _ = draw(classes="2,7", num=5)
    drawing = Drawing(format="png", classes="2,7", num=5)

    folder = write_samples(config, workdir, output=tmp_path, drawing=drawing)

    assert folder == tmp_path / "images"
    names = [f"{index:06d}_{label}.png" for index, label in enumerate(labels)]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name, image in zip(names, images, strict=True):
        with Image.open(folder / name) as picture:
            np.testing.assert_array_equal(np.asarray(picture)[..., None], image)
    with pytest.raises(ConfigError, match="images holds files already; take another"):
        write_samples(config, workdir, output=tmp_path, drawing=drawing)


@pytest.mark.parametrize(
    ("label", "name"),
    [(0, "000012_T-shirt-top.png"), (9, "000012_ankle-boot.png"), (-1, "000012.png")],
)
def test_names_of_files(label, name):
    spec = build.SPECS["fashion_mnist"]

    assert samples_module._file_name(12, label, spec) == name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"classes": "3,ten"},
            "^--classes: mnist has no class 'ten'; known: 0, 1, .*9",
        ),
        ({"classes": "10"}, "no class '10'; known: .* .or 0 to 9.$"),
        ({"classes": ""}, "no class ''"),
        ({"num": 0}, "^--num is 0; it must be >= 1$"),
        ({"seed": -1}, "^--seed is -1; it must be from 0 to 4294967295$"),
        ({"truncation": 0.0}, "^--truncation is 0.0; .*'normal' it must be a finite"),
        ({"truncation": float("nan")}, "--truncation is nan"),
        ({"truncation": float("inf")}, "--truncation is inf"),
    ],
)
def test_what_cannot_be_drawn(draw, fields, message):
    with pytest.raises(ConfigError, match=message):
        draw(**fields)


def test_uniform_latents_shrink_only(draw, generator, monkeypatch):
    gan = dataclasses.replace(generator.sampler.gan, prior="uniform")
    sampler = dataclasses.replace(generator.sampler, gan=gan)
    uniform = dataclasses.replace(generator, sampler=sampler)
    monkeypatch.setattr(samples_module, "load_generator", lambda *a, **k: uniform)

    with pytest.raises(ConfigError, match=r"'uniform' it must be in \(0, 1\]$"):
        draw(truncation=1.5)


def test_an_unconditional_generator_has_no_classes(draw, generator, monkeypatch):
    other = dataclasses.replace(generator, conditional=False)
    monkeypatch.setattr(samples_module, "load_generator", lambda *a, **k: other)

    with pytest.raises(ConfigError, match="^--classes: this generator is uncondition"):
        draw(classes="1")


FLAGS = {
    "mode": "sample",
    "workdir": "runs/a",
    "runs": [],
    "images": None,
    **dict.fromkeys(("sweep", "set", "config", "distributed", "coordinator")),
    **dict.fromkeys(("num_processes", "process_id", "step", "analysis", "groups")),
    **dict.fromkeys(("output", "format", "classes", "num", "seed", "truncation")),
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num": 3}, None),
        ({"num": 3, "analysis": "samples"}, None),
        ({"mode": "export", "step": 3, "output": "a"}, None),
        ({"mode": "evaluate", "num": 3}, "--num is for --mode=sample"),
        ({"mode": "export", "classes": "3"}, "--classes is for --mode=sample"),
        (
            {"mode": "evaluate", "output": "a"},
            "--output is for --mode=sample, --mod",
        ),
        ({"mode": "score", "images": "a.npz", "config": "b.py"}, None),
        ({"mode": "score", "config": "b.py"}, "--mode=score takes --images="),
        ({"images": "a.npz"}, "--images is for --mode=score"),
        ({"mode": "describe", "step": 3}, "--step is for --mode=evaluate, --mode=sam"),
        (
            {"seed": 3, "analysis": "truncation"},
            "--seed is for --mode=sample without --analysis",
        ),
    ],
)
def test_flags_go_with_their_modes(given, message):
    values = flags.FlagValues()
    for name, value in (FLAGS | given).items():
        flag = flags.Flag(flags.ArgumentParser(), None, name, None, "")
        flag.value = value
        values[name] = flag
    values.mark_as_parsed()

    if message is None:
        check_flags(values, [])
        return
    with pytest.raises(SystemExit) as ended:
        check_flags(values, [])
    assert str(ended.value.code).startswith(f"error: {message}")
