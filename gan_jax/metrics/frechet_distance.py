"""Fréchet distance: do generated features have real ones' means and covariances?"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_features
from gan_jax.metrics._distances import blocks
from gan_jax.metrics.metric import Metric

_BLOCK_SIZE = 512
_PARTS = 8  # of the features: of a covariance, only blocks above the diagonal


def frechet_distance(
    features_a: jax.Array | np.ndarray, features_b: jax.Array | np.ndarray
) -> float:
    """Squared Fréchet distance of two Gaussians fitted to the features.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))

    Means m and covariances C (divided by N - 1) are computed in float64. The trace of
    the root is the sum of the singular values of R_a^T R_b, for any R with R R^T = C:
    a Cholesky factor or, of singular covariances (N <= F, constant features), one of
    eigenvectors. Of Inception-v3's features this is the FID; of other features its
    values are others.

    Args:
      features_a: floats [N, F], N at least 2.
      features_b: floats [M, F], M at least 2.

    Returns:
      At least 0, which it is for equal means and covariances, in squared units of the
      features. It falls as N and M grow: compare only values of equal numbers.

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F.

    Source: Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, section 3.
    """
    a, b = checked_features(features_a=features_a, features_b=features_b)
    for name, features in (("features_a", a), ("features_b", b)):
        if len(features) < 2:
            raise ValueError(f"{name} must be of 2 images or more, not of 1")
    with jax.enable_x64(True):
        means, covariances = zip(
            *(jax.device_get(_mean_and_covariance(each)) for each in (a, b)),
            strict=True,
        )
    root_a, root_b = map(_root, covariances)
    traces = sum(np.trace(covariance) for covariance in covariances)
    trace_of_root = np.linalg.svd(root_a.T @ root_b, compute_uv=False).sum()
    distance = np.square(means[0] - means[1]).sum() + traces - 2 * trace_of_root
    return max(0.0, float(distance))


@jax.jit
def _mean_and_covariance(features):
    """float64 [F] and [F, F] of float32 [N, F]."""
    num_images, num_features = features.shape
    mean = features.mean(axis=0, dtype=jnp.float64)
    present = jnp.ones((num_images, 1), jnp.float64)
    block_size = min(_BLOCK_SIZE, num_images)
    num_parts = min(_PARTS, num_features)
    pairs = list(itertools.combinations_with_replacement(range(num_parts), 2))
    widths = [part.size for part in np.array_split(np.zeros(num_features), num_parts)]

    def add(totals, block):
        rows, present = block
        rows = (rows.astype(jnp.float64) - mean[None]) * present
        parts = jnp.array_split(rows, num_parts, axis=1)
        return {(i, j): totals[i, j] + parts[i].T @ parts[j] for i, j in pairs}, None

    totals, _ = jax.lax.scan(
        add,
        {(i, j): jnp.zeros((widths[i], widths[j]), jnp.float64) for i, j in pairs},
        (blocks(features, block_size), blocks(present, block_size)),
    )
    totals |= {(j, i): totals[i, j].T for i, j in pairs if i != j}
    total = jnp.block(
        [[totals[i, j] for j in range(num_parts)] for i in range(num_parts)]
    )
    return mean, total / (num_images - 1)


def _root(covariance: np.ndarray) -> np.ndarray:
    """R [F, rank] with R R^T = covariance."""
    precision = len(covariance) * np.finfo(np.float64).eps
    try:
        root = np.linalg.cholesky(covariance)  # 8 times as fast as eigenvectors
    except np.linalg.LinAlgError:
        pass
    else:
        squares = np.square(np.diagonal(root))
        if squares.min() > precision * squares.max():
            return root
    values, vectors = np.linalg.eigh(covariance)
    kept = values > precision * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def enough_images(settings: dict[str, Any], num_images: int) -> str | None:
    """One image has no covariance."""
    return None if num_images >= 2 else f"is {num_images}; a covariance takes 2 images"


FRECHET_DISTANCE = Metric(
    title="Fréchet distance (judge's features)",
    value=lambda generated, real, settings: frechet_distance(
        generated.features, real.features
    ),
    better="smallest",
    check=enough_images,
    compares=True,
    sees="features",
    inception_title="FID",
)
