import jax
import numpy as np
import pytest

from gan_jax.metrics import inception_score
from gan_jax.metrics.inception_score import split_inception_scores


def scores_by_loop(logits, num_splits):
    """The textbook formula, one split and one image at a time, in float64."""
    scores = []
    for split in np.array_split(np.asarray(logits, np.float64), num_splits):
        shifted = np.exp(split - split.max(axis=1, keepdims=True))
        p = shifted / shifted.sum(axis=1, keepdims=True)
        marginal = p.mean(axis=0)
        divergences = [np.sum(row * np.log(row / marginal)) for row in p]
        scores.append(np.exp(np.mean(divergences)))
    return np.array(scores)


def one_hot_logits(classes, num_classes=10, scale=1e4):
    return scale * np.eye(num_classes, dtype=np.float32)[np.asarray(classes)]


def test_constant_predictions_score_1():
    logits = np.tile(np.float32([0.3, -2.0, 5.0, 1.0]), (60, 1))
    mean, std = inception_score(logits, 6)

    assert mean == pytest.approx(1.0, abs=1e-5)
    assert std == pytest.approx(0.0, abs=1e-5)


def test_balanced_one_hot_scores_the_number_of_classes():
    mean, std = inception_score(one_hot_logits(np.arange(200) % 10), 5)

    assert mean == pytest.approx(10.0, rel=1e-5)
    assert std == pytest.approx(0.0, abs=1e-5)


def test_known_answer_of_two_images():
    logits = np.float32([[1, 2, 3], [-1, 5, 3.1]])
    mean, std = inception_score(logits, 1)

    assert mean == pytest.approx(1.24357, abs=1e-5)
    assert std == 0.0


def test_returns_python_floats():
    assert [type(value) for value in inception_score(np.eye(4), 2)] == [float, float]


def test_splits_are_in_order_with_population_std():
    # Splits: all of class 0 (score 1), classes 0 and 1 in equal parts (score 2).
    mean, std = inception_score(one_hot_logits([0, 0, 0, 0, 0, 1, 0, 1]), 2)

    assert mean == pytest.approx(1.5, rel=1e-5)
    assert std == pytest.approx(0.5, rel=1e-5)


def test_uneven_splits_by_hand():
    # 5 images in 2 splits: 3 of three classes (score 3), then 2 of one class (score 1).
    mean, std = inception_score(one_hot_logits([0, 1, 2, 4, 4]), 2)

    assert mean == pytest.approx(2.0, rel=1e-5)
    assert std == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("num_images", "num_splits"), [(500, 1), (500, 10), (1507, 10), (7, 7), (11, 4)]
)
def test_agrees_with_a_loop_in_float64(num_images, num_splits):
    random = np.random.default_rng(num_images)
    logits = random.normal(scale=4.0, size=(num_images, 10)).astype(np.float32)
    expected = scores_by_loop(logits, num_splits)

    mean, std = inception_score(logits, num_splits)

    np.testing.assert_allclose(
        split_inception_scores(logits, num_splits), expected, rtol=2e-5
    )
    assert mean == pytest.approx(expected.mean(), rel=2e-5)
    assert std == pytest.approx(expected.std(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("extreme", [1e4, 1e30, 3e38])
def test_extreme_logits_give_exact_scores(extreme):
    logits = np.full((8, 4), -extreme, np.float32)
    logits[np.arange(8), np.arange(8) % 4] = extreme

    mean, std = inception_score(logits, 2)

    assert mean == pytest.approx(4.0, rel=1e-5)
    assert std == pytest.approx(0.0, abs=1e-5)


def test_minus_infinity_is_a_class_of_probability_0():
    logits = np.float32([[0, -np.inf, -np.inf], [-np.inf, 0, -np.inf]])

    assert inception_score(logits, 1)[0] == pytest.approx(2.0, rel=1e-5)


def test_small_probabilities_do_not_underflow_in_the_marginal():
    # One image in 10,000 gives class 1 a probability of e^-87, near float32's smallest.
    logits = np.zeros((10_000, 2), np.float32)
    logits[:, 1] = -1e4
    logits[0, 1] = -87.0

    assert inception_score(logits, 1)[0] == pytest.approx(1.0, abs=1e-5)


def test_core_can_be_jitted():
    logits = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    jitted = jax.jit(lambda logits: split_inception_scores(logits, 4))

    np.testing.assert_allclose(jitted(logits), scores_by_loop(logits, 4), rtol=2e-5)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3), (3, 0)])
def test_refuses_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"logits must be \[images, classes\]"):
        inception_score(np.zeros(shape, np.float32), 1)


@pytest.mark.parametrize("num_splits", [-1, 0, 4])
def test_refuses_impossible_splits_naming_both_numbers(num_splits):
    with pytest.raises(ValueError, match=f"images, 3, not {num_splits}"):
        inception_score(np.zeros((3, 2), np.float32), num_splits)


def test_refuses_nan_naming_the_image():
    logits = np.zeros((6, 2), np.float32)
    logits[[2, 4], 1] = np.nan
    with pytest.raises(ValueError, match="NaN for 2 of 6 images, first for image 2"):
        inception_score(logits, 1)


@pytest.mark.parametrize("row", [[np.inf, 0.0], [-np.inf, -np.inf]])
def test_refuses_rows_without_a_distribution(row):
    with pytest.raises(ValueError, match="no distribution"):
        inception_score(np.float32([[0, 1], row]), 1)
