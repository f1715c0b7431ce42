"""Copies of training images are found, new images are not accused."""

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.metrics import METRICS, Samples, Scoring, authenticity, copying
from gan_jax.metrics._distances import nearest_distances


def test_copying_by_hand():
    # Pairs (d_g, d_t): 1 < 2, 1 < 3, 2 = 2, 2 < 3, 4 > 2, 4 > 3.
    value = copying(np.array([1.0, 2, 4]), np.array([3.0, 2]))
    assert value == pytest.approx((3 + 0.5) / 6, abs=1e-12)


@pytest.mark.parametrize(
    ("generated", "expected"), [([0, 0, 0], 1.0), ([9, 8], 0.0), ([3, 2, 1], 0.5)]
)
def test_copying_has_these_ends(generated, expected):
    assert copying(np.array(generated), np.array([1, 2, 3])) == expected


def test_copying_is_the_mean_over_all_pairs():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 9, 40) / 2, random.integers(0, 9, 30) / 2
    pairs = (a[:, None] < b) + (a[:, None] == b) / 2

    assert copying(a, b) == pytest.approx(pairs.mean(), abs=1e-12)
    assert copying(b, a) == pytest.approx(1 - pairs.mean(), abs=1e-12)


@pytest.mark.parametrize("bad", [np.array([]), np.zeros((2, 2)), np.array([np.nan])])
def test_copying_wants_lists(bad):
    with pytest.raises(ValueError, match="generated_distances must be a list"):
        copying(bad, np.ones(2))
    with pytest.raises(ValueError, match="test_distances must be a list"):
        copying(np.ones(2), bad)


def test_authenticity_by_hand():
    # Farther than the next training image: the second and the fourth.
    assert authenticity(np.array([1.0, 3, 2, 0.5]), np.array([2.0, 2, 2, 0])) == 0.5
    with pytest.raises(ValueError, match=r"of shapes \(2,\) and \(3,\)"):
        authenticity(np.ones(2), np.ones(3))


def _samples(*levels):
    """Images of 1 x 1 pixel with these bytes."""
    images = np.array(levels, np.uint8).reshape(-1, 1, 1, 1)
    return Samples(lambda: images, None, None, extract=_of_levels)


def _of_levels(images):
    """Features that are as far apart as the pixels."""
    return images.reshape(-1, 1).astype(np.float32) * np.float32([3, 4]) / 5


def _scored(name, generated, test=(100, 150, 240)):
    scoring = Scoring(
        generated=lambda run: _samples(*generated),
        real=_samples(*test),
        training=_samples(0, 10, 20, 200, 210),
        settings={},
        training_set=None,
        train_and_test=None,
        pool=None,
    )
    return METRICS[name].scores(name, scoring)


def test_scores_of_images():
    # Nearest training images of 12, 22 and 120: 10 (2 away), 20 (2), 200 (80); of the
    # test images: 20 (80), 200 (50), 210 (30). One pair is larger, one equal.
    score = _scored("copying", (12, 22, 120))["copying"]
    assert score == pytest.approx((6 + 0.5) / 9, abs=1e-12)
    # Likewise, without equal ones.
    assert _scored("feature_copying", (12, 22, 121))["feature_copying"] == 7 / 9
    # 10, 20 and 200 have others 10 away.
    scores = _scored("authenticity", (12, 22, 120))
    assert scores == {"authenticity": 1 / 3, "authenticity_real": {"mean": 1.0}}


def test_distances_to_the_nearest_are_those_of_all_pairs():
    random = np.random.default_rng(0)
    # Far from 0, where float32 would lose them.
    features = (1000 + random.normal(size=(45, 7))).astype(np.float32)
    references = (1000 + random.normal(size=(33, 7))).astype(np.float32)
    references[4] = features[11]

    found = nearest_distances(jnp.array(features), jnp.array(references), block_size=16)

    differences = features[:, None].astype(np.float64) - references
    expected = np.linalg.norm(differences, axis=2).min(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)
    assert expected[11] == 0


def test_copies_are_found():
    for name in ("copying", "feature_copying"):
        assert _scored(name, (0, 20, 210)) == {name: 1.0}
    assert _scored("authenticity", (0, 20, 210))["authenticity"] == 0.0
