import dataclasses
import logging
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import classifier as classifier_module
from gan_jax.augment import random_flips, random_shifts
from gan_jax.classifier import (
    RECIPES,
    ClassifierSettings,
    load_or_train_classifier,
    train_classifier,
)
from gan_jax.networks.classifiers import CLASSIFIERS

NUM_CLASSES = 4
SETTINGS = ClassifierSettings(num_epochs=2, min_steps=60, batch_size=32)


def quadrant_images(num_images, seed, shape=(16, 16, 1)):
    """Noise in which the quadrant of the label's number is brighter."""
    random = np.random.default_rng(seed)
    labels = random.integers(NUM_CLASSES, size=num_images)
    images = random.integers(120, size=(num_images, *shape))
    half = shape[0] // 2
    for image, label in zip(images, labels, strict=True):
        row, column = half * (label // 2), half * (label % 2)
        image[row : row + half, column : column + half] += 60
    return images.astype(np.uint8), labels


TRAIN_IMAGES, TRAIN_LABELS = quadrant_images(512, seed=0)
TEST_IMAGES, TEST_LABELS = quadrant_images(400, seed=1)


def train(images=TRAIN_IMAGES, labels=TRAIN_LABELS, settings=SETTINGS, **kwargs):
    return train_classifier(
        images, labels, num_classes=NUM_CLASSES, settings=settings, **kwargs
    )


def assert_equal_variables(one, other):
    chex.assert_trees_all_equal(one.variables, other.variables)


@pytest.fixture(scope="module")
def real_classifier():
    return train()


@pytest.mark.slow
def test_learns_real_labels(real_classifier):
    assert real_classifier.accuracy(TEST_IMAGES, TEST_LABELS) > 0.95


@pytest.mark.slow
def test_gan_train_on_the_real_training_set_gives_the_real_accuracy(real_classifier):
    again = train(TRAIN_IMAGES.copy(), TRAIN_LABELS.copy())

    assert_equal_variables(again, real_classifier)
    assert again.accuracy(TEST_IMAGES, TEST_LABELS) == real_classifier.accuracy(
        TEST_IMAGES, TEST_LABELS
    )


@pytest.mark.slow
def test_shuffled_labels_fall_to_chance():
    shuffled = np.random.default_rng(2).permutation(TRAIN_LABELS)

    accuracy = train(labels=shuffled).accuracy(TEST_IMAGES, TEST_LABELS)

    assert abs(accuracy - 1 / NUM_CLASSES) < 0.15


def test_seed_changes_the_params(real_classifier):
    other = train(settings=dataclasses.replace(SETTINGS, seed=1))

    kernel, other_kernel = (
        np.asarray(trained.variables["params"]["Dense_0"]["kernel"])
        for trained in (real_classifier, other)
    )
    assert np.mean(kernel != other_kernel) > 0.99


@pytest.mark.parametrize(
    ("num_images", "num_epochs", "min_steps", "expected"),
    [
        (512, 3, 1, (100, 5, 3)),  # the remainder of 12 images is left out
        (130, 2, 7, (100, 1, 7)),  # a small set: more epochs, until min_steps
        (230, 2, 7, (100, 2, 4)),  # whole epochs: 8 steps, not 7
        (20, 1, 2, (20, 1, 2)),  # fewer images than a batch: one batch of all
    ],
)
def test_schedule_by_hand(num_images, num_epochs, min_steps, expected):
    settings = ClassifierSettings(
        num_epochs=num_epochs, min_steps=min_steps, batch_size=100
    )

    assert classifier_module._schedule(num_images, settings) == expected


def test_progress_reports_steps_and_a_falling_loss():
    steps, losses = [], []

    def note(step, num_steps, loss):
        steps.append((step, num_steps))
        losses.append(loss)

    train(progress=note)

    assert steps == [(16, 64), (32, 64), (48, 64), (64, 64)]
    assert 0.1 < losses[0] < 2 * np.log(NUM_CLASSES)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_trains_on_colour_images():
    images, labels = quadrant_images(512, seed=3, shape=(16, 16, 3))

    assert train(images, labels).accuracy(images, labels) > 0.95


def test_logits_do_not_depend_on_the_batch_size(real_classifier):
    one_batch = np.asarray(real_classifier.logits(TEST_IMAGES, batch_size=400))
    assert one_batch.shape == (400, NUM_CLASSES)
    assert one_batch.dtype == np.float32
    for batch_size in (7, 250, 10_000):
        logits = np.asarray(real_classifier.logits(TEST_IMAGES, batch_size=batch_size))
        np.testing.assert_allclose(logits, one_batch, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(logits.argmax(1), one_batch.argmax(1))


def test_logits_are_those_of_the_network_in_eval_mode(real_classifier):
    expected = jax.jit(
        lambda variables, images: real_classifier.network.apply(
            variables, images, train=False
        )
    )(real_classifier.variables, TEST_IMAGES[:5])

    np.testing.assert_allclose(
        real_classifier.logits(TEST_IMAGES)[:5], expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_diverging_loss_names_the_step():
    settings = dataclasses.replace(SETTINGS, learning_rate=1e35)
    with pytest.raises(FloatingPointError, match="'lenet'.*at step 2 of 64"):
        train(settings=settings)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 16, 16, 1), np.uint8), r"not uint8 of shape \(0, 16, 16, 1\)"),
        (np.zeros((8, 16, 16), np.uint8), r"not uint8 of shape \(8, 16, 16\)"),
        (np.zeros((8, 16, 16, 1), np.float32), "not float32"),
    ],
)
def test_refuses_wrong_images(images, message, real_classifier):
    with pytest.raises(ValueError, match=message):
        train(images, np.zeros(len(images), int))
    with pytest.raises(ValueError, match=message):
        real_classifier.logits(images)


def test_refuses_images_too_small_for_the_network():
    with pytest.raises(ValueError, match="do not fit"):
        train(TRAIN_IMAGES[:, :8, :8], TRAIN_LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (TRAIN_LABELS[:-1], "512 integers.*511"),
        (TRAIN_LABELS.astype(np.float32), "not float32"),
        (TRAIN_LABELS + 1, r"in \[0, 4\), but reach from 1 to 4"),
    ],
)
def test_refuses_wrong_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        train(labels=labels)


@pytest.mark.parametrize(
    "field", ["num_epochs", "min_steps", "batch_size", "learning_rate"]
)
def test_refuses_settings_that_are_not_positive(field):
    with pytest.raises(ValueError, match=f"{field} must be positive, not 0"):
        train(settings=dataclasses.replace(SETTINGS, **{field: 0}))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_shift", -1, "must not be negative, but is -1"),
        ("weight_decay", -0.1, "must not be negative, but is -0.1"),
        ("label_smoothing", -0.1, r"must be in \[0, 1\), not -0.1"),
        ("label_smoothing", 1.0, r"must be in \[0, 1\), not 1.0"),
    ],
)
def test_refuses_settings_out_of_range(field, value, message):
    with pytest.raises(ValueError, match=f"{field} {message}"):
        train(settings=dataclasses.replace(SETTINGS, **{field: value}))


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match="'vgg'; known: lenet, resnet"):
        train(settings=dataclasses.replace(SETTINGS, name="vgg"))


def test_logits_refuse_another_shape_and_an_empty_batch(real_classifier):
    with pytest.raises(ValueError, match=r"shape \(16, 16, 1\), not \(16, 17, 1\)"):
        real_classifier.logits(np.zeros((2, 16, 17, 1), np.uint8))
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        real_classifier.logits(TEST_IMAGES, batch_size=0)


@dataclasses.dataclass
class TinyDataset:
    train_images: np.ndarray
    train_labels: np.ndarray
    name: str = "tiny"
    spec: SimpleNamespace = dataclasses.field(
        default_factory=lambda: SimpleNamespace(num_classes=NUM_CLASSES)
    )

    def fingerprint(self):
        return self.name


DATASET = TinyDataset(TRAIN_IMAGES, TRAIN_LABELS)


@pytest.fixture
def cached(tmp_path, real_classifier, monkeypatch):
    """A directory with one cached classifier, and the list of trainings since."""
    load_or_train_classifier(DATASET, settings=SETTINGS, cache_dir=tmp_path)
    trainings = []

    def counting_train(images, labels, *, num_classes, settings, progress):
        np.testing.assert_array_equal(images, TRAIN_IMAGES)
        np.testing.assert_array_equal(labels, TRAIN_LABELS)
        trainings.append(settings)
        return real_classifier

    monkeypatch.setattr(classifier_module, "train_classifier", counting_train)
    return tmp_path, trainings


def only_file(directory):
    (file,) = directory.iterdir()
    return file


def test_cache_hit_returns_equal_params_without_training(cached, real_classifier):
    directory, trainings = cached

    loaded = load_or_train_classifier(DATASET, settings=SETTINGS, cache_dir=directory)

    assert trainings == []
    assert_equal_variables(loaded, real_classifier)
    np.testing.assert_array_equal(
        loaded.logits(TEST_IMAGES), real_classifier.logits(TEST_IMAGES)
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_epochs", 3),
        ("min_steps", 61),
        ("batch_size", 31),
        ("learning_rate", 1e-3),
        ("seed", 1),
        ("flip", True),
        ("max_shift", 1),
        ("label_smoothing", 0.1),
        ("weight_decay", 0.1),
    ],
)
def test_other_settings_train_anew(cached, field, value):
    directory, trainings = cached
    settings = dataclasses.replace(SETTINGS, **{field: value})

    load_or_train_classifier(DATASET, settings=settings, cache_dir=directory)

    assert trainings == [settings]
    assert len(list(directory.iterdir())) == 2


def test_another_data_set_or_recipe_trains_anew(cached, monkeypatch):
    directory, trainings = cached
    other = dataclasses.replace(DATASET, name="other")

    load_or_train_classifier(other, settings=SETTINGS, cache_dir=directory)
    assert len(trainings) == 1
    monkeypatch.setattr(classifier_module, "_RECIPE", -1)
    load_or_train_classifier(DATASET, settings=SETTINGS, cache_dir=directory)
    assert len(trainings) == 2


def flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda content: content[:-100], lambda content: b""],
    ids=["flipped bit", "cut", "empty"],
)
def test_damaged_file_is_reported_and_replaced(cached, real_classifier, damage, caplog):
    directory, trainings = cached
    file = only_file(directory)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))

    with caplog.at_level(logging.WARNING, logger="absl"):
        loaded = load_or_train_classifier(
            DATASET, settings=SETTINGS, cache_dir=directory
        )

    assert len(trainings) == 1
    assert f"{file}: damaged, its checksum is wrong" in caplog.text
    assert_equal_variables(loaded, real_classifier)
    assert only_file(directory).read_bytes() == whole


def test_file_of_another_network_is_reported_and_replaced(
    cached, real_classifier, caplog
):
    directory, trainings = cached
    file = only_file(directory)
    other = jax.tree.map(lambda leaf: leaf[..., :-1], real_classifier.variables)
    classifier_module._write_variables(file, other)

    with caplog.at_level(logging.WARNING, logger="absl"):
        load_or_train_classifier(DATASET, settings=SETTINGS, cache_dir=directory)

    assert len(trainings) == 1
    assert "its variables are not those of LeNet" in caplog.text


def test_default_cache_is_in_the_users_cache_directory(
    tmp_path, monkeypatch, real_classifier
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_or_train_classifier(DATASET, settings=SETTINGS)
    assert only_file(tmp_path / "gan_jax").stat().st_size > 0

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load_or_train_classifier(DATASET, settings=SETTINGS)
    assert only_file(tmp_path / "home" / ".cache" / "gan_jax").stat().st_size > 0


def test_failed_write_leaves_nothing_behind(tmp_path, real_classifier, monkeypatch):
    def no_replace(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(classifier_module.os, "replace", no_replace)
    with pytest.raises(OSError, match="disk full"):
        classifier_module._write_variables(tmp_path / "file", real_classifier.variables)

    assert list(tmp_path.iterdir()) == []


def texture_images(num_images, seed):
    """Noise and stripes: lying, standing, of both or of neither, by the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(NUM_CLASSES, size=num_images)
    images = random.integers(150, size=(num_images, 16, 16, 3))
    for image, label in zip(images, labels, strict=True):
        if label % 2:
            image[::2] += 50
        if label // 2:
            image[:, ::2] += 50
    return images.astype(np.uint8), labels


TEXTURES, TEXTURE_LABELS = texture_images(256, seed=0)
RESNET_SETTINGS = dataclasses.replace(
    RECIPES["resnet"], num_epochs=1, min_steps=48, batch_size=32
)


def train_resnet():
    return train(TEXTURES, TEXTURE_LABELS, RESNET_SETTINGS)


@pytest.fixture(scope="module")
def resnet():
    return train_resnet()


def test_every_network_has_a_recipe():
    assert {name: recipe.name for name, recipe in RECIPES.items()} == {
        name: name for name in CLASSIFIERS
    }


@pytest.mark.slow
def test_resnet_learns_shifted_and_flipped_images(resnet):
    assert RESNET_SETTINGS.flip and RESNET_SETTINGS.max_shift == 2
    images, labels = texture_images(200, seed=1)

    assert resnet.accuracy(images, labels) > 0.95


@pytest.mark.slow
def test_resnet_training_is_repeated_exactly(resnet):
    assert_equal_variables(train_resnet(), resnet)


@pytest.mark.slow
def test_resnet_judges_by_its_moving_statistics(resnet):
    images = TEXTURES[:6]
    variables = resnet.variables

    def apply(variables):
        # An image and its mirror image have equal logits.
        logits, mirrored = (
            np.asarray(resnet.network.apply(variables, seen, train=False))
            for seen in (images, images[:, :, ::-1])
        )
        return (logits + mirrored) / 2

    np.testing.assert_allclose(
        resnet.logits(images), resnet.logits(images[:, :, ::-1]), atol=1e-5
    )
    # All batch norms have seen the data, and what they have seen counts.
    assert len(variables["batch_stats"]) == 6
    for statistics in variables["batch_stats"].values():
        assert np.all(statistics["mean"] != 0) and np.all(statistics["var"] != 1)
    np.testing.assert_allclose(resnet.logits(images), apply(variables), atol=1e-5)
    fresh = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
    changed = apply({**variables, "batch_stats": fresh})
    assert np.abs(changed - apply(variables)).max() > 0.1
    # An image's logits are the same alone.
    np.testing.assert_allclose(
        resnet.logits(images)[3], resnet.logits(images[3:4])[0], atol=1e-5
    )


@pytest.mark.slow
def test_resnet_cache_holds_the_moving_statistics(resnet, tmp_path, monkeypatch):
    dataset = TinyDataset(TEXTURES, TEXTURE_LABELS)
    monkeypatch.setattr(classifier_module, "train_classifier", lambda *a, **k: resnet)
    load_or_train_classifier(dataset, settings=RESNET_SETTINGS, cache_dir=tmp_path)
    monkeypatch.setattr(classifier_module, "train_classifier", None)

    loaded = load_or_train_classifier(
        dataset, settings=RESNET_SETTINGS, cache_dir=tmp_path
    )

    assert set(loaded.variables) == {"params", "batch_stats", "whitening"}
    assert_equal_variables(loaded, resnet)
    np.testing.assert_array_equal(loaded.logits(TEXTURES), resnet.logits(TEXTURES))


def test_augmentation_is_as_the_settings_say():
    key = jax.random.key(0)
    shift_key, flip_key = jax.random.split(key)

    def augmented(**settings):
        return classifier_module._augment(TEXTURES, key, ClassifierSettings(**settings))

    shifted = random_shifts(TEXTURES, shift_key, 3)
    np.testing.assert_array_equal(augmented(), TEXTURES)
    np.testing.assert_array_equal(augmented(max_shift=3), shifted)
    np.testing.assert_array_equal(
        augmented(flip=True), random_flips(TEXTURES, flip_key)
    )
    np.testing.assert_array_equal(
        augmented(flip=True, max_shift=3), random_flips(shifted, flip_key)
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_cross_entropy_by_hand(label_smoothing):
    # Probabilities 1/4 and 3/4; targets 0.1 and 0.9 where smoothed.
    losses = classifier_module._cross_entropy(
        jnp.log(jnp.array([[1.0, 3.0], [5.0, 15.0]])),
        jnp.array([1, 0]),
        label_smoothing,
    )

    part = label_smoothing / 2
    expected = [
        -(1 - part) * np.log(0.75) - part * np.log(0.25),
        -(1 - part) * np.log(0.25) - part * np.log(0.75),
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_weight_decay_is_decoupled():
    settings = dataclasses.replace(SETTINGS, learning_rate=0.5, weight_decay=0.1)
    optimizer = classifier_module._optimizer(settings, num_steps=10)
    params = jnp.array([2.0, -4.0])

    updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(params), params)

    # Without a gradient: minus the first rate, a tenth of the peak, times 0.1.
    np.testing.assert_allclose(updates, [-0.01, 0.02], rtol=1e-6)


def test_what_it_is_initialised_with_is_not_the_beginning_of_the_file(monkeypatch):
    """Whitening by images of all classes, also where these are sorted."""
    rows = np.argsort(TRAIN_LABELS, kind="stable")
    images = TRAIN_IMAGES[rows]
    seen = []
    init = classifier_module._init_variables

    def keep(network, key, images):
        seen.append(np.asarray(images))
        return init(network, key, images)

    monkeypatch.setattr(classifier_module, "_init_variables", keep)
    monkeypatch.setattr(classifier_module, "_INIT_IMAGES", 40)
    train(images, TRAIN_LABELS[rows], dataclasses.replace(SETTINGS, num_epochs=1))

    (first,) = seen
    labels = [
        TRAIN_LABELS[rows][np.flatnonzero((images == image).all(axis=(1, 2, 3)))[0]]
        for image in first
    ]
    assert len(first) == 40
    assert np.bincount(labels, minlength=4).min() >= 4


def test_a_cache_that_cannot_be_written_costs_a_warning_alone(
    tmp_path, monkeypatch, real_classifier
):
    """Told before the training, and not trained twice by this process."""
    (tmp_path / "file").write_text("in the way")
    told = []
    trainings = []
    train_it = classifier_module.train_classifier

    def train_and_count(*args, **kwargs):
        trainings.append(list(told))
        return train_it(*args, **kwargs)

    monkeypatch.setattr(classifier_module, "train_classifier", train_and_count)
    monkeypatch.setattr(
        classifier_module.logging,
        "warning",
        lambda text, *values: told.append(text % values),
    )

    found = load_or_train_classifier(
        DATASET, settings=SETTINGS, cache_dir=tmp_path / "file"
    )
    again = load_or_train_classifier(
        DATASET, settings=SETTINGS, cache_dir=tmp_path / "file"
    )

    assert_equal_variables(found, real_classifier)
    assert again is found
    (before,) = trainings
    assert before == told  # nothing is left to tell afterwards
    assert all(line.startswith(f"{tmp_path / 'file'}/classifier-") for line in told)
    assert "cannot be written (File exists)" in told[-1]


def test_a_disk_that_fills_up_loses_no_training(tmp_path, monkeypatch, real_classifier):
    def full(file, variables):
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(classifier_module, "_write_variables", full)

    with pytest.MonkeyPatch.context() as patch:
        told = []
        patch.setattr(
            classifier_module.logging,
            "warning",
            lambda text, *values: told.append(text % values),
        )
        found = load_or_train_classifier(DATASET, settings=SETTINGS, cache_dir=tmp_path)

    assert_equal_variables(found, real_classifier)
    assert len(told) == 1 and "(No space left on device)" in told[0]
