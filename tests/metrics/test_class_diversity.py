"""Mean distances within classes, against a loop; collapse is seen."""

import itertools

import numpy as np
import pytest

from gan_jax.metrics import class_diversity


def test_by_hand():
    features = np.array([[0.0, 0], [3, 4], [1, 1], [1, 1], [7, 7]])

    # 5 in class 0, 0 in class 1; class 2 has one image.
    assert class_diversity(features, [0, 0, 1, 1, 2]) == 2.5


def test_is_the_mean_over_pairs_of_each_class():
    random = np.random.default_rng(0)
    features, labels = random.normal(5, 2, (60, 7)), random.integers(0, 4, 60)
    means = [
        np.mean(
            [
                np.linalg.norm(a - b)
                for a, b in itertools.combinations(features[labels == label], 2)
            ]
        )
        for label in range(4)
    ]

    assert class_diversity(features, labels) == pytest.approx(np.mean(means), rel=1e-5)
    order = random.permutation(60)
    assert class_diversity(features[order], labels[order]) == pytest.approx(
        class_diversity(features, labels), rel=1e-6
    )


def test_a_class_of_copies_lowers_it():
    random = np.random.default_rng(1)
    features, labels = random.normal(size=(100, 5)), np.arange(100) % 2
    collapsed = features.copy()
    collapsed[labels == 1] = features[1]

    before, after = (class_diversity(each, labels) for each in (features, collapsed))

    assert after == pytest.approx(before / 2, rel=0.1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 0], "labels must be of 3 images"), ([0, 1, 2], "no class has two images")],
)
def test_what_has_no_diversity(labels, message):
    with pytest.raises(ValueError, match=message):
        class_diversity(np.eye(3), labels)
