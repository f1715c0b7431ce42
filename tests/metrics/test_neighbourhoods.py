"""Precision, recall, density and coverage: the scores of balls around points."""

import numpy as np
import pytest

from gan_jax.metrics import density_coverage, precision_recall
from gan_jax.metrics._balls import balls


def draw(seed, shape, *, offset=0.0, scale=1.0):
    random = np.random.default_rng(seed)
    return (offset + scale * random.normal(size=shape)).astype(np.float32)


def all_distances(a, b):
    """[N, M] in float64, by differences."""
    differences = np.float64(a)[:, None] - np.float64(b)[None]
    return np.sqrt((differences**2).sum(axis=2))


def radii(points, k):
    others = all_distances(points, points)
    np.fill_diagonal(others, np.inf)
    return np.sort(others, axis=1)[:, k - 1]


def scores_by_definition(real, fake, k):
    """(precision, recall, density, coverage)."""
    across = all_distances(real, fake)
    in_real_balls = across <= radii(real, k)[:, None]
    in_fake_balls = across <= radii(fake, k)[None]
    return (
        in_real_balls.any(axis=0).mean(),
        in_fake_balls.any(axis=1).mean(),
        in_real_balls.sum() / (k * len(fake)),
        in_real_balls.any(axis=1).mean(),
    )


def scores(real, fake, k, **settings):
    return (
        *precision_recall(real, fake, k, **settings),
        *density_coverage(real, fake, k, **settings),
    )


def test_by_hand():
    # Radii of real points 1, 1, 2, 7; of generated ones 4, 1, 1.
    real = np.float32([[0], [1], [3], [10]])
    fake = np.float32([[-1], [3.5], [4.5]])

    precision, recall = precision_recall(real, fake, 1)
    density, coverage = density_coverage(real, fake, 1)

    # -1 is in the ball of 0; 3.5 in those of 3 and 10; 4.5 too.
    assert precision == 1.0
    # The ball of -1 reaches to 3.5; no ball has 10.
    assert recall == 3 / 4
    assert density == pytest.approx(5 / 3)
    assert coverage == 3 / 4


def test_default_neighbours():
    real, fake = draw(0, (40, 3)), draw(1, (30, 3))

    assert precision_recall(real, fake) == precision_recall(real, fake, 3)
    assert density_coverage(real, fake) == density_coverage(real, fake, 5)


@pytest.mark.parametrize(
    ("shape_real", "shape_fake", "k", "change"),
    [
        ((300, 8), (513, 8), 3, {}),  # more than a block
        ((300, 8), (513, 8), 5, {"offset": 1000.0}),
        ((300, 8), (513, 8), 5, {"scale": 1e-15}),
        ((300, 8), (513, 8), 5, {"scale": 1e15}),
        ((9, 100), (20, 100), 8, {}),
    ],
)
def test_agrees_with_the_definition(shape_real, shape_fake, k, change):
    real, fake = draw(0, shape_real, **change), draw(1, shape_fake, **change)

    found = scores(real, fake, k, block_size=256)

    assert found == pytest.approx(scores_by_definition(real, fake, k), rel=1e-6)


def test_all_four_in_one_pass():
    """As evaluations ask for them, with another k for density and coverage."""
    real, fake = draw(0, (300, 8)), draw(1, (513, 8))

    found = balls(real, fake, k=3, count_k=5, block_size=100)

    precision, recall, *_ = scores_by_definition(real, fake, 3)
    *_, density, coverage = scores_by_definition(real, fake, 5)
    assert found.is_precise.mean() == pytest.approx(precision, rel=1e-6)
    assert found.is_recalled.mean() == pytest.approx(recall, rel=1e-6)
    assert found.num_balls.mean() / 5 == pytest.approx(density, rel=1e-6)
    assert found.is_covered.mean() == pytest.approx(coverage, rel=1e-6)


@pytest.mark.parametrize("offset", [0, 1000])
def test_distances_that_are_equal(offset):
    """Points of a grid: most distances are ties, many are 0."""
    random = np.random.default_rng(0)
    real, fake = (
        (offset + random.integers(0, 3, (number, 6))).astype(np.float32)
        for number in (150, 120)
    )

    for k in (1, 3, 5):
        expected = scores_by_definition(real, fake, k)
        assert scores(real, fake, k) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("copies", [4, 7])
def test_duplicates(copies, offset):
    """With more copies than neighbours the radius is 0, and equal points are in it."""
    once = draw(0, (50, 40), offset=offset)
    real = np.repeat(once, copies, axis=0)
    fake = np.concatenate([once[:20], draw(1, (30, 40), offset=offset)])

    expected = scores_by_definition(real, fake, 5)

    assert scores(real, fake, 5) == pytest.approx(expected, rel=1e-6)
    if copies > 5:
        assert expected[0] == 0.4 and expected[3] == 0.4


def test_low_rank_and_an_outlier():
    real = draw(0, (200, 2)) @ draw(1, (2, 50))
    fake = draw(2, (200, 2)) @ draw(1, (2, 50))
    fake[0] = 1e6

    found = scores(real, fake, 4)

    assert found == pytest.approx(scores_by_definition(real, fake, 4), rel=1e-6)


def test_equal_sets_reach_everything():
    for features in (draw(0, (60, 5)), np.zeros((60, 5), np.float32)):
        precision, recall, density, coverage = scores(features, features[::-1], 3)
        assert precision == recall == coverage == 1
        assert density >= 1


def test_sets_apart_reach_nothing():
    real = draw(0, (60, 5))

    assert scores(real, real + np.float32(1000), 3) == (0, 0, 0, 0)


@pytest.mark.slow
def test_are_blind_to_order_and_block_size():
    real, fake = draw(0, (150, 6)), draw(1, (120, 6))
    expected = scores(real, fake, 4)
    random = np.random.default_rng(2)

    assert scores(random.permutation(real), random.permutation(fake), 4) == expected
    for block_size in (1, 50):
        assert scores(real, fake, 4, block_size=block_size) == expected


def test_precision_and_recall_change_places_with_the_sets():
    real, fake = draw(0, (100, 6)), draw(1, (90, 6), scale=0.6)

    precision, recall = precision_recall(real, fake)

    assert precision > recall + 0.2
    assert precision_recall(fake, real) == (recall, precision)


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.zeros((9, 2)), np.zeros((9, 3)), 3, "real of 2 .* fake of 3"),
        (np.zeros((9, 2)), np.zeros((9,)), 3, "fake must be floats"),
        (np.zeros((9, 2)), np.zeros((0, 2)), 3, "fake must be floats.* none of them 0"),
        (np.full((9, 2), np.inf), np.zeros((9, 2)), 3, "real holds NaN or infinity"),
        (np.zeros((3, 2)), np.zeros((9, 2)), 3, "real must be of more than k = 3"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "k must be at least 1, not 0"),
    ],
)
def test_bad_input(function, real, fake, k, message):
    with pytest.raises(ValueError, match=message):
        function(real, fake, k)


def test_generated_points_need_neighbours_for_recall_alone():
    real, fake = draw(0, (9, 2)), draw(1, (3, 2))

    with pytest.raises(ValueError, match="fake must be of more than k = 3 .* not 3"):
        precision_recall(real, fake, 3)
    expected = scores_by_definition(real, draw(1, (3, 2)), 2)[2:]
    assert density_coverage(real, fake, 2) == pytest.approx(expected)
