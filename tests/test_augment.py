"""Flips and shifts give exactly the flipped and shifted images, each equally often."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.augment import (
    AUGMENTATIONS,
    color,
    cutout,
    random_flips,
    random_shifts,
    translation,
)

IMAGES = np.random.default_rng(0).integers(256, size=(400, 5, 6, 2)).astype(np.uint8)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_flips_mirror_columns_of_half_of_the_images(transform):
    flipped = np.asarray(transform(random_flips)(IMAGES, jax.random.key(0)))

    mirrored = IMAGES[:, :, [5, 4, 3, 2, 1, 0]]
    is_mirrored = (flipped == mirrored).all((1, 2, 3))
    is_same = (flipped == IMAGES).all((1, 2, 3))
    assert flipped.dtype == np.uint8
    assert np.all(is_mirrored != is_same)
    assert abs(is_mirrored.mean() - 0.5) < 4 * np.sqrt(0.25 / 400)


def shifted(image, rows, columns):
    """The image moved down by `rows` and right by `columns`, pixel by pixel."""

    def reflect(position, size):
        position = abs(position)
        return position if position < size else 2 * (size - 1) - position

    height, width, _ = image.shape
    result = np.empty_like(image)
    for row, column in itertools.product(range(height), range(width)):
        result[row, column] = image[
            reflect(row - rows, height), reflect(column - columns, width)
        ]
    return result


@pytest.mark.parametrize("max_shift", [1, 2])
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_shifts_are_exact_and_equally_frequent(transform, max_shift):
    def shift(images, key):
        return random_shifts(images, key, max_shift)

    results = np.asarray(transform(shift)(IMAGES, jax.random.key(1)))

    assert results.dtype == np.uint8
    reach = range(-max_shift, max_shift + 1)
    counts = dict.fromkeys(itertools.product(reach, reach), 0)
    for image, result in zip(IMAGES, results, strict=True):
        (found,) = (
            shift for shift in counts if np.array_equal(shifted(image, *shift), result)
        )
        counts[found] += 1
    probability = 1 / len(counts)
    deviation = np.sqrt(400 * probability * (1 - probability))
    assert max(abs(n - 400 * probability) for n in counts.values()) < 4 * deviation


def test_a_shift_by_hand():
    # Columns 0 to 3 moved by two: the edge itself is not repeated.
    image = jnp.arange(4, dtype=jnp.uint8).reshape(1, 1, 4, 1)
    images = jnp.broadcast_to(image, (64, 3, 4, 1))

    rows = np.asarray(random_shifts(images, jax.random.key(0), 2))[:, 0, :, 0]

    expected = {(2, 1, 0, 1), (1, 0, 1, 2), (0, 1, 2, 3), (1, 2, 3, 2), (2, 3, 2, 1)}
    assert {tuple(row.tolist()) for row in rows} == expected


@pytest.mark.parametrize(
    "change", [random_flips, lambda images, key: random_shifts(images, key, 2)]
)
def test_the_key_decides(change):
    once = change(IMAGES, jax.random.key(2))

    np.testing.assert_array_equal(change(IMAGES, jax.random.key(2)), once)
    assert np.any(np.asarray(change(IMAGES, jax.random.key(3))) != once)


FLOATS = np.random.default_rng(1).normal(size=(200, 16, 8, 3)).astype(np.float32)


def test_translations_bring_zeros_in():
    # 16 rows and 8 columns: up to two and one pixels.
    moved = np.asarray(translation(FLOATS, jax.random.key(0)))

    padded = np.pad(FLOATS, ((0, 0), (2, 2), (1, 1), (0, 0)))
    counts = dict.fromkeys(itertools.product(range(5), range(3)), 0)
    for image, result in zip(padded, moved, strict=True):
        (found,) = (
            (row, column)
            for row, column in counts
            if np.array_equal(image[row : row + 16, column : column + 8], result)
        )
        counts[found] += 1
    deviation = np.sqrt(200 / 15 * 14 / 15)
    assert max(abs(n - 200 / 15) for n in counts.values()) < 4 * deviation


def test_cutouts_are_rectangles_of_half_the_size():
    hidden = np.asarray(cutout(FLOATS, jax.random.key(0)) != FLOATS).any(axis=3)

    centres = set()
    for image in hidden:
        # Rows 8 and columns 4 about a centre, less what lies outside.
        (found,) = (
            (row, column)
            for row, column in itertools.product(range(16), range(8))
            if np.array_equal(
                image,
                np.outer(
                    (np.arange(16) >= row - 4) & (np.arange(16) < row + 4),
                    (np.arange(8) >= column - 2) & (np.arange(8) < column + 2),
                ),
            )
        )
        centres.add(found)
    assert {row for row, _ in centres} == set(range(16))
    assert {column for _, column in centres} == set(range(8))
    np.testing.assert_array_equal(
        np.asarray(cutout(FLOATS, jax.random.key(0)))[hidden], 0
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_change_as_in_the_paper(channels):
    images = FLOATS[..., :channels]

    changed = np.asarray(color(images, jax.random.key(5)))

    brightness, saturation, contrast = np.asarray(
        jax.random.uniform(jax.random.key(5), (3, 200, 1, 1, 1)), np.float64
    )
    assert np.ptp(brightness) > 0.9 and 0 <= contrast.min() < contrast.max() < 1
    expected = images + brightness - 0.5
    if channels == 3:
        gray = expected.mean(axis=3, keepdims=True)
        expected = gray + 2 * saturation * (expected - gray)
    mean = expected.mean(axis=(1, 2, 3), keepdims=True)
    expected = mean + (contrast + 0.5) * (expected - mean)
    np.testing.assert_allclose(changed, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradients_pass_through_augmentations(name):
    """They are linear in the images, up to a constant: gradients are exact."""
    images, key = jnp.asarray(FLOATS[:3]), jax.random.key(2)
    weights = jax.random.normal(jax.random.key(3), images.shape)
    direction = jax.random.normal(jax.random.key(4), images.shape)

    def weighted(images):
        return jnp.vdot(AUGMENTATIONS[name](images, key), weights)

    slope = jnp.vdot(jax.grad(weighted)(images), direction)

    difference = weighted(images + direction) - weighted(images)
    np.testing.assert_allclose(slope, difference, rtol=1e-3)
    assert slope != 0
