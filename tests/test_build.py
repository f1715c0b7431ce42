"""From configs to objects."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from gan_jax import build, training
from gan_jax.build import ConfigError, build_optimizer
from gan_jax.checks import check_config
from gan_jax.classifier import RECIPES, ClassifierSettings
from gan_jax.data import SPECS
from gan_jax.gan import Gan
from gan_jax.objective.games import Minimax
from gan_jax.objective.terms import R1Penalty
from gan_jax.random import root_keys
from gan_jax.types import Batch
from gan_jax.workdir import config_to_dict


def test_number_of_steps(small_config):
    assert build.number_of_steps(small_config({"num_steps": 5}), 10_000) == 5
    config = small_config({"num_steps": 0, "num_epochs": 3, "batch_size": 96})
    assert build.number_of_steps(config, 10_000) == 3 * 104


def test_batch_larger_than_the_data(small_config):
    config = small_config({"data.source": "embedded", "batch_size": 10_001})

    with pytest.raises(ConfigError, match="batch_size is 10001.*10000 training images"):
        build.build_dataset(config)


@pytest.fixture
def svhn_dir(tmp_path):
    """A folder with an svhn.npz of 8 training and 2 test images, nearly all black."""
    images = np.zeros((10, 32, 32, 3), np.uint8)
    images[:, 3, 4] = (10, 20, 30)  # luma 2.99 + 11.74 + 3.42 = 18.15
    images[[0, 8], 5, 5] = 1  # so that not all are the same image
    labels = np.arange(10)
    np.savez(
        tmp_path / "svhn.npz",
        x_train=images[:8],
        y_train=labels[:8],
        x_test=images[8:],
        y_test=labels[8:],
    )
    return str(tmp_path)


def test_dataset_in_colour_and_in_gray(small_config, svhn_dir):
    fields = {"data.name": "svhn", "data.source": "files", "data.dir": svhn_dir}
    config = small_config(fields)
    gray_config = small_config(fields | {"data.grayscale": True})

    colour, gray = build.build_dataset(config), build.build_dataset(gray_config)

    assert colour.spec == build.dataset_spec(config) == SPECS["svhn"]
    assert gray.spec == build.dataset_spec(gray_config)
    assert gray.spec.image_shape == (32, 32, 1)
    assert gray.spec.class_names == colour.spec.class_names
    assert colour.train_images[7, 3, 4].tolist() == [10, 20, 30]
    for images, count in ((gray.train_images, 8), (gray.test_images, 2)):
        assert images.shape == (count, 32, 32, 1)
        assert images[:, 3, 4].tolist() == [[18]] * count
        assert images.sum() == 18 * count + 1
    assert gray.fingerprint() != colour.fingerprint()
    assert not gray.train_images.flags.writeable  # shared with the device
    assert build.build_gan(gray_config, gray.spec).image_shape == (32, 32, 1)


def test_gan_is_as_configured(small_config, tiny_spec):
    config = small_config(
        {
            "latent.prior": "uniform",
            "loss.name": "minimax",
            "loss.label_smoothing": "fixed",
            "loss.label_smoothing_amount": 0.2,
            "terms.r1_penalty.gamma": 2.0,
            "generator.output": "sigmoid",
            "sampling.dropout_rate": 0.1,
        }
    )

    gan = build.build_gan(config, tiny_spec)

    assert gan.objective.game == Minimax("fixed", 0.2)
    assert gan.objective.terms == {"r1_penalty": R1Penalty(gamma=2.0)}
    assert (gan.latent_size, gan.prior) == (7, "uniform")
    assert (gan.num_classes, gan.image_shape) == (3, (4, 3, 1))
    assert gan.value_range == (0.0, 1.0)
    assert gan.generator.image_shape == (4, 3, 1)
    assert gan.generator.num_classes == gan.discriminator.num_classes == 3
    assert gan.generator.hidden_sizes == (16, 12)
    assert gan.discriminator.hidden_sizes == (14, 10)
    rates = (gan.generator.dropout_rate, gan.sampling_generator.dropout_rate)
    assert rates == (0.5, 0.1)


def test_a_config_read_back_from_json_builds_the_same_gan(small_config, tiny_spec):
    config = small_config()
    read_back = ConfigDict(config_to_dict(config))

    gan = build.build_gan(read_back, tiny_spec)

    assert gan == build.build_gan(config, tiny_spec)
    assert hash(gan.generator) == hash(build.build_gan(config, tiny_spec).generator)
    check_config(read_back)


def test_unknown_network_argument_lists_the_known(small_config, tiny_spec):
    config = small_config()
    with config.unlocked():
        config.generator.hidden_size = (5,)

    with pytest.raises(ConfigError) as caught:
        build.build_gan(config, tiny_spec)

    message = str(caught.value)
    assert "config.generator has hidden_size, which MLPGenerator" in message
    assert "hidden_sizes" in message and "dropout_rate" in message
    known = message.split("known: ")[1].split(", ")
    assert "parent" not in known and "name" not in known


GRADIENT = jnp.array([0.5, -2.0, 0.1])


def updates(optimizer, count=1):
    """The first `count` updates for the same gradient."""
    state, given = optimizer.init(jnp.zeros(3)), []
    for _ in range(count):
        update, state = optimizer.update(GRADIENT, state, jnp.zeros(3))
        given.append(np.asarray(update))
    return given


def optimizer_fields(name, arguments=None, **fields):
    """Of the generator's; arguments that are not given are left at optax's default."""
    arguments = {"b1": None, "b2": None} | (arguments or {})
    fields = {"name": name, "learning_rate": 0.1} | fields
    fields |= {f"arguments.{key}": value for key, value in arguments.items()}
    return {f"generator_optimizer.{key}": value for key, value in fields.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", lambda g: -0.1 * g),
        # optax: the mean square after one gradient is a tenth of its square.
        ("rmsprop", lambda g: -0.1 * g / np.sqrt(0.1 * g**2 + 1e-8)),
        # optax: the accumulator starts at 0.1.
        ("adagrad", lambda g: -0.1 * g / np.sqrt(0.1 + g**2 + 1e-7)),
        ("adam", lambda g: -0.1 * np.sign(g)),
    ],
)
def test_optimizers_by_name(small_config, name, expected):
    config = small_config(optimizer_fields(name))

    (update,) = updates(build_optimizer(config, "generator", 10))

    np.testing.assert_allclose(update, expected(np.asarray(GRADIENT)), rtol=1e-5)


def test_optimizer_arguments(small_config):
    config = small_config(optimizer_fields("adam", {"b1": 0.5, "b2": 0.9, "eps": 0.3}))

    given = updates(build_optimizer(config, "generator", 10), 3)

    expected = updates(optax.adam(0.1, b1=0.5, b2=0.9, eps=0.3), 3)
    np.testing.assert_array_equal(given, expected)


def test_each_player_has_its_own_optimizer(small_config):
    config = small_config(optimizer_fields("sgd"))

    (generator_update,) = updates(build_optimizer(config, "generator", 10))
    (discriminator_update,) = updates(build_optimizer(config, "discriminator", 10))

    np.testing.assert_allclose(generator_update, -0.1 * GRADIENT, rtol=1e-6)
    np.testing.assert_allclose(
        discriminator_update, -2e-4 * np.sign(GRADIENT), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25, 0]),
        ("cosine", [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0]),
    ],
)
def test_schedules_end_at_zero(small_config, schedule, factors):
    config = small_config(optimizer_fields("sgd", schedule=schedule))

    given = updates(build_optimizer(config, "generator", 4), 5)

    expected = [-0.1 * factor * np.asarray(GRADIENT) for factor in factors]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-8)


def test_schedules_count_the_updates_of_their_player(small_config, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        training,
        "build_optimizer",
        lambda config, player, count: asked.update({player: count}) or optax.sgd(0.1),
    )
    # Stops before anything is compiled.
    monkeypatch.setattr(training, "make_train_step", lambda *args, **kwargs: 1 / 0)
    config = small_config({"d_steps": 2, "g_steps": 5})

    with pytest.raises(ZeroDivisionError):
        training.build_training(config, None, num_steps=7)

    assert asked == {"generator": 35, "discriminator": 14}


@pytest.mark.parametrize("name", ["adamm", "chain", "apply_updates", "__name__"])
def test_unknown_optimizer(small_config, name):
    config = small_config(optimizer_fields(name))

    with pytest.raises(ConfigError, match=f"generator_optimizer.name is '{name}'"):
        build_optimizer(config, "generator", 10)


def test_unknown_optimizer_argument_lists_the_known(small_config):
    config = small_config({"generator_optimizer.name": "sgd"})

    with pytest.raises(ConfigError, match="has b1, b2, which optax.sgd.*momentum"):
        build_optimizer(config, "generator", 10)


def test_roots_of_randomness():
    keys = [root_keys(seed) for seed in (0, 1, 0)]

    assert set(keys[0]) == {
        "init",
        "data",
        "train",
        "samples",
        "selection",
        "gan_test",
        "gan_train",
        "reference",
        "test",
        "further_gan_train",
    }
    data = [
        tuple(np.asarray(jax.random.key_data(key)).tolist())
        for roots in keys
        for key in roots.values()
    ]
    assert len(set(data)) == 20
    assert data[:10] == data[20:]
    # A root more leaves those before it as they were in earlier versions.
    earlier = jax.random.key_data(jax.random.split(jax.random.key(0), 9))
    assert data[:9] == [tuple(key) for key in np.asarray(earlier).tolist()]


def test_classifier_settings(small_config):
    settings = build.classifier_settings(small_config({"classifier.seed": 5}))

    # The default recipe, to which cached judges belong.
    assert settings == ClassifierSettings(name="lenet", seed=5)


@pytest.mark.parametrize(
    ("name", "flip"), [("cifar10", True), ("svhn", False), ("fashion_mnist", False)]
)
def test_the_resnet_judge_sees_mirrored_images_only_of_symmetric_classes(
    small_config, name, flip
):
    fields = {"classifier.name": "resnet", "classifier.seed": 5, "data.name": name}
    settings = build.classifier_settings(small_config(fields))

    assert settings == dataclasses.replace(RECIPES["resnet"], seed=5, flip=flip)
    # Without cutting into the caches of lenet judges.
    fields["classifier.name"] = "lenet"
    assert not build.classifier_settings(small_config(fields)).flip


def test_unconditional_networks_see_no_labels(small_config, tiny_spec):
    gan = build.build_gan(small_config({"conditional": False}), tiny_spec)

    assert gan.generator.conditioning == gan.discriminator.conditioning == "none"


def test_reference_examples_are_drawn_by_the_seed(small_config, tiny_mnist):
    def examples(seed):
        config = small_config({"seed": seed}, name="dcgan_vbn_mnist")
        gan = build.build_gan(config, tiny_mnist.spec)
        return training.reference_examples(config, gan, tiny_mnist)[0]

    first, again, other = examples(0), examples(0), examples(1)

    assert first.images.shape == (4, 28, 28, 1)
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    for image, label in zip(*map(np.asarray, first), strict=True):
        (row,) = np.flatnonzero((tiny_mnist.train_images == image).all(axis=(1, 2, 3)))
        assert tiny_mnist.train_labels[row] == label


def test_reference_larger_than_the_data_set(small_config, tiny_mnist):
    fields = {"discriminator.reference_examples": 401}
    config = small_config(fields, name="dcgan_vbn_mnist")
    gan = build.build_gan(config, tiny_mnist.spec)

    with pytest.raises(ConfigError, match="reference_examples is 401.*400 training"):
        training.reference_examples(config, gan, tiny_mnist)


def test_each_loss_is_traced_once(small_config, tiny_mnist, monkeypatch):
    traced = []

    def count(name):
        loss = getattr(Gan, name)

        def counting(*arguments, **options):
            traced.append(name)
            return loss(*arguments, **options)

        monkeypatch.setattr(Gan, name, counting)

    count("discriminator_loss")
    count("generator_loss")
    config = small_config({"d_steps": 1})
    gan = build.build_gan(config, tiny_mnist.spec)

    run_steps, state = training.build_training(config, gan, num_steps=5)
    order = training.initial_order(config, len(tiny_mnist.train_labels))
    data = Batch(tiny_mnist.train_images, tiny_mnist.train_labels)
    run_steps.lower(state, order, data, np.int32(1))

    assert sorted(traced) == ["discriminator_loss", "generator_loss"]


@pytest.mark.parametrize(
    ("fields", "too_many"),
    [
        ({"num_steps": 2**31 - 1}, False),
        ({"num_steps": 2**31}, True),
        ({"num_steps": 2**30, "d_steps": 2}, True),
        ({"num_steps": 2**30, "g_steps": 3}, True),
        ({"num_steps": 0, "num_epochs": 2**27}, True),
    ],
)
def test_more_updates_than_can_be_counted(small_config, fields, too_many):
    config = small_config({"batch_size": 10} | fields)

    if not too_many:
        assert build.number_of_steps(config, 1000) == fields["num_steps"]
        return
    name = "num_epochs" if "num_epochs" in fields else "num_steps"
    with pytest.raises(ConfigError, match=f"config.{name} is .*more than 2147483647"):
        build.number_of_steps(config, 1000)


OWN = {"data.name": "own", "data.source": "files"}


@pytest.fixture
def own_dir(tmp_path):
    """A folder with an own.npz of two classes, [6, 5, 4, 3]."""
    images = np.random.default_rng(0).integers(256, size=(10, 6, 5, 3), dtype=np.uint8)
    labels = np.arange(10) % 2
    np.savez(
        tmp_path / "own.npz",
        x_train=images[:6],
        y_train=labels[:6],
        x_test=images[6:],
        y_test=labels[6:],
    )
    return str(tmp_path)


def test_own_data_complete_the_config(small_config, own_dir):
    # Too small for a judge.
    fields = {"eval.scores": (), "checkpoints.best_metric": ""}
    config = small_config(OWN | fields | {"data.dir": own_dir, "data.flip": True})
    check_config(config)  # as far as it can be
    assert not build.is_complete(config)
    with pytest.raises(ConfigError, match="image_shape .* not known before .* own are"):
        build.dataset_spec(config)

    dataset = build.build_dataset(config)
    complete = build.completed(config, dataset.spec, dataset.fingerprint())

    check_config(complete)
    spec = build.dataset_spec(complete)
    assert (spec.name, spec.image_shape, spec.num_classes) == ("own", (6, 5, 3), 2)
    assert spec.class_names == ("0", "1")
    # Whether a mirrored image would do is for the owner to say.
    assert spec.mirror_symmetric
    assert complete.conditional and complete.eval.scores == config.eval.scores
    assert config.data.image_shape == ()
    assert build.build_dataset(complete).fingerprint() == dataset.fingerprint()


def test_own_data_that_changed_are_refused(small_config, own_dir):
    config = small_config(OWN | {"data.dir": own_dir})
    complete = build.completed(config, build.build_dataset(config).spec, "of others")

    with pytest.raises(ConfigError, match="own are not those .*fingerprint is of oth"):
        build.build_dataset(complete)


def test_own_data_in_gray(small_config, own_dir):
    config = small_config(OWN | {"data.dir": own_dir, "data.grayscale": True})

    dataset = build.build_dataset(config)

    assert dataset.spec.image_shape == (6, 5, 1)
    complete = build.completed(config, dataset.spec, dataset.fingerprint())
    assert build.dataset_spec(complete) == dataset.spec
    assert build.build_dataset(complete).spec == dataset.spec
