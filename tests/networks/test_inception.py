"""Inception-v3's parts against NumPy; test_features holds the whole to another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.inception import (
    ConvNorm,
    Fork,
    Layer,
    Mixed,
    average_pool,
    halve,
    max_pool,
    prepared,
    resize,
)

RANDOM = np.random.default_rng(0)
MAPS = RANDOM.normal(size=(2, 6, 7, 3)).astype(np.float32)


def variables_of(module):
    """Drawn, with variances above 0."""
    template = jax.eval_shape(module.init, jax.random.key(0), MAPS)
    return jax.tree.map(lambda leaf: 0.5 + RANDOM.random(leaf.shape), template)


def numpy_conv_norm(maps, variables, stride, is_padded):
    """Convolution by windows, batch norm with epsilon 0.001, ReLU; in float64."""
    params, statistics = variables["params"], variables["batch_stats"]["bn"]
    kernel = np.float64(params["conv"]["kernel"])
    sizes = kernel.shape[:2]
    edges = [(size // 2 * is_padded,) * 2 for size in sizes]
    padded = np.pad(np.float64(maps), [(0, 0), *edges, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, sizes, axis=(1, 2))
    outputs = np.einsum("bhwcij,ijco->bhwo", windows, kernel)[:, ::stride, ::stride]
    outputs = (outputs - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-3)
    return np.maximum(0, outputs * params["bn"]["scale"] + params["bn"]["bias"])


@pytest.mark.parametrize(
    "layer",
    [
        Layer("a", 5),
        Layer("a", 4, (1, 7)),
        Layer("a", 4, (7, 1)),
        Layer("a", 4, (5, 5)),
        Layer("a", 4, (3, 3), 2, "VALID"),
        Layer("a", 4, (3, 3), padding="VALID"),
    ],
)
def test_convolutions(layer):
    module = ConvNorm(layer)
    variables = variables_of(module)

    outputs = module.apply(variables, MAPS)

    is_padded = layer.padding == "SAME"
    expected = numpy_conv_norm(MAPS, variables, layer.stride, is_padded)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def windows_of(maps, row, column):
    """The values that lie around a place, those beyond the edges left out."""
    rows = slice(max(0, row - 1), row + 2)
    return maps[:, rows, max(0, column - 1) : column + 2].reshape(
        len(maps), -1, maps.shape[-1]
    )


@pytest.mark.parametrize(
    ("pool", "function"), [(average_pool, np.mean), (max_pool, np.max)]
)
def test_pools_leave_out_what_is_beyond_the_edges(pool, function):
    maps = MAPS - 5  # zeros at the edges would be the largest

    outputs = pool(maps)

    for row in range(6):
        for column in range(7):
            expected = function(windows_of(maps, row, column), axis=1)
            np.testing.assert_allclose(outputs[:, row, column], expected, rtol=1e-5)


def test_halving_takes_every_second_place():
    expected = [
        [windows_of(MAPS, row, column).max(axis=1) for column in (1, 3, 5)]
        for row in (1, 3)
    ]

    np.testing.assert_array_equal(halve(MAPS), np.moveaxis(expected, 2, 0))


def test_branches_and_forks_are_joined_in_order():
    fork = Fork(Layer("two", 2, (1, 3)), Layer("three", 3, (3, 1)))
    module = Mixed(((Layer("zero", 4),), (Layer("one", 2), fork), (max_pool,)))
    variables = variables_of(module)

    outputs = module.apply(variables, MAPS)

    def layer(name, maps):
        own = {kind: variables[kind][name] for kind in variables}
        return numpy_conv_norm(maps, own, 1, True)

    one = layer("one", MAPS)
    expected = [layer("zero", MAPS), layer("two", one), layer("three", one)]
    expected = np.concatenate([*expected, max_pool(MAPS)], axis=-1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_images_are_resized_from_their_corners():
    # Rows of 2 pixels become rows of 3: at places 0, 2/3 and, beyond the last, 4/3.
    image = np.array([[0, 3], [6, 9]], np.float32)[None, :, :, None]

    larger = resize(image, 3)[0, :, :, 0]

    np.testing.assert_allclose(larger, [[0, 2, 3], [4, 6, 7], [6, 8, 9]], rtol=1e-6)
    # To half the size, every second pixel is left out and none is averaged.
    smaller = resize(jnp.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    np.testing.assert_array_equal(smaller, [[0, 2], [8, 10]])


def test_grey_images_are_three_equal_channels_around_zero():
    image = np.full((1, 2, 2, 1), 192, np.uint8)

    np.testing.assert_array_equal(prepared(image), np.full((1, 299, 299, 3), 0.5))
