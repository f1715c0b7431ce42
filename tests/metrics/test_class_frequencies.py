import numpy as np
import pytest

from gan_jax.metrics import class_frequencies


def test_fractions_by_hand_with_an_absent_class():
    logits = np.float32([[3, 1, 2, 0], [0, -1, -5, -7], [0, 0, 9, 1], [1, 2, 2, 0]])
    frequencies = class_frequencies(logits)

    assert isinstance(frequencies, np.ndarray)
    np.testing.assert_array_equal(frequencies, [0.5, 0.25, 0.25, 0.0])


def test_refuses_nan():
    with pytest.raises(ValueError, match="NaN for 1 of 2 images, first for image 1"):
        class_frequencies(np.float32([[0, 1], [np.nan, 0]]))
