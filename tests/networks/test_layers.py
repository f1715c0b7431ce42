import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.networks.layers import (
    Dropout,
    bernoulli_mask,
    max_pool_2x2,
    space_to_depth,
)


def batch_last(images):
    return images.transpose(3, 1, 2, 0)


@pytest.mark.parametrize("size", [(6, 4), (7, 5)])
def test_max_pool_equals_flax_max_pool(size):
    images = jax.random.normal(jax.random.key(2), (3, *size, 2))

    def pool(images):
        return batch_last(max_pool_2x2(batch_last(images)))

    def flax_pool(images):
        return nn.max_pool(images, (2, 2), strides=(2, 2))

    def sum_of_squares(pool):
        return lambda images: jnp.sum(pool(images) ** 2)

    np.testing.assert_array_equal(pool(images), flax_pool(images))
    np.testing.assert_array_equal(
        jax.grad(sum_of_squares(pool))(images),
        jax.grad(sum_of_squares(flax_pool))(images),
    )


def test_max_pool_shares_the_gradient_of_ties():
    # One square with three largest values, one with all four, and a column left out.
    images = jnp.array([[2.0, 2, 5, 5, 9], [2, 1, 5, 5, 9]])[None, :, :, None]

    weights = jnp.array([6.0, 8]).reshape(1, 1, 2, 1)
    gradient = jax.grad(lambda images: jnp.vdot(max_pool_2x2(images), weights))(images)

    third = 6.0 / 3
    expected = [[third, third, 2, 2, 0], [third, 0, 2, 2, 0]]
    np.testing.assert_allclose(gradient[0, :, :, 0], expected)


def test_space_to_depth_orders_row_column_channel():
    # Two channels of 2x4 pixels: 0 to 7 and 10 to 17.
    pixels = np.arange(8).reshape(2, 4)
    images = jnp.asarray(np.stack([pixels, pixels + 10])[..., None])

    squares = space_to_depth(images)

    assert squares.shape == (8, 1, 2, 1)
    np.testing.assert_array_equal(squares[:, 0, 0, 0], [0, 10, 1, 11, 4, 14, 5, 15])
    np.testing.assert_array_equal(squares[:, 0, 1, 0], [2, 12, 3, 13, 6, 16, 7, 17])


@pytest.mark.parametrize("size", [(6, 5), (7, 4)])
def test_space_to_depth_refuses_odd_sizes(size):
    with pytest.raises(ValueError, match=f"must be even, not {size[0]} and {size[1]}"):
        space_to_depth(jnp.zeros((1, *size, 2)))


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.25, 0.5, 0.7, 0.95, 1.0])
def test_mask_is_true_as_often_as_asked(probability):
    shape = (200, 1001)  # not a multiple of 32

    mask = np.asarray(bernoulli_mask(jax.random.key(0), probability, shape))

    assert mask.shape == shape and mask.dtype == bool
    deviation = math.sqrt(probability * (1 - probability) / mask.size)
    assert abs(mask.mean() - probability) <= 4 * deviation + 2**-17
    # Every one of the 32 places in a word alike.
    places = mask.reshape(-1)[: mask.size // 32 * 32].reshape(-1, 32).mean(axis=0)
    assert np.abs(places - probability).max() <= 5 * deviation * math.sqrt(32) + 2**-17


def test_mask_elements_are_independent():
    mask = np.asarray(bernoulli_mask(jax.random.key(1), 0.3, (1000, 320))) - 0.3
    neighbours = [np.mean(mask[:, :-lag] * mask[:, lag:]) for lag in (1, 2, 31, 32, 33)]

    assert np.abs(neighbours).max() < 5 * 0.3 * 0.7 / math.sqrt(1000 * 287)


@pytest.mark.slow
def test_dropout_scales_what_it_keeps_in_train_mode_only():
    inputs = jnp.arange(1.0, 641.0).reshape(20, 32)
    layer = Dropout(0.75)

    def outputs(train, seed):
        return layer.apply(
            {}, inputs, train=train, rngs={"dropout": jax.random.key(seed)}
        )

    np.testing.assert_array_equal(outputs(False, 0), inputs)
    dropped = np.asarray(outputs(True, 0))
    np.testing.assert_array_equal(dropped[dropped != 0], 4 * inputs[dropped != 0])
    assert abs(np.mean(dropped == 0) - 0.75) < 0.07
    np.testing.assert_array_equal(outputs(True, 0), dropped)
    assert np.any(outputs(True, 1) != dropped)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, inputs, train=True), inputs)
