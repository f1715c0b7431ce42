import numpy as np
import pytest

from gan_jax.metrics import accuracy, confusion_matrix


def test_counts_by_hand():
    # Seen: 0, 2, 1, 1 (the first of equal ones), 2.
    logits = np.float32([[3, 1, 2], [0, -1, 5], [0, 9, 1], [1, 2, 2], [0, 0, 1]])
    labels = np.array([0, 0, 1, 2, 2])

    matrix = confusion_matrix(logits, labels)

    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 1, 0], [0, 1, 1]])
    assert np.trace(matrix) / matrix.sum() == accuracy(logits, labels)


def test_a_class_that_nobody_asks_for_has_a_row_of_zeros():
    matrix = confusion_matrix(np.eye(4)[[3, 3, 1]], np.array([1, 1, 1]))

    np.testing.assert_array_equal(
        matrix, [[0, 0, 0, 0], [0, 1, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.eye(3), [0, 1], "labels must be 3 integers"),
        (np.eye(3), [0, 1, 3], r"labels must be in \[0, 3\)"),
        (np.full((1, 3), np.nan), [0], "NaN for 1 of 1 images"),
    ],
)
def test_bad_input(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(logits, labels)
