"""Euclidean distances between features, computed block by block in float64."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Distances computed at a time: float64, 128 MB.
_BLOCK_AREA = 2**24


def default_block_size(num_points: int, num_others: int) -> int:
    """Points that are compared with all others at a time, in blocks of one size."""
    num_blocks = min(num_points, -(-num_points * num_others // _BLOCK_AREA))
    return -(-num_points // num_blocks)


def centred(*features: jax.Array) -> list[jax.Array]:
    """Float32 features as float64 without the mean of the first; distances stay."""
    mean = features[0].mean(axis=0, dtype=jnp.float64, keepdims=True)
    # Of as few digits as the features, so that the differences are exact.
    mean = mean.astype(jnp.float32).astype(jnp.float64)
    return [array.astype(jnp.float64) - mean for array in features]


def squared_distances(rows: jax.Array, columns: jax.Array, *, bound: str) -> jax.Array:
    """Bounds, 'upper' or 'lower', of squared distances, [B, M] of [B, F] and [M, F].

    They differ by the error that the sums may have. Where radii are upper bounds and
    distances lower ones, a point on a sphere is never lost to rounding.
    """
    error = (rows.shape[1] + 4) * np.finfo(np.float64).eps
    factor = 1 + error if bound == "upper" else 1 - error
    squares = jnp.sum(rows**2, axis=1)[:, None] + jnp.sum(columns**2, axis=1)[None]
    return factor * squares - 2 * rows @ columns.T


def blocks(array: jax.Array, block_size: int, padding: float = 0) -> jax.Array:
    """[N, ...] -> [number of blocks, block_size, ...]; the last one is padded."""
    widths = [(0, -len(array) % block_size)] + [(0, 0)] * (array.ndim - 1)
    padded = jnp.pad(array, widths, constant_values=padding)
    return padded.reshape(-1, block_size, *array.shape[1:])


def squared_radii(
    features: jax.Array, ks: Sequence[int], block_size: int | None
) -> list[jax.Array]:
    """Each point's squared distance to its k-th nearest other, as upper bounds.

    Args:
      features: float64 [N, F], centred; a point's duplicates are others.
      ks: each from 1 to N - 1.
      block_size: points compared at a time.

    Returns:
      An array [N] for each k, in order.
    """
    block_size = block_size or default_block_size(len(features), len(features))
    numbers = jnp.arange(len(features))

    def search(block):
        rows, row_numbers = block
        block_rows = jnp.arange(block_size)
        distances = squared_distances(rows, features, bound="upper")
        distances = distances.at[block_rows, row_numbers].set(jnp.inf)

        # For small k much faster than top_k, which sorts on CPUs.
        def leave_out_nearest(_, distances):
            return distances.at[block_rows, distances.argmin(axis=1)].set(jnp.inf)

        found, left_out = {}, 0
        for k in sorted(set(ks)):
            distances = jax.lax.fori_loop(left_out, k - 1, leave_out_nearest, distances)
            found[k], left_out = distances.min(axis=1), k - 1
        return [found[k] for k in ks]

    found = jax.lax.map(
        search, (blocks(features, block_size), blocks(numbers, block_size))
    )
    return [each.reshape(-1)[: len(features)] for each in found]


def nearest_distances(
    features: jax.Array, references: jax.Array, *, block_size: int | None = None
) -> np.ndarray:
    """Each point's distance to the nearest reference, float64 [N].

    Args:
      features: float32 [N, F].
      references: float32 [M, F].
      block_size: points compared at a time, which bounds the memory and changes nothing
        else; by default as many as fit in 128 MB of distances.
    """
    with jax.enable_x64(True):
        return np.asarray(_nearest(features, references, block_size=block_size))


@functools.partial(jax.jit, static_argnames="block_size")
def _nearest(features, references, *, block_size):
    block_size = block_size or default_block_size(len(features), len(references))
    references, features = centred(references, features)

    def search(rows):
        # A lower bound of the square may be negative.
        squares = squared_distances(rows, references, bound="lower").min(axis=1)
        return jnp.sqrt(jnp.maximum(squares, 0))

    found = jax.lax.map(search, blocks(features, block_size))
    return found.reshape(-1)[: len(features)]
