"""Losses and their gradients against NumPy in float64 and central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_mlp import softplus

from gan_jax.losses import ADVERSARIAL_LOSSES, r1_penalty, real_targets

REAL = np.array([2.0, -1.0, 0.5, -3.0])
FAKE = np.array([-0.7, 1.5, 0.1, 4.0])
TARGETS = np.array([1.0, 0.85, 0.9, 0.0])


def cross_entropy(real, fake, targets):
    positive, negative = targets * softplus(-real), (1 - targets) * softplus(real)
    return np.mean(positive + negative) + np.mean(softplus(fake))


def wasserstein(real, fake, targets):
    return -(np.mean(real) - np.mean(fake))


DISCRIMINATOR_LOSSES = {
    "non_saturating": cross_entropy,
    "minimax": cross_entropy,
    "wasserstein": wasserstein,
}
GENERATOR_LOSSES = {
    "non_saturating": lambda fake: np.mean(softplus(-fake)),  # -log sigmoid
    "minimax": lambda fake: np.mean(-softplus(fake)),  # log(1 - sigmoid)
    "wasserstein": lambda fake: -np.mean(fake),
}
NAMES = list(ADVERSARIAL_LOSSES)


def as_float32(*arrays):
    return [jnp.asarray(array, jnp.float32) for array in arrays]


def central_difference(function, point, step=1e-5):
    shifts = step * np.eye(len(point))
    values = [(function(point + s) - function(point - s)) / (2 * step) for s in shifts]
    return np.array(values)


def test_every_loss_is_tested():
    assert set(NAMES) == set(DISCRIMINATOR_LOSSES) == set(GENERATOR_LOSSES)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        # Undecided logits: every cross-entropy is log 2.
        ("non_saturating", 2 * np.log(2), np.log(2)),
        ("minimax", 2 * np.log(2), -np.log(2)),
        ("wasserstein", 0.0, 0.0),
    ],
)
def test_value_where_the_discriminator_is_undecided(name, discriminator, generator):
    loss = ADVERSARIAL_LOSSES[name]
    zeros, ones = jnp.zeros(3), jnp.ones(3)

    np.testing.assert_allclose(
        loss.discriminator(zeros, zeros, ones), discriminator, rtol=1e-6
    )
    np.testing.assert_allclose(loss.generator(zeros), generator, rtol=1e-6)


def test_wasserstein_by_hand():
    loss = ADVERSARIAL_LOSSES["wasserstein"]
    real, fake, targets = as_float32([1.0, 3.0], [2.0, -4.0], [0.3, 0.3])

    assert loss.discriminator(real, fake, targets) == -(2.0 - -1.0)
    assert loss.generator(fake) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_discriminator_loss_and_gradient(name):
    reference = DISCRIMINATOR_LOSSES[name]
    loss = ADVERSARIAL_LOSSES[name].discriminator
    real, fake, targets = as_float32(REAL, FAKE, TARGETS)

    value, (by_real, by_fake) = jax.value_and_grad(loss, argnums=(0, 1))(
        real, fake, targets
    )

    np.testing.assert_allclose(value, reference(REAL, FAKE, TARGETS), rtol=1e-6)
    np.testing.assert_allclose(
        by_real,
        central_difference(lambda x: reference(x, FAKE, TARGETS), REAL),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        by_fake,
        central_difference(lambda x: reference(REAL, x, TARGETS), FAKE),
        atol=1e-6,
    )


@pytest.mark.parametrize("name", NAMES)
def test_generator_loss_and_gradient(name):
    reference = GENERATOR_LOSSES[name]

    value, gradient = jax.value_and_grad(ADVERSARIAL_LOSSES[name].generator)(
        *as_float32(FAKE)
    )

    np.testing.assert_allclose(value, reference(FAKE), rtol=1e-6)
    np.testing.assert_allclose(gradient, central_difference(reference, FAKE), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_players_pull_in_opposite_directions(name):
    loss = ADVERSARIAL_LOSSES[name]
    real, fake = as_float32(REAL, FAKE)

    by_real, by_fake = jax.grad(loss.discriminator, argnums=(0, 1))(
        real, fake, jnp.ones(4)
    )

    # Descent raises the logits of real images and lowers those of generated ones ...
    assert np.all(by_real < 0)
    assert np.all(by_fake > 0)
    # ... which the generator raises.
    assert np.all(jax.grad(loss.generator)(fake) < 0)


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
def test_smoothing_pulls_down_logits_beyond_the_target(name):
    # d/dl BCE(l, t) = sigmoid(l) - t; sigmoid(2) = 0.8808, sigmoid(1) = 0.7311.
    real, fake, targets = as_float32([2.0, 1.0], [0.0, 0.0], [0.85, 0.85])

    gradient = jax.grad(ADVERSARIAL_LOSSES[name].discriminator)(real, fake, targets)

    expected = np.array([0.8807971 - 0.85, 0.7310586 - 0.85]) / 2
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name):
    loss = ADVERSARIAL_LOSSES[name]
    extreme = jnp.array([1e4, -1e4])

    for function, arguments in (
        (loss.discriminator, (extreme, extreme, jnp.array([0.85, 1.0]))),
        (loss.generator, (extreme,)),
    ):
        value, gradient = jax.value_and_grad(function)(*arguments)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


def test_extreme_logits_by_hand():
    cross_entropy_loss = ADVERSARIAL_LOSSES["non_saturating"].discriminator
    high, low, one = jnp.array([1e4]), jnp.array([-1e4]), jnp.ones(1)

    assert cross_entropy_loss(high, low, one) == 0.0
    assert cross_entropy_loss(low, high, one) == 2e4
    # Where the discriminator is sure, only the saturating loss gives no gradient.
    for name, slope in (("non_saturating", -1.0), ("minimax", 0.0)):
        assert jax.grad(ADVERSARIAL_LOSSES[name].generator)(low)[0] == slope


def test_targets_without_smoothing_are_one():
    targets = real_targets(jax.random.key(0), 5, kind="none", amount=0.3)

    np.testing.assert_array_equal(targets, np.ones(5, np.float32))


def test_fixed_targets_are_the_same_for_every_image():
    targets = real_targets(jax.random.key(0), 5, kind="fixed", amount=0.15)

    np.testing.assert_array_equal(targets, np.full(5, 0.85, np.float32))


def test_random_targets_are_uniform_and_drawn_for_every_image():
    targets = real_targets(jax.random.key(0), 10_000, kind="random", amount=0.2)
    other = real_targets(jax.random.key(1), 10_000, kind="random", amount=0.2)

    assert targets.shape == (10_000,) and targets.dtype == jnp.float32
    assert len(np.unique(targets)) > 9_900
    assert not np.array_equal(targets, other)
    assert targets.min() >= 0.8 and targets.max() <= 1.0
    quantiles = np.quantile(targets, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(quantiles, [0.8, 0.85, 0.9, 0.95, 1.0], atol=5e-3)


@pytest.mark.parametrize("kind", ["none", "fixed", "random"])
def test_smoothing_by_nothing_is_none(kind):
    targets = real_targets(jax.random.key(0), 5, kind=kind, amount=0.0)

    np.testing.assert_array_equal(targets, np.ones(5, np.float32))


def test_unknown_smoothing_lists_the_known():
    with pytest.raises(ValueError, match="'soft'.*none.*fixed.*random"):
        real_targets(jax.random.key(0), 5, kind="soft", amount=0.1)


@pytest.mark.parametrize("amount", [-0.01, 1.01, float("nan")])
def test_smoothing_amount_out_of_range(amount):
    with pytest.raises(ValueError, match="outside"):
        real_targets(jax.random.key(0), 5, kind="fixed", amount=amount)


def test_r1_of_a_linear_discriminator_is_its_squared_norm():
    weights = jnp.array([[1.0, -2.0], [0.5, 3.0]]).reshape(2, 2, 1)
    images = jax.random.normal(jax.random.key(0), (5, 2, 2, 1))

    def logits_of(inputs):
        return jnp.einsum("bhwc,hwc->b", inputs, weights)

    np.testing.assert_allclose(r1_penalty(logits_of, images), 14.25, rtol=1e-6)


def test_r1_is_a_mean_over_images():
    # D(x) = |x|^2 has the gradient 2x: 4 * (1 + 4) and 4 * 9, the mean is 28.
    images = jnp.array([[1.0, 2.0], [3.0, 0.0]]).reshape(2, 1, 2, 1)

    penalty = r1_penalty(lambda inputs: jnp.sum(inputs**2, axis=(1, 2, 3)), images)

    np.testing.assert_allclose(penalty, 28.0, rtol=1e-6)
