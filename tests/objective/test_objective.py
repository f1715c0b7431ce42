"""Losses and their gradients against NumPy in float64 and central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_mlp import softplus

from gan_jax.objective.games import GAMES
from gan_jax.objective.smoothing import Targets, make_targets
from gan_jax.objective.terms import (
    class_loss,
    gradient_penalty,
    lazily,
    mode_seeking,
    r1_penalty,
)
from gan_jax.objective.view import View
from gan_jax.parallel import Devices
from gan_jax.types import Verdict

REAL = np.array([2.0, -1.0, 0.5, -3.0])
FAKE = np.array([-0.7, 1.5, 0.1, 4.0])
TARGETS = Targets(
    real=np.array([1.0, 0.85, 0.9, 0.0]), fake=np.array([0.0, 0.1, 0.2, 1.0])
)


def binary_cross_entropy(logits, targets):
    return np.mean(targets * softplus(-logits) + (1 - targets) * softplus(logits))


def cross_entropy(real, fake, targets):
    return binary_cross_entropy(real, targets.real) + binary_cross_entropy(
        fake, targets.fake
    )


def wasserstein(real, fake, targets):
    return -(np.mean(real) - np.mean(fake))


def hinge(real, fake, targets):
    return np.mean(np.maximum(0, 1 - real)) + np.mean(np.maximum(0, 1 + fake))


def least_squares(real, fake, targets):
    errors = np.concatenate([real - targets.real, fake - targets.fake])
    return np.mean(errors**2)  # twice the mean of each half, halved


DISCRIMINATOR_LOSSES = {
    "non_saturating": cross_entropy,
    "minimax": cross_entropy,
    "wasserstein": wasserstein,
    "hinge": hinge,
    "least_squares": least_squares,
}
GENERATOR_LOSSES = {
    "non_saturating": lambda fake: np.mean(softplus(-fake)),  # -log sigmoid
    "minimax": lambda fake: np.mean(-softplus(fake)),  # log(1 - sigmoid)
    "wasserstein": lambda fake: -np.mean(fake),
    "hinge": lambda fake: -np.mean(fake),
    "least_squares": lambda fake: np.mean((fake - 1) ** 2) / 2,
}
# Those whose generator looks at generated images alone.
NAMES = [name for name in GAMES if not GAMES[name].compares_real]


class Sides:
    """Both sides of a game as functions of logits."""

    def __init__(self, name):
        self.game = GAMES[name]

    def discriminator(self, real, fake, targets):
        class WithTargets(self.game):
            def targets(self, view):
                return targets

        return WithTargets().discriminator(view_of(real, fake))

    def generator(self, fake):
        return self.game().generator(view_of(None, fake))


def view_of(real, fake):
    return View(
        real=None,
        fake=None,
        latents=None,
        real_verdict=None if real is None else Verdict(real),
        fake_verdict=Verdict(fake),
        key=None,
        judge=None,
        devices=Devices(),
    )


def as_float32(*arrays):
    return [jnp.asarray(array, jnp.float32) for array in arrays]


def targets_as_float32():
    return Targets(*as_float32(*TARGETS))


def unsmoothed(size):
    return Targets(jnp.ones(size), jnp.zeros(size))


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
        ("hinge", 2.0, 0.0),
        ("least_squares", 0.5, 0.5),  # of 0, which is undecided for the others
    ],
)
def test_value_where_the_discriminator_is_undecided(name, discriminator, generator):
    loss = Sides(name)
    zeros = jnp.zeros(3)

    np.testing.assert_allclose(
        loss.discriminator(zeros, zeros, unsmoothed(3)), discriminator, rtol=1e-6
    )
    np.testing.assert_allclose(loss.generator(zeros), generator, rtol=1e-6)


def test_wasserstein_by_hand():
    loss = Sides("wasserstein")
    real, fake = as_float32([1.0, 3.0], [2.0, -4.0])

    assert loss.discriminator(real, fake, unsmoothed(2)) == -(2.0 - -1.0)
    assert loss.generator(fake) == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_discriminator_loss_and_gradient(name):
    reference = DISCRIMINATOR_LOSSES[name]
    loss = Sides(name).discriminator
    real, fake = as_float32(REAL, FAKE)

    value, (by_real, by_fake) = jax.value_and_grad(loss, argnums=(0, 1))(
        real, fake, targets_as_float32()
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

    value, gradient = jax.value_and_grad(Sides(name).generator)(*as_float32(FAKE))

    np.testing.assert_allclose(value, reference(FAKE), rtol=1e-6)
    np.testing.assert_allclose(gradient, central_difference(reference, FAKE), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_players_pull_in_opposite_directions(name):
    loss = Sides(name)
    # No loss is satisfied here: hinge at -1 and 1, least squares at 0 and 1.
    real, fake = as_float32([0.2, -0.7, 0.5, 0.9], [0.1, 0.3, 0.6, 0.9])

    by_real, by_fake = jax.grad(loss.discriminator, argnums=(0, 1))(
        real, fake, unsmoothed(4)
    )

    # Descent raises the logits of real images and lowers those of generated ones ...
    assert np.all(by_real < 0)
    assert np.all(by_fake > 0)
    # ... which the generator raises.
    assert np.all(jax.grad(loss.generator)(fake) < 0)


@pytest.mark.parametrize("name", ["non_saturating", "minimax"])
def test_smoothing_pulls_down_logits_beyond_the_target(name):
    # d/dl BCE(l, t) = sigmoid(l) - t; sigmoid(2) = 0.8808, sigmoid(1) = 0.7311.
    real, fake, smooth = as_float32([2.0, 1.0], [0.0, 0.0], [0.85, 0.85])
    targets = Targets(smooth, jnp.zeros(2))

    gradient = jax.grad(Sides(name).discriminator)(real, fake, targets)

    expected = np.array([0.8807971 - 0.85, 0.7310586 - 0.85]) / 2
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name):
    loss = Sides(name)
    extreme = jnp.array([1e4, -1e4])

    for function, arguments in (
        (
            loss.discriminator,
            (extreme, extreme, Targets(jnp.array([0.85, 1.0]), jnp.zeros(2))),
        ),
        (loss.generator, (extreme,)),
    ):
        value, gradient = jax.value_and_grad(function)(*arguments)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


def test_extreme_logits_by_hand():
    cross_entropy_loss = Sides("non_saturating").discriminator
    high, low, one = jnp.array([1e4]), jnp.array([-1e4]), unsmoothed(1)

    assert cross_entropy_loss(high, low, one) == 0.0
    assert cross_entropy_loss(low, high, one) == 2e4
    # Where the discriminator is sure, only the saturating loss gives no gradient.
    for name, slope in (("non_saturating", -1.0), ("minimax", 0.0)):
        assert jax.grad(Sides(name).generator)(low)[0] == slope


def test_relativistic_pairs_and_gradients():
    real, fake = as_float32(REAL, FAKE)
    game = GAMES["relativistic"]()

    def losses(real, fake):
        view = view_of(real, fake)
        return game.discriminator(view), game.generator(view)

    # Undecided: softplus(0) for both; then each image against its partner alone.
    np.testing.assert_allclose(losses(real, real), np.log([2, 2]), rtol=1e-6)
    differences = REAL - FAKE
    expected = [np.mean(softplus(-differences)), np.mean(softplus(differences))]
    np.testing.assert_allclose(losses(real, fake), expected, rtol=1e-6)
    # -sigmoid(-difference) / B for D, with respect to its real images.
    slopes = jax.grad(lambda real: losses(real, fake)[0])(real)
    np.testing.assert_allclose(slopes, -1 / (1 + np.exp(differences)) / 4, rtol=1e-5)
    slopes = jax.grad(lambda fake: losses(real, fake)[1])(fake)
    np.testing.assert_allclose(slopes, -1 / (1 + np.exp(-differences)) / 4, rtol=1e-5)
    # Of 2 > -0.7, -1 < 1.5, 0.5 > 0.1, -3 < 4 two pairs are right.
    assert [float(each) for each in game.accuracies(view_of(real, fake))] == [0.5, 0.5]
    extreme = losses(jnp.array([1e4, -1e4]), jnp.array([-1e4, 1e4]))
    np.testing.assert_array_equal(extreme, [1e4, 1e4])


def test_whose_classes_generated_images_have():
    assert GAMES["relativistic"]().fake_labels == "real"
    assert GAMES["hinge"]().fake_labels == "drawn"
    assert GAMES["hinge"](real_labels=True).fake_labels == "real"


def test_lazy_penalties_count_as_much_in_the_mean():
    calls = [
        float(lazily(4, jnp.int32(step), lambda: jnp.float32(3))) for step in range(8)
    ]

    assert calls == [12, 0, 0, 0, 12, 0, 0, 0]
    assert lazily(1, jnp.int32(3), lambda: 3) == 3


def test_targets_without_smoothing_are_one():
    targets = make_targets(jax.random.key(0), 5, kind="none", amount=0.3)

    np.testing.assert_array_equal(targets.real, np.ones(5, np.float32))
    np.testing.assert_array_equal(targets.fake, np.zeros(5, np.float32))


def test_fixed_targets_are_the_same_for_every_image():
    targets = make_targets(jax.random.key(0), 5, kind="fixed", amount=0.15)

    np.testing.assert_array_equal(targets.real, np.full(5, 0.85, np.float32))
    np.testing.assert_array_equal(targets.fake, np.zeros(5, np.float32))


def test_two_sided_targets_are_two_way_smoothing():
    # k = 2, e = 0.3: 1 becomes 1 - (k - 1) e / k and 0 becomes e / k.
    targets = make_targets(jax.random.key(0), 5, kind="two_sided", amount=0.3)

    np.testing.assert_allclose(targets.real, np.full(5, 0.85), rtol=1e-6)
    np.testing.assert_allclose(targets.fake, np.full(5, 0.15), rtol=1e-6)


def test_random_targets_are_uniform_and_drawn_for_every_image():
    targets, fake = make_targets(jax.random.key(0), 10_000, kind="random", amount=0.2)
    other, _ = make_targets(jax.random.key(1), 10_000, kind="random", amount=0.2)
    np.testing.assert_array_equal(fake, np.zeros(10_000, np.float32))

    assert targets.shape == (10_000,) and targets.dtype == jnp.float32
    assert len(np.unique(targets)) > 9_900
    assert not np.array_equal(targets, other)
    assert targets.min() >= 0.8 and targets.max() <= 1.0
    quantiles = np.quantile(targets, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(quantiles, [0.8, 0.85, 0.9, 0.95, 1.0], atol=5e-3)


@pytest.mark.parametrize("kind", ["none", "fixed", "random", "two_sided"])
def test_smoothing_by_nothing_is_none(kind):
    targets = make_targets(jax.random.key(0), 5, kind=kind, amount=0.0)

    np.testing.assert_array_equal(targets.real, np.ones(5, np.float32))
    np.testing.assert_array_equal(targets.fake, np.zeros(5, np.float32))


def test_unknown_smoothing_lists_the_known():
    with pytest.raises(ValueError, match="'soft'.*none.*fixed.*random"):
        make_targets(jax.random.key(0), 5, kind="soft", amount=0.1)


@pytest.mark.parametrize("amount", [-0.01, 1.01, float("nan")])
def test_smoothing_amount_out_of_range(amount):
    with pytest.raises(ValueError, match="outside"):
        make_targets(jax.random.key(0), 5, kind="fixed", amount=amount)


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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_loss_and_gradient(smoothing):
    logits = np.array([[1.0, -0.5, 2.0, 0.3], [0.1, 0.2, -3.0, 0.0]])
    labels = np.array([2, 0])
    # k = 4, e = 0.2: 1 becomes 1 - 3 * 0.05, 0 becomes 0.05.
    targets = np.full((2, 4), smoothing / 4)
    targets[[0, 1], labels] = 1 - 3 * smoothing / 4

    def expected(flat):
        rows = flat.reshape(2, 4)
        log_probabilities = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
        return -(targets * log_probabilities).sum(axis=1).mean()

    value, gradient = jax.value_and_grad(class_loss)(
        *as_float32(logits), jnp.asarray(labels), smoothing=smoothing
    )

    np.testing.assert_allclose(value, expected(logits.ravel()), rtol=1e-6)
    np.testing.assert_allclose(
        gradient.ravel(), central_difference(expected, logits.ravel()), atol=1e-6
    )


def test_penalty_of_a_linear_critic():
    # (|w| - 1)^2 wherever it is evaluated; |w|^2 = 14.25.
    weights = jnp.array([[1.0, -2.0], [0.5, 3.0]]).reshape(2, 2, 1)
    real, fake = jax.random.normal(jax.random.key(0), (2, 5, 2, 2, 1))

    def logits_of(inputs):
        return jnp.einsum("bhwc,hwc->b", inputs, weights)

    penalty = gradient_penalty(logits_of, real, fake, jnp.linspace(0, 1, 5))

    np.testing.assert_allclose(penalty, (np.sqrt(14.25) - 1) ** 2, rtol=1e-5)


def test_penalty_has_the_norm_of_every_sample():
    # D(x) = |x|^2 / 2 has the gradient x: norms 5 and 0 (the ends are equal).
    images = jnp.array([[3.0, 4.0], [0.0, 0.0]]).reshape(2, 1, 2, 1)

    def logits_of(inputs):
        return jnp.sum(inputs**2, axis=(1, 2, 3)) / 2

    penalty, gradient = jax.value_and_grad(
        lambda scale: gradient_penalty(
            lambda inputs: scale * logits_of(inputs),
            images,
            images,
            jnp.array([0.25, 0.5]),
        )
    )(1.0)

    np.testing.assert_allclose(penalty, ((5 - 1) ** 2 + 1) / 2, rtol=1e-5)
    # d/ds of ((5 s - 1)^2 + 1) / 2 at 1: 20; nothing infinite at norm 0.
    np.testing.assert_allclose(gradient, 20.0, rtol=1e-5)


def test_penalty_is_between_the_two_images():
    # The gradient of D(x) = x^2 / 2 is x itself: 2, 3.5 and 4.
    real, fake = jnp.full((3, 1, 1, 1), 4.0), jnp.full((3, 1, 1, 1), 2.0)

    penalty = gradient_penalty(
        lambda inputs: jnp.sum(inputs**2, axis=(1, 2, 3)) / 2,
        real,
        fake,
        jnp.array([0.0, 0.75, 1.0]),
    )

    np.testing.assert_allclose(penalty, (1 + 2.5**2 + 9) / 3, rtol=1e-6)


def test_mode_seeking_is_the_inverse_of_how_far_images_move():
    images = jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    others = jnp.array([0.5, 0.0]).reshape(2, 1, 1, 1)
    latents = jnp.array([[1.0, 2.0], [0.0, 3.0]])

    loss = mode_seeking(images, others, latents, jnp.zeros((2, 2)))

    # Images move by 0.75, latents by 6 / 4, in the mean.
    np.testing.assert_allclose(loss, 1 / (0.75 / 1.5 + 1e-5), rtol=1e-6)
    # Images that do not move cost 1e5 and not infinitely much.
    np.testing.assert_allclose(
        mode_seeking(images, images, latents, jnp.zeros((2, 2))), 1e5, rtol=1e-5
    )
