import numpy as np
import pytest

from gan_jax.metrics import class_frequency_distance


def logits_of(classes):
    return np.eye(3, dtype=np.float32)[classes]


def test_by_hand():
    # (1/2, 1/2, 0) and (1/4, 1/4, 1/2): half of the images would have to change.
    one, other = logits_of([0, 1]), logits_of([2, 0, 1, 2])

    assert class_frequency_distance(one, other) == 0.5
    assert class_frequency_distance(other, one) == 0.5


def test_equal_frequencies_and_disjoint_ones():
    assert class_frequency_distance(logits_of([0, 1, 0]), logits_of([1, 0, 0] * 5)) == 0
    apart = class_frequency_distance(logits_of([0, 0]), logits_of([1, 2, 1]))
    assert apart == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (np.zeros(3), np.zeros((2, 3)), "logits_a: logits must be"),
        (np.zeros((2, 3)), np.full((2, 3), np.nan), "logits_b: logits hold NaN"),
        (np.zeros((2, 3)), np.zeros((2, 4)), "logits_a of 3 .* logits_b of 4"),
    ],
)
def test_bad_input(one, other, message):
    with pytest.raises(ValueError, match=message):
        class_frequency_distance(one, other)
