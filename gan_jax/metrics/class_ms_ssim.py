"""MS-SSIM within classes: do two images of a class look alike?"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import has_pairs
from gan_jax.metrics.metric import Metric, Samples, Scoring, over_runs

# Wang et al. 2003, section 4; the images' own size first.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW, _SIGMA = 11, 1.5  # pixels of the Gaussian window
_PAIRS = 100  # of each class, as Odena et al. take
_LARGEST = 255.0


def class_ms_ssim(
    images: jax.Array | np.ndarray, labels: jax.Array | np.ndarray, *, seed: int = 0
) -> float:
    """Mean MS-SSIM of 100 random pairs of images of a class, as a mean over classes.

    Args:
      images: uint8 [N, H, W, C], H and W at least 11.
      labels: integers [N]; a class of a single image counts for nothing.
      seed: decides the pairs, each of two different images.

    Returns:
      In [0, 1]; 1 where all images of a class are the same. `ms_ssim` says of how many
      scales: values of images of different sizes do not compare.

    Raises:
      ValueError: if the arrays are not such, or no class has two images.

    Source: Odena et al. 2017, Conditional Image Synthesis with Auxiliary Classifier
    GANs, section 4.2.
    """
    _checked(images)
    labels = np.asarray(labels)
    if labels.shape != (len(images),):
        raise ValueError(
            f"labels must be of {len(images)} images, not of shape {labels.shape}"
        )
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    pairs = [_pairs(random, rows) for rows in classes if len(rows) > 1]
    if not pairs:
        raise ValueError("no class has two images")
    first, second = np.stack(pairs, axis=1)  # [classes, pairs] each
    images = jnp.asarray(images)
    with jax.enable_x64(True):
        values = jax.lax.map(
            lambda rows: _ms_ssim(images[rows[0]], images[rows[1]]), (first, second)
        )
    return float(np.asarray(values).mean())


def ms_ssim(
    images_a: jax.Array | np.ndarray, images_b: jax.Array | np.ndarray
) -> np.ndarray:
    """Multi-scale structural similarity of pairs of images.

    prod over scales s < S of c_s^(w_s), times (l c)_S^(w_S)

    c compares contrast and structure, l brightness, each a mean over the places of an
    11-pixel Gaussian window (sigma 1.5) within the image; a negative mean counts as 0.
    Each further scale has half the height and width, by means of 2x2 pixels. Of colour
    images the result is the mean over the channels. S is 5 where the smallest scale
    still holds a window, from 176 pixels on; smaller images have fewer (28 and 32
    pixels: 2), and the first S of the five weights are divided by their sum. Computed
    in float64.

    Args:
      images_a: uint8 [N, H, W, C], H and W at least 11.
      images_b: uint8 of the same shape.

    Returns:
      float64 [N], in [0, 1].

    Raises:
      ValueError: if the arrays are not such.

    Source: Wang et al. 2003, Multi-Scale Structural Similarity for Image Quality
    Assessment.
    """
    for images in (images_a, images_b):
        _checked(images)
    if images_a.shape != images_b.shape:
        raise ValueError(
            f"images of shape {images_a.shape} cannot be compared with images of shape "
            f"{images_b.shape}"
        )
    with jax.enable_x64(True):
        return np.asarray(_ms_ssim(jnp.asarray(images_a), jnp.asarray(images_b)))


def num_scales(image_size: tuple[int, int]) -> int:
    """As many of the five scales as hold a whole window."""
    halvings = (min(image_size) // _WINDOW).bit_length()
    return min(halvings, len(_WEIGHTS))


def _checked(images: jax.Array | np.ndarray) -> None:
    shape = images.shape
    fits = images.dtype == np.uint8 and len(shape) == 4 and 0 not in shape
    if not fits or min(shape[1:3]) < _WINDOW:
        raise ValueError(
            f"images must be uint8 [N, H, W, C], H and W at least {_WINDOW}, not "
            f"{images.dtype} of shape {shape}"
        )


def _pairs(random: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Pairs of different rows, [2, pairs]."""
    first = random.integers(len(rows), size=_PAIRS)
    second = first + 1 + random.integers(len(rows) - 1, size=_PAIRS)
    return rows[np.stack([first, second % len(rows)])]


@jax.jit
def _ms_ssim(images_a: jax.Array, images_b: jax.Array) -> jax.Array:
    """float64 [N] of uint8 [N, H, W, C]."""
    a, b = images_a.astype(jnp.float64), images_b.astype(jnp.float64)
    scales = num_scales(a.shape[1:3])
    weights = np.array(_WEIGHTS[:scales]) / sum(_WEIGHTS[:scales])
    result = jnp.ones((a.shape[0], a.shape[3]))
    for scale, weight in enumerate(weights):
        if scale:
            a, b = _halved(a), _halved(b)
        structure, similarity = _ssim(a, b)
        value = similarity if scale == scales - 1 else structure
        result *= jnp.maximum(value, 0) ** weight
    return result.mean(axis=1)


def _ssim(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means [N, C] of contrast and structure c, and of l c, of [N, H, W, C]."""
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = _windowed(a**2) - mean_a**2
    variance_b = _windowed(b**2) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    small, smaller = (0.03 * _LARGEST) ** 2, (0.01 * _LARGEST) ** 2
    structure = (2 * covariance + small) / (variance_a + variance_b + small)
    brightness = (2 * mean_a * mean_b + smaller) / (mean_a**2 + mean_b**2 + smaller)
    return structure.mean((1, 2)), (brightness * structure).mean((1, 2))


def _windowed(images: jax.Array) -> jax.Array:
    """Means under the window at every place that holds it whole."""
    rows, columns = (_window_matrix(size) for size in images.shape[1:3])
    return jnp.einsum("yh,nhwc,xw->nyxc", rows, images, columns)


def _window_matrix(size: int) -> np.ndarray:
    """[places, size]: matrix products are faster than a CPU's convolutions."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-((offsets / _SIGMA) ** 2) / 2)
    matrix = np.zeros((size - _WINDOW + 1, size))
    for place, row in enumerate(matrix):
        row[place : place + _WINDOW] = window / window.sum()
    return matrix


def _halved(images: jax.Array) -> jax.Array:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    num, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    squares = even.reshape(num, height // 2, 2, width // 2, 2, channels)
    return squares.mean((2, 4))


def _value(generated: Samples, real: Samples, settings: Any) -> float:
    return class_ms_ssim(generated.images, generated.labels)


def _report(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """The score over runs, and of how many scales it is."""
    size = scoring.generated(0).images.shape[1:3]
    return over_runs(metric, name, scoring) | {f"{name}_scales": num_scales(size)}


CLASS_MS_SSIM = Metric(
    title="MS-SSIM within classes",
    value=_value,
    better="smallest",
    check=has_pairs,
    smallest_size=_WINDOW,
    needs_labels=True,
    within_classes=True,
    report=_report,
    scores_training=True,
    sees="pixels",
)
