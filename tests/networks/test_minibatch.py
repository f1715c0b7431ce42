import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.minibatch import MinibatchDiscrimination

BATCH, FEATURES, KERNELS, DIM = 6, 4, 3, 2
LAYER = MinibatchDiscrimination(num_kernels=KERNELS, kernel_dim=DIM)


def random_normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.fixture
def features():
    return random_normal(0, (BATCH, FEATURES))


@pytest.fixture
def kernel():
    return 0.3 * random_normal(1, (FEATURES, KERNELS, DIM))


@jax.jit
def apply(features, kernel):
    return LAYER.apply({"params": {"kernel": kernel}}, features)


def expected_closeness(features, kernel):
    """The paper's definition in loops, in float64."""
    features = np.asarray(features, np.float64)
    kernel = np.asarray(kernel, np.float64)
    closeness = np.zeros((len(features), kernel.shape[1]))
    for i in range(len(features)):
        for j in range(len(features)):
            for k in range(kernel.shape[1]):
                distance = np.abs((features[i] - features[j]) @ kernel[:, k]).sum()
                closeness[i, k] += np.exp(-distance)
    return closeness


def test_appends_the_sum_over_the_batch_of_exponential_distances(features, kernel):
    outputs = apply(features, kernel)

    np.testing.assert_array_equal(outputs[:, :FEATURES], features)
    expected = expected_closeness(features, kernel)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(outputs[:, FEATURES:], expected, rtol=1e-5)


def test_examples_may_stand_in_any_order(features, kernel):
    order = jnp.array([4, 2, 0, 5, 1, 3])

    np.testing.assert_allclose(
        apply(features[order], kernel), apply(features, kernel)[order], rtol=1e-6
    )


def test_equal_examples_count_the_whole_batch(features, kernel):
    equal = jnp.broadcast_to(features[:1], features.shape)

    np.testing.assert_array_equal(apply(equal, kernel)[:, FEATURES:], BATCH)


def test_an_example_far_from_all_others_counts_itself(features, kernel):
    far_apart = 1e4 * features

    np.testing.assert_array_equal(apply(far_apart, kernel)[:, FEATURES:], 1)
    np.testing.assert_array_equal(apply(features[:1], kernel)[:, FEATURES:], 1)


def test_gradients_equal_finite_differences(features, kernel):
    weights = np.random.default_rng(0).normal(size=(BATCH, FEATURES + KERNELS))

    def loss(features, kernel):
        return jnp.sum(apply(features, kernel) * jnp.asarray(weights, jnp.float32))

    def expected_loss(features, kernel):
        outputs = [features, expected_closeness(features, kernel)]
        return np.sum(np.concatenate(outputs, axis=1) * weights)

    gradients = jax.grad(loss, (0, 1))(features, kernel)

    step = 1e-6
    arrays = [np.asarray(features, np.float64), np.asarray(kernel, np.float64)]
    for which, gradient in enumerate(gradients):
        expected = np.empty(gradient.shape)
        for index in np.ndindex(gradient.shape):
            losses = []
            for sign in (1, -1):
                moved = [array.copy() for array in arrays]
                moved[which][index] += sign * step
                losses.append(expected_loss(*moved))
            expected[index] = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("num_features", "kernel_dim"), [(50, 5), (800, 2)])
def test_distances_start_near_the_features_own(num_features, kernel_dim):
    layer = MinibatchDiscrimination(num_kernels=300, kernel_dim=kernel_dim)
    features = jnp.stack([jnp.zeros(num_features), jnp.ones(num_features)])
    variables = layer.init(jax.random.key(0), features)

    kernel = np.asarray(variables["params"]["kernel"], np.float64)

    # Of a standard normal number the absolute value has the mean sqrt(2 / pi).
    distances = np.abs(kernel.sum(axis=0)).sum(axis=1)
    assert abs(distances.mean() - np.sqrt(2 / np.pi)) < 0.08
    closeness = layer.apply(variables, features)[:, num_features:]
    expected = np.stack([1 + np.exp(-distances)] * 2)
    np.testing.assert_allclose(closeness, expected, rtol=1e-4)
