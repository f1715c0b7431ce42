"""MS-SSIM against public libraries' values, and pairs within classes against a loop."""

import itertools

import numpy as np
import pytest

from gan_jax.metrics import class_ms_ssim
from gan_jax.metrics.class_ms_ssim import ms_ssim, num_scales


def draw(size, channels):
    """Three pairs of images; the second is of different ones."""
    random = np.random.default_rng(size)
    a = random.integers(0, 256, (3, size, size, channels), dtype=np.uint8)
    a = np.repeat(np.repeat(a[:, ::4, ::4], 4, axis=1), 4, axis=2)[:, :size, :size]
    b = np.clip(a + random.normal(0, 40, a.shape), 0, 255).round().astype(np.uint8)
    b[1] = random.permutation(b[1])
    return a, b


# structural_similarity of scikit-image 0.26.0 with gaussian_weights, sigma 1.5, without
# use_sample_covariance, data_range 255.
@pytest.mark.parametrize(
    ("size", "channels", "expected"),
    [
        (19, 1, [0.8350217933557125, 0.19327774701419492, 0.7598739340626562]),
        (13, 3, [0.6259825375120311, 0.24204199818555425, 0.8340411267742868]),
    ],
)
def test_a_single_scale_agrees_with_scikit_image(size, channels, expected):
    np.testing.assert_allclose(ms_ssim(*draw(size, channels)), expected, rtol=1e-9)


# multi_scale_ssim of piq 0.8.0 in float64, with data_range 255 and as many of its
# weights, divided by their sum. (torchmetrics mirrors images at their borders at the
# last scale, so its values are others.)
@pytest.mark.parametrize(
    ("size", "channels", "scales", "expected"),
    [
        (22, 1, 2, [0.9547930677429373, 0.0, 0.9511202888596598]),
        (28, 1, 2, [0.8929790173464409, 0.13320601854244538, 0.9346545983928157]),
        (32, 3, 2, [0.9136046348916779, 0.13144059164043737, 0.9124029622390876]),
        (44, 3, 3, [0.954815931269038, 0.062054902254313093, 0.9563865922090713]),
        pytest.param(
            *(176, 3, 5, [0.971113848519131, 0.031369951777000755, 0.9703283194272796]),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_several_scales_agree_with_piq(size, channels, scales, expected):
    assert num_scales((size, size)) == scales
    np.testing.assert_allclose(ms_ssim(*draw(size, channels)), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((11, 300), 1), ((21, 21), 1), ((87, 88), 3), ((88, 88), 4), ((999, 999), 5)],
)
def test_as_many_scales_as_hold_a_window(size, expected):
    assert num_scales(size) == expected


def test_a_class_of_equal_images_has_1():
    images, _ = draw(28, 1)

    same = class_ms_ssim(images[[0, 0, 1, 1, 2]], [0, 0, 1, 1, 2])
    half = class_ms_ssim(images[[0, 0, 1, 2]], [0, 0, 1, 1])

    assert same == pytest.approx(1)
    # The other class has one pair, in either order.
    assert half == pytest.approx((1 + ms_ssim(images[1:2], images[2:])[0]) / 2)


def test_random_pairs_have_the_mean_of_all_pairs():
    random = np.random.default_rng(0)
    bright = random.integers(0, 256, (12, 1, 1, 1))
    images = np.clip(bright + random.normal(0, 20, (12, 16, 16, 1)), 0, 255)
    images, labels = images.astype(np.uint8), np.arange(12) % 2
    values = [
        ms_ssim(images[i : i + 1], images[j : j + 1])[0]
        for i, j in itertools.combinations(range(12), 2)
        if labels[i] == labels[j]
    ]

    found = [class_ms_ssim(images, labels, seed=seed) for seed in range(4)]

    error = np.std(values) / np.sqrt(200)
    assert np.abs(np.array(found) - np.mean(values)).max() < 4 * error
    assert len(set(found)) == 4
    assert class_ms_ssim(images, labels) == found[0]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 10, 28, 1), np.uint8), [0, 0], "H and W at least 11, not uint8"),
        (np.zeros((2, 28, 28, 1)), [0, 0], "must be uint8 .* not float64"),
        (np.zeros((2, 28, 28, 1), np.uint8), [0], "labels must be of 2 images"),
        (np.zeros((2, 28, 28, 1), np.uint8), [0, 1], "no class has two images"),
    ],
)
def test_what_has_no_ms_ssim(images, labels, message):
    with pytest.raises(ValueError, match=message):
        class_ms_ssim(images, labels)


def test_images_of_different_shapes_do_not_compare():
    with pytest.raises(ValueError, match=r"\(1, 28, 28, 1\) cannot be compared"):
        ms_ssim(np.zeros((1, 28, 28, 1), np.uint8), np.zeros((2, 28, 28, 1), np.uint8))
