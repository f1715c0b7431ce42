import jax
import numpy as np
import pytest

from gan_jax.metrics import kernel_distance
from gan_jax.metrics.kernel_distance import subset_rows


def draw(seed, shape, *, offset=0.0, scale=1.0):
    random = np.random.default_rng(seed)
    return (offset + scale * random.normal(size=shape)).astype(np.float32)


def by_loops(features_a, features_b):
    """Pair by pair, in float64."""

    def kernel(x, y):
        return (np.dot(x, y) / len(x) + 1) ** 3

    def mean_within(rows):
        values = [
            kernel(x, y)
            for i, x in enumerate(rows)
            for j, y in enumerate(rows)
            if i != j
        ]
        return np.mean(values)

    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    across = np.mean([kernel(x, y) for x in a for y in b])
    return mean_within(a) + mean_within(b) - 2 * across


def test_by_hand():
    # k(1, 2) = 27, k(3, 5) = 16^3, and across (4^3 + 6^3 + 7^3 + 11^3) / 4 = 488.5.
    a, b = np.float32([[1], [2]]), np.float32([[3], [5]])

    distance = kernel_distance(a, b, num_subsets=3, subset_size=2)

    assert distance == (27 + 4096 - 2 * 488.5, 0.0)


@pytest.mark.parametrize(
    ("num_features", "change"),
    [
        (1, {}),
        (5, {"offset": 1000.0}),
        (5, {"offset": 1000.0, "scale": 1e-2}),
        (5, {"scale": 1e-3}),
        (5, {"scale": 1e6}),
    ],
)
def test_agrees_with_loops(num_features, change):
    a = draw(0, (30, num_features), **change)
    b = draw(1, (30, num_features), **change) * np.float32(1.5)

    mean, std = kernel_distance(a, b, num_subsets=4, subset_size=30)

    assert mean == pytest.approx(by_loops(a, b), rel=1e-7)
    assert std < 1e-7 * abs(mean)


def test_duplicates():
    a = np.repeat(draw(0, (5, 4)), 6, axis=0)
    b = np.repeat(draw(1, (10, 4)), 3, axis=0)

    mean, _ = kernel_distance(a, b, num_subsets=1, subset_size=30)

    assert mean == pytest.approx(by_loops(a, b), rel=1e-8)


def test_subsets_are_random_rows_without_repetition():
    a, b = draw(0, (40, 3)), draw(1, (25, 3)) + 1
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(7), 6)
        rows = [subset_rows(key, 40, 25, 12) for key in keys]
    for rows_a, rows_b in rows:
        assert len(set(rows_a.tolist())) == len(set(rows_b.tolist())) == 12
    drawn_of_a, drawn_of_b = (np.unique(each) for each in zip(*rows, strict=True))
    assert drawn_of_a.max() > 30 and drawn_of_b.max() > 20
    expected = [by_loops(a[rows_a], b[rows_b]) for rows_a, rows_b in rows]

    mean, std = kernel_distance(a, b, num_subsets=6, subset_size=12, seed=7)

    assert mean == pytest.approx(np.mean(expected), rel=1e-8)
    assert std == pytest.approx(np.std(expected), rel=1e-8)
    assert std > 0


def test_equal_distributions_lie_around_0():
    a, b = draw(0, (4000, 8)), draw(1, (4000, 8))

    mean, std = kernel_distance(a, b, num_subsets=50, subset_size=100)
    apart, _ = kernel_distance(a, b + np.float32(0.5), num_subsets=50, subset_size=100)

    assert abs(mean) < 4 * std / np.sqrt(50)
    assert apart > 20 * abs(mean)


def test_is_reproducible_symmetric_and_blind_to_order():
    a, b = draw(0, (60, 4)), draw(1, (60, 4)) + 1

    def distance(a, b, seed=0):
        return kernel_distance(a, b, num_subsets=5, subset_size=20, seed=seed)

    assert distance(a, b) == distance(a, b)
    assert distance(a, b) != distance(a, b, seed=1)
    whole = kernel_distance(a, b, num_subsets=1, subset_size=60)[0]
    for others in ((b, a), (a[::-1], b)):
        other = kernel_distance(*others, num_subsets=1, subset_size=60)[0]
        assert other == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize(
    ("a", "b", "settings", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "features_a of 2 .* features_b of 3"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), {}, "features_b holds NaN"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {}, "number of images, 5, not 1000"),
        (np.zeros((5, 2)), np.zeros((4, 2)), {"subset_size": 5}, "images, 4, not 5"),
        (np.zeros((5, 2)), np.zeros((4, 2)), {"subset_size": 1}, "images, 4, not 1"),
        (
            np.zeros((5, 2)),
            np.zeros((4, 2)),
            {"num_subsets": 0},
            "num_subsets .* not 0",
        ),
    ],
)
def test_bad_input(a, b, settings, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(a, b, **settings)
