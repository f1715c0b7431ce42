import numpy as np
import pytest

from gan_jax.metrics import accuracy

LOGITS = np.float32([[3, 1, 2], [0, -1, -5], [0, 0, 9], [1, 2, 2]])  # 0, 0, 2, 1


def test_counts_by_hand():
    assert accuracy(LOGITS, np.array([0, 0, 2, 1])) == 1.0
    assert accuracy(LOGITS, np.array([0, 1, 2, 1])) == 0.75
    assert accuracy(LOGITS, np.array([1, 1, 0, 2], np.uint8)) == 0.0


def test_is_an_exact_python_float():
    logits = np.eye(3, dtype=np.float32)
    value = accuracy(logits, np.array([0, 1, 0]))

    assert type(value) is float
    assert value == 2 / 3


@pytest.mark.parametrize(
    "labels", [np.zeros(3, int), np.zeros((4, 3), int), np.zeros(4)]
)
def test_refuses_labels_that_are_not_one_integer_per_image(labels):
    with pytest.raises(ValueError, match="labels must be 4 integers"):
        accuracy(LOGITS, labels)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_refuses_labels_out_of_range(wrong):
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\)"):
        accuracy(LOGITS, np.array([0, 1, 2, wrong]))


def test_refuses_nan_and_wrong_rank():
    with pytest.raises(ValueError, match="NaN for 1 of 1 images"):
        accuracy(np.float32([[np.nan, 0]]), np.array([0]))
    with pytest.raises(ValueError, match="logits must be"):
        accuracy(np.zeros(4, np.float32), np.zeros(4, int))
