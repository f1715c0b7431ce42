import numpy as np
import pytest

from gan_jax.metrics import nearest_neighbours


def pixels(rows):
    """Images of one row of pixels each."""
    return np.array(rows, np.uint8)[:, None, :, None]


def random_images(seed, number, shape=(5, 4, 3)):
    return np.random.default_rng(seed).integers(0, 256, (number, *shape), np.uint8)


def brute_force(images, references):
    """All distances, [N, M], in float64."""
    differences = images[:, None].astype(float) - references[None].astype(float)
    return np.sqrt((differences**2).sum(axis=(2, 3, 4))) / 255


def test_distances_by_hand():
    # 153 / 255 = 0.6 and 204 / 255 = 0.8.
    references = pixels([[255, 255], [153, 204], [0, 102]])

    distances, indices = nearest_neighbours(pixels([[0, 0]]), references, 3)

    np.testing.assert_array_equal(indices, [[2, 1, 0]])
    np.testing.assert_allclose(distances, [[0.4, 1.0, np.sqrt(2)]], rtol=1e-6)


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
def test_as_by_brute_force(block_size):
    images, references = random_images(0, 7), random_images(1, 40)

    distances, indices = nearest_neighbours(
        images, references, 3, block_size=block_size
    )

    expected = brute_force(images, references)
    order = np.argsort(expected, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(
        distances, np.take_along_axis(expected, order, axis=1), rtol=1e-6
    )


def test_one_neighbour_by_default():
    images, references = random_images(2, 3), random_images(3, 10)

    distances, indices = nearest_neighbours(images, references)

    expected = brute_force(images, references)
    np.testing.assert_array_equal(indices, expected.argmin(axis=1)[:, None])
    np.testing.assert_allclose(distances[:, 0], expected.min(axis=1), rtol=1e-6)


def test_the_smallest_difference_counts_among_bright_images():
    # |a|^2 + |b|^2 - 2 ab of bytes would be lost in float32: each is 5e7.
    references = np.full((3, 28, 28, 1), 255, np.uint8)
    references[0, 0, 0] = 253
    references[1, 5, 5] = 254

    distances, indices = nearest_neighbours(references[2:], references, 3)

    np.testing.assert_array_equal(indices, [[2, 1, 0]])
    np.testing.assert_allclose(distances, [[0, 1 / 255, 2 / 255]], rtol=1e-6)


def test_of_equally_near_ones_the_first():
    references = pixels([[9, 9], [1, 2], [2, 1], [1, 2]])

    _, indices = nearest_neighbours(pixels([[1, 1]]), references, 3)

    np.testing.assert_array_equal(indices, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("images", "references", "number", "message"),
    [
        (np.zeros((1, 2, 2, 1)), random_images(0, 2), 1, "images must be uint8.*float"),
        (random_images(0, 2), random_images(0, 0), 1, "references must .* none of"),
        (random_images(0, 2), pixels([[1]]), 1, r"\(5, 4, 3\) cannot .* \(1, 1, 1\)"),
        (random_images(0, 2), random_images(0, 2), 3, "from 1 to 2, not 3"),
        (random_images(0, 2), random_images(0, 2), 0, "from 1 to 2, not 0"),
    ],
)
def test_bad_input(images, references, number, message):
    with pytest.raises(ValueError, match=message):
        nearest_neighbours(images, references, number)
