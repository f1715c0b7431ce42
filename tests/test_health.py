"""Each rule has a planted case that sets it off; healthy runs are silent."""

import numpy as np
import pytest

from gan_jax.data import load_dataset
from gan_jax.health import unhealthy_images, unhealthy_log

STEPS = np.arange(100, 4100, 100)
NOISE = 0.05 * np.sin(np.arange(len(STEPS)))


def _log(**columns):
    """A healthy run's rows, with some columns changed."""
    healthy = {
        "discriminator_loss": 1.2 + NOISE,
        "generator_loss": 1.1 + NOISE,
        "real_accuracy": 0.7 + NOISE,
        "fake_accuracy": 0.8 + NOISE,
    } | columns
    return [
        {"step": int(step)} | {name: float(c[row]) for name, c in healthy.items()}
        for row, step in enumerate(STEPS)
    ]


def _constant(value):
    return np.full(len(STEPS), value)


def test_a_healthy_log_is_silent():
    assert unhealthy_log(_log()) == []


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (
            {"real_accuracy": _constant(0.995), "fake_accuracy": _constant(1.0)},
            "right on 99 % and more of real and of generated images since step 3,100",
        ),
        ({"fake_accuracy": _constant(0.002)}, "taken every generated image for real"),
        (
            {
                "generator_loss": np.linspace(1, 30, len(STEPS)),
                "fake_accuracy": _constant(0.97),
            },
            "the generator's loss keeps rising, to 26",
        ),
        ({"discriminator_loss": _constant(4e-4)}, "loss has been 0.000 since step"),
        (
            {"generator_loss": np.where(STEPS == 700, np.nan, 1.0)},
            "generator_loss is not finite at step 700",
        ),
    ],
)
def test_a_sick_log_is_told_in_one_line(columns, line):
    (told,) = unhealthy_log(_log(**columns))

    assert line in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "columns",
    [
        # A discriminator that was perfect for a while and is no more.
        {
            "real_accuracy": np.where(STEPS < 2500, 1.0, 0.8),
            "fake_accuracy": np.where(STEPS < 2500, 1.0, 0.8),
        },
        # A loss that rises, as quality does, but is no sign of defeat.
        {"generator_loss": np.linspace(1, 3, len(STEPS))},
        # It fell and is back: no trend.
        {"generator_loss": np.r_[np.full(20, 9.0), np.full(20, 8.0)]},
    ],
)
def test_what_may_be_well_is_not_told(columns):
    assert unhealthy_log(_log(**columns)) == []


def test_a_critics_accuracies_mean_nothing():
    rows = _log(real_accuracy=_constant(1.0), fake_accuracy=_constant(0.0))

    assert unhealthy_log(rows, is_critic=True) == []
    assert len(unhealthy_log(rows)) == 1


def test_a_short_log_says_nothing():
    assert unhealthy_log(_log(discriminator_loss=_constant(0.0))[:7]) == []


@pytest.fixture(scope="module")
def digits():
    return load_dataset(name="mnist", source="embedded")


def _told(images, labels, digits):
    return unhealthy_images(
        images,
        labels,
        training_images=digits.train_images,
        training_labels=digits.train_labels,
        test_images=digits.test_images,
    )


def test_real_images_that_are_new_are_healthy(digits):
    assert _told(digits.test_images[:1000], digits.test_labels[:1000], digits) == []
    assert _told(digits.test_images[:1000], None, digits) == []


def test_images_sorted_by_class_are_as_healthy(digits):
    """The rules take a part of the images, which is not to be one class."""
    order = np.argsort(digits.train_labels, kind="stable")
    test_order = np.argsort(digits.test_labels, kind="stable")
    same = np.argsort(digits.test_labels[:1000], kind="stable")

    lines = unhealthy_images(
        digits.test_images[:1000][same],
        None,
        training_images=digits.train_images[order][::-1],
        training_labels=digits.train_labels[order][::-1],
        test_images=digits.test_images[test_order][::-1],
    )

    assert lines == []


def test_variety_is_measured_over_all_classes(digits):
    """Ones alone: alike beside all training images, not beside training ones."""
    images = digits.test_images[digits.test_labels == 1]
    images = np.repeat(images[:20], 10, axis=0)
    order = np.argsort(digits.train_labels != 1, kind="stable")

    lines = unhealthy_images(
        images,
        None,
        training_images=digits.train_images[order],
        training_labels=digits.train_labels[order],
        test_images=digits.test_images,
    )

    assert any("nearly alike" in line for line in lines)


def test_training_images_are_memorised(digits):
    lines = _told(digits.train_images[:300], digits.train_labels[:300], digits)

    assert len(lines) == 1
    assert "nearer to training images (0.00 in the median)" in lines[0]


def test_black_images_are_told(digits):
    images = digits.test_images[:1000].copy()
    images[:50] = 3

    (line,) = _told(images, digits.test_labels[:1000], digits)

    assert line.startswith("5% of the generated images are blank")


@pytest.mark.parametrize("copies", [0, 30])
def test_blank_images_are_no_copies(digits, copies):
    """Even if one training image is blank, to which all of them are near."""
    training_images = digits.train_images.copy()
    training_images[0] = 0
    images = np.zeros((300, 28, 28, 1), np.uint8)
    images[:copies] = training_images[1:][:copies]

    lines = unhealthy_images(
        images,
        None,
        training_images=training_images,
        training_labels=digits.train_labels,
        test_images=digits.test_images,
    )

    assert lines[0].startswith(f"{1 - copies / 300:.0%} of the generated images are bl")
    assert ("may be copies" in "".join(lines)) == (copies > 0)


def test_saturated_images_are_told(digits):
    images = np.where(digits.test_images[:1000] > 127, 255, 0).astype(np.uint8)

    (line,) = _told(images, digits.test_labels[:1000], digits)

    assert line.startswith("100% of the generated pixels are 0 or 255")


def test_a_class_of_one_image_has_collapsed(digits):
    images, labels = digits.test_images[:1000].copy(), digits.test_labels[:1000]
    seven = np.flatnonzero(labels == 7)
    noise = np.random.default_rng(0).integers(0, 9, images[seven].shape)
    images[seven] = np.minimum(images[seven[0]].astype(int) + noise, 255)

    lines = _told(images, labels, digits)

    assert len(lines) == 1
    assert lines[0].startswith("generated images of class 7 are nearly alike")


def test_an_unconditional_generator_of_one_motif_has_collapsed(digits):
    images = np.repeat(digits.test_images[:1], 200, axis=0)
    images[:, :2] += np.arange(200, dtype=np.uint8)[:, None, None, None]

    lines = _told(images, None, digits)

    assert any(line.startswith("generated images are nearly alike") for line in lines)
