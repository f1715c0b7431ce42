"""Data sets and sources of a user's own, by `package.module:attribute`."""

import dataclasses
import sys

import numpy as np
import pytest

from gan_jax import build, checks
from gan_jax.build import ConfigError
from gan_jax.data import DataError, load_dataset

MODULE = """
import dataclasses
import numpy as np
from gan_jax.data import Dataset, DatasetSpec

SPEC = DatasetSpec("stripes", (6, 5, 1), 2, ("across", "down"))

def numbered(spec, directory):
    shape = (int(directory or 4), *spec.image_shape)
    images = (np.arange(np.prod(shape)) % 251).reshape(shape).astype(np.uint8)
    labels = np.arange(len(images)) % 2
    return Dataset(spec, images, labels, images[:2], labels[:2])

def floats(spec, directory):
    images = np.zeros((4, *spec.image_shape))
    return Dataset(spec, images, np.arange(4), images, np.arange(4))

def lists(spec, directory):
    made = numbered(spec, directory)
    return dataclasses.replace(made, test_labels=made.test_labels.tolist())

def noted(spec, directory):
    return dataclasses.replace(numbered(spec, directory), notes=("turned",))

def pair(spec, directory):
    return 1, 2
"""


@pytest.fixture
def stripes(tmp_path, monkeypatch):
    (tmp_path / "stripes.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("stripes", None)


def load(source, name="stripes:SPEC", directory=""):
    return load_dataset(name=name, source=source, directory=str(directory))


def test_a_function_is_a_source(stripes):
    dataset = load("stripes:numbered", directory=7)

    assert dataset.train_images.shape == (7, 6, 5, 1)
    assert dataset.spec.class_names == ("across", "down")
    assert dataset.train_labels.dtype == np.int32
    assert dataset.test_labels.tolist() == [0, 1]
    assert load("stripes:noted").notes == ("turned",)
    # Of a set that is known too.
    assert load("stripes:numbered", "svhn").train_images.shape == (4, 32, 32, 3)


def test_files_of_a_set_of_ones_own(stripes):
    made = load("stripes:numbered")
    arrays = dataclasses.asdict(made)
    np.savez(
        stripes / "stripes.npz",
        **{
            f"{short}_{part}": arrays[f"{part}_{long}"]
            for short, long in (("x", "images"), ("y", "labels"))
            for part in ("train", "test")
        },
    )

    assert load("files", directory=stripes).fingerprint() == made.fingerprint()
    with pytest.raises(DataError, match="no stripes in .*looked for stripes.npz"):
        load("files", directory=stripes.parent)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("stripes:floats", "stripes:floats, train_images: expected uint8.*float64"),
        (
            "stripes:lists",
            "^stripes:lists, test_labels: expected an array, found list$",
        ),
        ("stripes:pair", "stripes:pair must return a Dataset, not tuple"),
        ("stripes:absent", "the data source is 'stripes:absent'.*no 'absent'"),
        (
            "flies",
            "source .flies.; known: embedded, files, tfds, folder, huggingface, or",
        ),
        ("embedded", "only mnist is embedded, not stripes"),
    ],
)
def test_what_is_no_source(stripes, source, message):
    with pytest.raises(DataError, match=message):
        load(source)


def test_configs_name_them(stripes, small_config):
    fields = {"data.name": "stripes:SPEC", "data.source": "stripes:numbered"}
    config = small_config(fields | {"batch_size": 4})

    checks.check_config(config, scored=False)

    assert build.dataset_spec(config).image_shape == (6, 5, 1)
    assert len(build.build_dataset(config).train_images) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data.name": "stripes:numbered"}, "data.name is .* no DatasetSpec"),
        ({"data.name": "stripe:SPEC"}, "data.name is .*cannot be imported"),
        ({"data.source": "stripes:absent"}, "data.source is .*no 'absent'"),
        ({"data.source": "tdfs"}, "data.source is 'tdfs': unknown.*known: embedded"),
    ],
)
def test_names_that_lead_nowhere(stripes, small_config, fields, message):
    with pytest.raises(ConfigError, match=message):
        checks.check_config(small_config(fields), scored=False)


def test_huggingface_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(DataError, match=r"pip install 'gan_jax\[huggingface\]'"):
        load_dataset(name="owner/pets", source="huggingface")
