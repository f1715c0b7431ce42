"""Features of Inception-v3 as torch-fidelity has them; of functions; their cache."""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from benchmarks.inception_weights import IMAGE_SHAPES, random_images, random_tensors
from gan_jax import build
from gan_jax.build import ConfigError
from gan_jax.checks import check_config
from gan_jax.data import DataError
from gan_jax.features import Features, inception_features, inception_variables
from gan_jax.train import train

# Every 256th feature and every 126th logit of two images of each shape, written by
# `python -m benchmarks.inception --seed=0 --output=FILE`, with torch-fidelity 0.4.0.
REFERENCE = json.loads(
    (pathlib.Path(__file__).parent / "inception_reference.json").read_text()
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of seeded weights."""
    path = tmp_path_factory.mktemp("weights") / "random.npz"
    np.savez(path, **random_tensors(0))
    return path


@pytest.mark.slow
def test_inception_is_torch_fidelitys(weights):
    network = inception_features(weights)

    for shape in IMAGE_SHAPES:
        features = network(random_images(0, shape))
        expected, logits = REFERENCE["x".join(map(str, shape))]
        np.testing.assert_allclose(features[:, ::256], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            network.logits(features)[:, ::126], logits, rtol=1e-4, atol=1e-4
        )
    assert network.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_tensors_stand_where_the_network_has_them(weights):
    tensors = dict(np.load(weights))
    variables = inception_variables(weights)

    # As PyTorch's tools name them: output channels, input channels, rows, columns.
    name = "Mixed_6b.branch7x7_2"
    assert tensors[f"{name}.conv.weight"].shape == (128, 128, 1, 7)
    module = variables["params"]["Mixed_6b"]["branch7x7_2"]
    np.testing.assert_array_equal(
        module["conv"]["kernel"][0, 4, 5], tensors[f"{name}.conv.weight"][:, 5, 0, 4]
    )
    np.testing.assert_array_equal(module["bn"]["scale"], tensors[f"{name}.bn.weight"])
    statistics = variables["batch_stats"]["Mixed_6b"]["branch7x7_2"]["bn"]
    np.testing.assert_array_equal(statistics["var"], tensors[f"{name}.bn.running_var"])
    np.testing.assert_array_equal(
        variables["params"]["fc"]["kernel"][3], tensors["fc.weight"][:, 3]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": None}, r"fc.weight is absent, not \[1008, 2048\]"),
        ({"fc.weight": np.zeros((1000, 2048))}, r"fc.weight is \[1000, 2048\], not"),
        ({"AuxLogits.fc.bias": np.zeros(3)}, r"AuxLogits.fc.bias is \[3\], not absent"),
        ({"fc.bias": np.zeros(1008), "a.num_batches_tracked": np.zeros(())}, None),
    ],
)
def test_wrong_tensors_are_named(change, message, monkeypatch, tmp_path):
    tensors = random_tensors(0) | change
    tensors = {name: value for name, value in tensors.items() if value is not None}
    monkeypatch.setattr("gan_jax.features.read_tensors", lambda path: tensors)

    if message is None:
        inception_variables(tmp_path / "a.npz")
        return
    with pytest.raises(ValueError, match=message) as caught:
        inception_variables(tmp_path / "a.npz")
    assert "a.npz does not have the weights of the FID tools" in str(caught.value)


def test_batches_are_of_one_size_and_no_image_is_lost():
    sizes = []

    def means(images):
        sizes.append(images.shape)
        return images.mean(axis=(1, 2))

    images = np.random.default_rng(0).integers(0, 256, (107, 4, 3, 2), np.uint8)
    features = Features("means", means)(images)

    np.testing.assert_allclose(features, images.mean(axis=(1, 2)), rtol=1e-6)
    assert features.dtype == np.float32
    assert sizes == [(50, 4, 3, 2)] * 3


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (np.zeros(4), r"float64 \[4\]"),
        (np.zeros((4, 2), int), r"int64 \[4, 2\]"),
        (np.zeros((3, 2)), r"float64 \[3, 2\]"),
    ],
)
def test_functions_that_return_something_else_are_refused(result, found):
    features = Features("mine:f", lambda images: result)

    with pytest.raises(DataError, match=f"mine:f must return floats .4, F.* {found}"):
        features(np.zeros((4, 2, 2, 1), np.uint8))


def counted(folder, sha256="abc"):
    """Features that note the sizes of the batches they are computed of."""
    calls = []

    def compute(images):
        calls.append(len(images))
        return images.mean(axis=(1, 2))

    return Features("f", compute, None, sha256, folder), calls


def test_features_of_real_images_are_computed_once(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 3), np.uint8)
    features, calls = counted(tmp_path / "new")
    first = features.of_real(images)
    again, no_calls = counted(tmp_path / "new")

    np.testing.assert_array_equal(again.of_real(images), first)
    np.testing.assert_array_equal(first, images.mean(axis=(1, 2)).astype(np.float32))
    assert (calls, no_calls) == ([6], [])
    # Of other images or weights they are others.
    again.of_real(images[:5])
    again.of_real(255 - images)
    other, other_calls = counted(tmp_path / "new", "other")
    other.of_real(images)
    assert (no_calls, other_calls) == ([5, 6], [6])
    # Damaged files are replaced.
    for file in (tmp_path / "new").iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    np.testing.assert_array_equal(features.of_real(images), first)
    assert calls == [6, 6] and "computing the features anew" in caplog.text


def test_features_of_a_function_are_not_kept():
    features, calls = counted(None)
    for _ in range(2):
        features.of_real(np.zeros((2, 2, 2, 1), np.uint8))

    assert calls == [2, 2]


def test_a_cache_that_cannot_be_written_is_told(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    features, calls = counted(tmp_path / "file")

    assert features.of_real(np.zeros((2, 2, 2, 1), np.uint8)).shape == (2, 1)
    assert "computed again next time" in caplog.text


def function(images):
    """Of a config's `test_features:function`."""
    return images.reshape(len(images), -1)[:, :3].astype(np.float32)


def test_configs_name_functions(small_config):
    config = small_config({"eval.features": "test_features:function"})
    check_config(config)

    features = build.build_features(config)

    assert (features.name, features.compute) == ("test_features:function", function)
    assert build.build_features(small_config()) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"eval.features": "inception"},
            "config.eval.inception_weights is '', but .* takes the file of public "
            r"weights pt_inception-2015-12-05-6726825d.pth .*see docs/scores.md",
        ),
        (
            {"eval.features": "inception", "eval.inception_weights": "absent.pth"},
            "config.eval.inception_weights: absent.pth is not there .it takes pt_incep",
        ),
        ({"eval.features": "vgg"}, "eval.features is 'vgg'; known: 'judge', 'incept"),
        ({"eval.features": "test_features:REFERENCE"}, "which is no function"),
        ({"eval.features": "test_features:none"}, "has no 'none'"),
    ],
)
def test_features_that_cannot_be_are_refused(fields, message, small_config):
    with pytest.raises(ConfigError, match=message):
        check_config(small_config(fields))
    # Samples need none.
    check_config(small_config(fields), scored=False)


def test_weights_that_are_missing_cost_no_training(small_config, tmp_path):
    config = small_config({"eval.features": "inception"})

    with pytest.raises(ConfigError, match="config.eval.inception_weights is ''"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_of_two_channels_have_no_colour(small_config):
    fields = {
        "data.name": "own",
        "data.source": "folder",
        "data.image_shape": (8, 8, 2),
        "data.class_names": ("a", "b"),
        "eval.features": "inception",
    }
    with pytest.raises(ConfigError, match="images of own have neither 1 nor 3 channel"):
        check_config(small_config(fields))
