"""A finished run gives its generator back."""

import dataclasses
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

import gan_jax
from gan_jax import build, training
from gan_jax import samples as samples_module
from gan_jax.build import ConfigError
from gan_jax.checkpoint import CheckpointError
from gan_jax.generator import load_generator, open_checkpoints
from gan_jax.random import root_keys
from gan_jax.samples import write_samples
from gan_jax.sampling import Sampler
from gan_jax.workdir import config_to_dict

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def loaded(tiny_run):
    return gan_jax.load_generator(str(tiny_run[1]))


def test_the_latest_checkpoint_and_its_average_generate(tiny_run, loaded):
    config, workdir = tiny_run
    gan = build.build_gan(config, loaded.spec)
    template = jax.eval_shape(lambda: training.build_training(config, gan, 12)[1])
    with open_checkpoints(config, workdir) as checkpoints:
        state, step = checkpoints.restore(template)

    assert loaded.step == step == 12
    assert (loaded.conditional, loaded.spec.name) == (True, "mnist")
    chex.assert_trees_all_equal(loaded.variables, state.gan.ema)
    last, average = state.gan.generator.params["output"], state.gan.ema["params"]
    assert not np.array_equal(last["kernel"], average["output"]["kernel"])
    images = Sampler(gan, batch_size=11)(state.gan.ema, KEY, np.arange(10))
    np.testing.assert_array_equal(loaded.sample(KEY, np.arange(10)), images)


def test_the_spec_is_that_of_the_config(tiny_run, loaded, monkeypatch):
    named = dataclasses.replace(loaded.spec, name="as configured")
    monkeypatch.setattr(build, "dataset_spec", lambda config: named)

    assert load_generator(tiny_run[1]).spec == named


def test_without_an_average_the_last_variables_generate(tiny_run, loaded):
    config, _ = tiny_run
    state = training.build_training(
        config, build.build_gan(config, loaded.spec), num_steps=12
    )[1].gan

    assert state.sampling_variables is state.ema
    without = state.replace(ema=None).sampling_variables
    chex.assert_trees_all_equal(without, state.generator.variables)


def test_images_of_the_classes_asked_for(loaded):
    labels = [3, 3, 0, 9]

    images = loaded.sample(KEY, labels)

    assert images.dtype == jnp.uint8 and images.shape == (4, 28, 28, 1)
    np.testing.assert_array_equal(images, loaded.sample(KEY, np.array(labels)))
    assert not np.array_equal(images, loaded.sample(jax.random.key(1), labels))


@pytest.mark.parametrize("number", [12, np.int64(12), jnp.int32(12)])
def test_a_number_gives_every_class_in_turn(loaded, number):
    in_turn = [*range(10), 0, 1]

    np.testing.assert_array_equal(
        loaded.sample(KEY, number), loaded.sample(KEY, in_turn)
    )


def test_an_earlier_step(tiny_run, loaded):
    earlier = load_generator(tiny_run[1], 8)

    assert earlier.step == 8
    assert not np.array_equal(earlier.sample(KEY, 10), loaded.sample(KEY, 10))


@pytest.mark.parametrize(
    ("labels", "message"),
    [(0, ">= 1, not 0"), (-3, ">= 1"), ([10], "from 10 to 10"), ([0.5], "integers")],
)
def test_bad_requests(loaded, labels, message):
    with pytest.raises(ValueError, match=message):
        loaded.sample(KEY, labels)


def test_unconditional_generators_take_no_labels(loaded):
    unconditional = dataclasses.replace(loaded, conditional=False)

    with pytest.raises(ValueError, match="unconditional"):
        unconditional.sample(KEY, [1, 2])


def test_chosen_latents_in_eval_mode(tiny_run):
    config, workdir = tiny_run
    other = changed(config, {"modes.generator_in_sampling": "eval"})
    loaded = load_generator(workdir, config=other)
    labels = [3, 3, 0, 9, 1, 2, 5, 3]  # more than a batch

    latents = loaded.latents(KEY, labels)

    assert latents.shape == (8, 7) and (loaded.latent_size, loaded.prior) == (
        7,
        "normal",
    )
    np.testing.assert_array_equal(
        loaded.generate(latents, labels, jax.random.key(1)), loaded.sample(KEY, labels)
    )
    # Latents of one's own, as NumPy arrays: the mean of two images' is neither.
    mean = np.asarray(latents)[:2].mean(axis=0, keepdims=True)
    images = np.asarray(loaded.generate(mean, [3], KEY))
    for image in np.asarray(loaded.sample(KEY, labels))[:2]:
        assert not np.array_equal(images[0], image)


def test_chosen_latents_in_train_mode(loaded):
    latents = jnp.repeat(loaded.latents(KEY, 1), 3, axis=0)
    labels = [4, 4, 4]

    images = np.asarray(loaded.generate(latents, labels, KEY))
    again = np.asarray(loaded.generate(latents, labels, KEY))
    same_keys = np.asarray(loaded.generate(latents, labels, jnp.repeat(KEY[None], 3)))

    # A key for each image of one key; with equal keys nothing is left to differ.
    np.testing.assert_array_equal(images, again)
    assert len(np.unique(images, axis=0)) == 3
    assert len(np.unique(same_keys, axis=0)) == 1


@pytest.mark.parametrize(
    ("shape", "labels", "keys", "message"),
    [
        ((2, 6), [1, 2], KEY, r"\[N, 7\], not \(2, 6\)"),
        ((7,), [1], KEY, r"\[N, 7\], not \(7,\)"),
        ((0, 7), [], KEY, r"not \(0, 7\)"),
        ((2, 7), None, KEY, "takes one label for each of the 2 latents"),
        ((2, 7), [1], KEY, r"labels of shape \(1,\) for 2 latents"),
        (
            (2, 7),
            [1, 2],
            jax.random.split(KEY, 3),
            r"keys of shape \(3,\) for 2 latents",
        ),
        ((2, 7), [1, 10], KEY, "from 1 to 10"),
    ],
)
def test_bad_latents(loaded, shape, labels, keys, message):
    with pytest.raises(ValueError, match=message):
        loaded.generate(jnp.zeros(shape), labels, keys)


def test_raw_keys_mean_the_same(loaded):
    raw = jax.random.PRNGKey(0)

    np.testing.assert_array_equal(loaded.sample(raw, 12), loaded.sample(KEY, 12))
    latents = loaded.latents(raw, [1, 2])
    np.testing.assert_array_equal(latents, loaded.latents(KEY, [1, 2]))
    # One raw key is two numbers, and no two keys.
    for keys, typed in (
        (raw, KEY),
        (jax.random.split(raw), jax.random.split(KEY)),
        (np.asarray(raw), KEY),
    ):
        np.testing.assert_array_equal(
            loaded.generate(latents, [1, 2], keys),
            loaded.generate(latents, [1, 2], typed),
        )
    three = jnp.concatenate([latents, latents[:1]])
    assert loaded.generate(three, [1, 2, 3], raw).shape == (3, 28, 28, 1)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (0, r"key must be jax.random.key\(seed\), not 0"),
        (None, "key must be .*, not None"),
        (jnp.zeros(2), r"key must be .*, not float32 of shape \(2,\)"),
        (jnp.zeros(3, jnp.uint32), r"key must be .*, not uint32 of shape \(3,\)"),
        (jax.random.split(KEY, 2), r"one key is needed, not keys of shape \(2,\)"),
    ],
)
def test_what_is_no_key(loaded, key, message):
    for draw in (loaded.sample, loaded.latents):
        with pytest.raises(TypeError, match=message):
            draw(key, 2)
    if np.ndim(key) != 1 or len(key) != 2 or key.dtype == jnp.float32:
        with pytest.raises(TypeError, match=message):
            loaded.generate(jnp.zeros((2, 7)), [1, 2], key)


@pytest.mark.parametrize("number", [3.7, 3.0, "3", None, True, jnp.float32(3)])
def test_what_is_no_number_of_images(loaded, number):
    with pytest.raises(TypeError, match="number of images must be a whole number, not"):
        loaded.sample(KEY, number)


@pytest.mark.parametrize(
    ("latents", "error", "message"),
    [
        ([[0.0] * 7, [0.0] * 6 + [np.nan]], ValueError, "1 of 2 latents are not fin"),
        ([[np.inf] * 7, [0.0] * 7], ValueError, "1 of 2 .* not finite.* number 0"),
        ([["a"] * 7] * 2, TypeError, "latents must be real numbers, not <U1"),
        (np.zeros((2, 7), complex), TypeError, "real numbers, not complex128"),
    ],
)
def test_latents_that_are_no_numbers(loaded, latents, error, message):
    with pytest.raises(error, match=message):
        loaded.generate(latents, [1, 2], KEY)


def test_latents_of_other_types_are_taken(loaded):
    latents = np.asarray(loaded.latents(KEY, [1, 2]))
    expected = loaded.generate(latents, [1, 2], KEY)

    for other in (latents.astype(np.float64), latents.tolist()):
        np.testing.assert_array_equal(loaded.generate(other, [1, 2], KEY), expected)
    whole = np.ones((2, 7), int)
    np.testing.assert_array_equal(
        loaded.generate(whole, [1, 2], KEY),
        loaded.generate(whole.astype(np.float32), [1, 2], KEY),
    )


def test_drawing_inside_somebodys_jit(loaded):
    latents = loaded.latents(KEY, [1, 2])

    drawn = jax.jit(lambda key: loaded.sample(key, [1, 2]))(KEY)
    made = jax.jit(lambda z, key: loaded.generate(z, [1, 2], key))(latents, KEY)

    np.testing.assert_array_equal(drawn, loaded.sample(KEY, [1, 2]))
    np.testing.assert_array_equal(made, loaded.generate(latents, [1, 2], KEY))


def test_a_generator_can_be_a_key_of_a_dict(loaded, tiny_run):
    other = load_generator(tiny_run[1])

    assert {loaded: 1, other: 2}[loaded] == 1
    assert loaded == loaded and loaded != other


def test_unconditional_generators_take_latents_alone(loaded):
    unconditional = dataclasses.replace(loaded, conditional=False)

    with pytest.raises(ValueError, match="takes no labels of the 2 latents"):
        unconditional.generate(jnp.zeros((2, 7)), [0, 1], KEY)


def test_a_runs_own_folder_is_the_run(tiny_run, tmp_path):
    """Though an export lies in it, from before this was refused."""
    workdir = tmp_path / "run"
    shutil.copytree(tiny_run[1], workdir)
    (workdir / "generator.safetensors").write_bytes(b"older")

    assert load_generator(workdir).step == 12


def test_no_run(tmp_path):
    with pytest.raises(ConfigError, match=f"{tmp_path} holds no run"):
        load_generator(tmp_path)


def test_no_checkpoint(tiny_run, tmp_path):
    shutil.copy(tiny_run[1] / "config.json", tmp_path)

    with pytest.raises(CheckpointError, match=f"{tmp_path} holds no checkpoint"):
        load_generator(tmp_path)


def test_no_such_step(tiny_run):
    with pytest.raises(CheckpointError, match="3"):
        load_generator(tiny_run[1], 3)


def test_samples_are_written(tiny_run, loaded):
    config, workdir = tiny_run

    assert write_samples(config, workdir) == workdir / "samples.npz"

    with np.load(workdir / "samples.npz") as samples:
        images, labels = samples["images"], samples["labels"]
        assert set(samples) == {"images", "labels"}
    assert images.dtype == np.uint8 and images.shape == (60, 28, 28, 1)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, np.tile(np.arange(10), 6))
    key = root_keys(config.seed)["samples"]
    np.testing.assert_array_equal(images, loaded.sample(key, labels))
    with Image.open(workdir / "samples.png") as picture:
        # Ten rows of pixels doubled, two between; labels at the left.
        assert picture.height == 10 * (2 * 28 + 2) + 2
        assert picture.width > 10 * (2 * 28 + 2) + 2


def test_few_samples_may_be_written_of_a_run_that_is_scored_in_many_splits(
    tiny_run, tmp_path
):
    config, workdir = tiny_run  # 3 splits

    write_samples(
        changed(config, {"eval.num_samples": 3}), workdir, output=tmp_path / "few"
    )

    with np.load(tmp_path / "few" / "samples.npz") as samples:
        assert samples["images"].shape == (3, 28, 28, 1)


def test_unconditional_samples_have_no_labels(tiny_run, loaded, monkeypatch, tmp_path):
    unconditional = dataclasses.replace(loaded, conditional=False)
    monkeypatch.setattr(samples_module, "load_generator", lambda *a, **k: unconditional)
    config, workdir = tiny_run
    shutil.copy(workdir / "config.json", tmp_path)

    write_samples(config, tmp_path)

    with np.load(tmp_path / "samples.npz") as samples:
        np.testing.assert_array_equal(samples["labels"], np.full(60, -1))
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.size == (582, 582)


def changed(config, fields):
    other = ConfigDict(config_to_dict(config))
    other.update_from_flattened_dict(fields)
    return other


def test_samples_of_another_config_are_refused(tiny_run):
    config, workdir = tiny_run

    with pytest.raises(ConfigError, match="latent.size is 9 here, 7 there"):
        write_samples(changed(config, {"latent.size": 9}), workdir)


def test_sampling_may_differ_from_the_run(tiny_run, loaded):
    config, workdir = tiny_run
    other = changed(config, {"modes.generator_in_sampling": "eval"})

    in_eval_mode = load_generator(workdir, config=other)

    assert not np.array_equal(in_eval_mode.sample(KEY, 10), loaded.sample(KEY, 10))
    # No dropout, no batch statistics: an image depends on nothing but its latent.
    np.testing.assert_array_equal(
        in_eval_mode.sample(KEY, [0, 5])[0], in_eval_mode.sample(KEY, [0, 7])[0]
    )
