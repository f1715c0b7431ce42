"""What generated images add to real ones: who learns from what, and in which order."""

import dataclasses

import jax
import numpy as np
import pytest

from gan_jax import augmentation_value as module
from gan_jax.augmentation_value import augmentation_value
from gan_jax.classifier import ClassifierSettings
from gan_jax.data import load_dataset

KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def digits():
    return load_dataset(name="mnist", source="embedded")


class _Recorder:
    """In place of the classifier: accuracy is what the test wants to see."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, labels, *, num_classes, settings):
        self.calls.append((images, labels, settings))
        return self

    def accuracy(self, images, labels):
        return len(self.calls) / 100


@pytest.fixture
def trained(monkeypatch):
    recorder = _Recorder()
    monkeypatch.setattr(module, "train_classifier", recorder)
    return recorder


def _generate(key, number):
    value = int(jax.random.randint(key, (), 0, 255))
    return np.full((number, 28, 28, 1), value, np.uint8), np.arange(number) % 10


def _value(digits, **changes):
    arguments = {"real_sizes": (20, 50), "generated_sizes": (0, 30), "num_runs": 2}
    return augmentation_value(
        digits,
        _generate,
        KEY,
        settings=ClassifierSettings(seed=5),
        **arguments | changes,
    )


def test_each_classifier_sees_its_images(digits, trained):
    accuracies = _value(digits)

    assert accuracies.shape == (2, 2, 2)
    # Runs outermost, then real sizes, then generated ones.
    np.testing.assert_allclose(accuracies * 100, [[[1, 5], [2, 6]], [[3, 7], [4, 8]]])
    assert [len(labels) for _, labels, _ in trained.calls] == [20, 50, 50, 80] * 2
    few, few_more, many, many_more = (images for images, _, _ in trained.calls[:4])
    # Of one order: the more hold the fewer; generated images come on top.
    np.testing.assert_array_equal(many[:20], few)
    np.testing.assert_array_equal(few_more[:20], few)
    np.testing.assert_array_equal(many_more[:50], many)
    assert len(np.unique(few_more[20:])) == 1
    np.testing.assert_array_equal(few_more[20:], many_more[50:])


def test_runs_differ_in_order_images_and_seed(digits, trained):
    _value(digits)

    first, second = trained.calls[1], trained.calls[5]
    assert (first[0][:20] != second[0][:20]).any()
    assert first[0][-1].max() != second[0][-1].max()
    assert [call[2].seed for call in trained.calls] == [5] * 4 + [6] * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"real_sizes": (0, 5)}, "real_sizes must be from 1 to 10000"),
        ({"real_sizes": (20_000,)}, "real_sizes must be from 1 to 10000"),
        ({"generated_sizes": (-1,)}, "generated_sizes must be >= 0"),
        ({"num_runs": 0}, "num_runs is 0"),
    ],
)
def test_impossible_sizes_are_refused(changes, message, digits, trained):
    with pytest.raises(ValueError, match=message):
        _value(digits, **changes)


@pytest.mark.slow
def test_good_images_help_and_wrong_ones_hurt(digits):
    settings = ClassifierSettings(min_steps=150, num_epochs=1)

    def held_out(labels):
        def generate(key, number):
            return digits.train_images[-number:], labels[-number:]

        return generate

    few = dataclasses.replace(
        digits,
        train_images=digits.train_images[:5000],
        train_labels=digits.train_labels[:5000],
    )

    def gain(labels):
        alone, with_more = augmentation_value(
            few,
            held_out(labels),
            KEY,
            real_sizes=(100,),
            generated_sizes=(0, 2000),
            num_runs=1,
            settings=settings,
        )[0, :, 0]
        return with_more - alone

    assert gain(digits.train_labels) > 0.05
    assert gain((digits.train_labels + 1) % 10) < -0.3
