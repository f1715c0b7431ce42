import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from gan_jax.metrics import class_frechet_distance, frechet_distance


def draw(seed, shape, *, offset=0.0, scale=1.0):
    """Correlated features, float32."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=shape) @ random.normal(size=(shape[1], shape[1]))
    return (offset + scale * mixed).astype(np.float32)


def by_sqrtm(features_a, features_b):
    """The textbook formula in float64, with the root of the product."""
    a, b = np.asarray(features_a, np.float64), np.asarray(features_b, np.float64)
    covariances = [
        np.cov(each, rowvar=False).reshape(a.shape[1], -1) for each in (a, b)
    ]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    means = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return means + traces - 2 * np.trace(np.real(root))


def test_by_hand():
    # Means 1 and 4; variances 2 and 8 / 3, whose roots differ by ...
    one, other = [[0], [2]], [[2], [4], [4], [6]]
    expected = (4 - 1) ** 2 + (np.sqrt(2) - np.sqrt(8 / 3)) ** 2

    assert frechet_distance(np.float32(one), np.float32(other)) == pytest.approx(
        expected
    )


def test_of_axis_aligned_features_by_hand():
    # Covariances diag(2, 8) and diag(8, 2); the covariance of x and y is 0 in both.
    one = np.float32([[2, 4], [2, -4], [-2, 4], [-2, -4], [0, 0]]) * np.sqrt(0.5)
    distance = frechet_distance(one, one[:, ::-1])

    assert distance == pytest.approx(2 * (np.sqrt(8) - np.sqrt(2)) ** 2, rel=1e-6)
    # Moved by (3, 4).
    moved = one[:, ::-1] + np.float32([[3, 4]])
    assert frechet_distance(one, moved) == pytest.approx(distance + 25, rel=1e-6)


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "change"),
    [
        ((300, 20), (300, 20), {}),
        ((2500, 7), (100, 7), {}),  # more than a block
        ((50, 1), (20, 1), {}),
        ((400, 20), (300, 20), {"offset": 1000.0}),
        ((400, 20), (300, 20), {"scale": 1e-12}),
        ((400, 20), (300, 20), {"scale": 1e12}),
    ],
)
def test_agrees_with_sqrtm(shape_a, shape_b, change):
    a = draw(0, shape_a, **change)
    b = draw(1, shape_b, **change)

    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-6)


@pytest.mark.parametrize(
    "of_both",
    [
        lambda a, b: (a[:12], b[:17]),  # fewer images than features
        lambda a, b: (a[:12], b),
        # Constant features, up to what sqrtm can take.
        lambda a, b: (a * (1e-6 + (np.arange(30) < 11))[None].astype(np.float32), b),
        lambda a, b: (np.repeat(a[:5], 60, axis=0), b),  # duplicates
        lambda a, b: (a @ a.T[:, :2] @ b[:2], b),
    ],
)
def test_agrees_with_sqrtm_where_covariances_are_singular(of_both):
    a, b = of_both(draw(0, (300, 30)), draw(1, (200, 30)))

    expected = by_sqrtm(a, b)

    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-3)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_singular_covariances_of_many_features():
    """N < F: the sets lie in subspaces at right angles, whose product is 0."""
    a, b = np.zeros((2, 40, 600), np.float32)
    a[:, :300], b[:, 300:] = draw(0, (40, 300)), draw(1, (40, 300))
    expected = np.square(a.mean(axis=0) - b.mean(axis=0)).sum(dtype=np.float64)
    expected += a.var(axis=0, ddof=1).sum() + b.var(axis=0, ddof=1).sum()

    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(300, 20), (10, 40), (2, 5)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_equal_features_are_at_no_distance(shape, offset):
    features = draw(0, shape, offset=offset)
    variance = features.var(axis=0).sum()

    assert 0 <= frechet_distance(features, features) < 1e-10 * variance
    assert 0 <= frechet_distance(features, features[::-1]) < 1e-10 * variance


def test_a_small_difference_is_not_lost():
    # (1.001 - 1)^2 of the variances, a millionth of these.
    features = draw(0, (500, 20))
    wider = (features - features.mean(axis=0)) * np.float32(1.001)
    wider = wider + features.mean(axis=0)

    expected = 1e-6 * features.var(axis=0, ddof=1).sum()
    assert frechet_distance(features, wider) == pytest.approx(expected, rel=1e-3)


def test_constant_features():
    ones = np.ones((4, 3), np.float32)

    assert frechet_distance(ones, ones) == 0
    assert frechet_distance(ones, 3 * ones) == pytest.approx(12)


def test_is_symmetric_and_blind_to_order_and_rotation():
    a, b = draw(0, (300, 20)), draw(1, (200, 20))
    random = np.random.default_rng(2)
    rotation, _ = np.linalg.qr(random.normal(size=(20, 20)))
    distance = frechet_distance(a, b)

    assert isinstance(distance, float)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-9)
    shuffled = frechet_distance(random.permutation(a), random.permutation(b))
    assert shuffled == pytest.approx(distance, rel=1e-9)
    rotated = frechet_distance(
        *((each @ rotation).astype(np.float32) for each in (a, b))
    )
    assert rotated == pytest.approx(distance, rel=1e-5)
    assert frechet_distance(jnp.asarray(a), jnp.asarray(b)) == distance


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros(3), np.zeros((3, 2)), r"features_a must be floats .* shape \(3,\)"),
        (np.zeros((3, 2)), np.zeros((0, 2)), r"features_b must be .* \(0, 2\)"),
        (np.zeros((3, 2), int), np.zeros((3, 2)), "features_a must be floats.* int"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "features_a of 2 .* features_b of 4"),
        (np.zeros((3, 2)), np.zeros((1, 2)), "features_b must be of 2 images or more"),
        (
            np.float32([[0], [np.nan], [np.inf]]),
            np.zeros((3, 1)),
            "features_a holds NaN or infinity for 2 of 3 images, first for image 1",
        ),
    ],
)
def test_bad_input(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


def test_within_classes_is_the_mean_over_classes():
    a, b = draw(0, (90, 6)), draw(1, (70, 6))
    labels_a, labels_b = np.arange(90) % 3, np.arange(70) % 3
    expected = [
        by_sqrtm(a[labels_a == label], b[labels_b == label]) for label in range(3)
    ]

    distance = class_frechet_distance(a, labels_a, b, labels_b)

    assert distance == pytest.approx(np.mean(expected), rel=1e-6)


def test_swapped_classes_are_seen_within_classes_alone():
    features = draw(0, (60, 4))
    features[::2] += 10
    labels = np.arange(60) % 2

    assert class_frechet_distance(features, labels, features, labels) < 1e-9
    assert class_frechet_distance(features, labels, features, 1 - labels) > 300


def test_classes_of_fewer_than_two_images_are_left_out():
    a, b = draw(0, (20, 3)), draw(1, (20, 3))
    labels_a = np.array([0] * 10 + [1] * 9 + [2])
    labels_b = np.array([0] * 10 + [2] * 9 + [4])

    distance = class_frechet_distance(a, labels_a, b, labels_b)

    assert distance == pytest.approx(frechet_distance(a[:10], b[:10]))


@pytest.mark.parametrize(
    ("labels_a", "labels_b", "message"),
    [
        ([0, 0], [0, 0, 0], "labels_a must be 3 integers.* int64 of shape"),
        ([0, 0, 0], [0.0, 0.0, 1.0], "labels_b must be 3 integers.* float64"),
        ([0, 0, 1], [1, 1, 2], "labels_a and labels_b share no class"),
    ],
)
def test_bad_labels(labels_a, labels_b, message):
    features = draw(0, (3, 2))
    with pytest.raises(ValueError, match=message):
        class_frechet_distance(features, labels_a, features, labels_b)
