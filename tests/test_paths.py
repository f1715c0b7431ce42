"""Folders as people name them: ~ is the home, and URLs are no folders."""

import pathlib

import numpy as np
import pytest

from gan_jax import load_generator
from gan_jax.cache import cache_dir
from gan_jax.classifier import ClassifierSettings, load_or_train_classifier
from gan_jax.data import load_dataset
from gan_jax.paths import local_path


@pytest.fixture
def home(tmp_path, monkeypatch) -> pathlib.Path:
    """The user's home; the current folder is another one, and stays empty."""
    (tmp_path / "home").mkdir()
    (tmp_path / "current").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "current")
    yield tmp_path / "home"
    assert not list((tmp_path / "current").iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~/runs/a", "{home}/runs/a"),
        ("~", "{home}"),
        (pathlib.Path("~/a"), "{home}/a"),
        ("a/~/b", "a/~/b"),
        ("a:b/c", "a:b/c"),
        ("/tmp/x", "/tmp/x"),
    ],
)
def test_paths(home, text, expected):
    assert str(local_path(text, "workdir")) == expected.format(home=home)


@pytest.mark.parametrize(
    "url", ["gs://bucket/a", "s3://bucket/a", "file:///a", pathlib.Path("gs://b/a")]
)
def test_urls_are_refused(url):
    with pytest.raises(OSError, match="workdir is '.*'; it must be a path in a mounte"):
        local_path(url, "workdir")


def test_no_such_home():
    with pytest.raises(OSError, match="workdir is '~nobody_of_that_name/a'"):
        local_path("~nobody_of_that_name/a", "workdir")


def test_data_in_the_home(home, tiny_mnist):
    (home / "data").mkdir()
    np.savez(
        home / "data" / "mnist.npz",
        x_train=tiny_mnist.train_images,
        y_train=tiny_mnist.train_labels,
        x_test=tiny_mnist.test_images,
        y_test=tiny_mnist.test_labels,
    )

    dataset = load_dataset(name="mnist", source="files", directory="~/data")

    np.testing.assert_array_equal(dataset.test_images, tiny_mnist.test_images)
    with pytest.raises(OSError, match="data.dir is 'gs://data'"):
        load_dataset(name="mnist", source="files", directory="gs://data")


def test_a_run_in_the_home(home, tiny_run):
    (home / "run").symlink_to(tiny_run[1])

    assert load_generator("~/run").step == 12
    with pytest.raises(OSError, match="workdir is 'gs://runs/a'"):
        load_generator("gs://runs/a")


@pytest.mark.slow
def test_caches_in_the_home(home, tiny_mnist, monkeypatch):
    quick = ClassifierSettings(num_epochs=1, min_steps=1, batch_size=400)

    load_or_train_classifier(tiny_mnist, settings=quick, cache_dir="~/judges")

    assert len(list((home / "judges").iterdir())) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", "~/cache")
    assert cache_dir() == home / "cache" / "gan_jax"
