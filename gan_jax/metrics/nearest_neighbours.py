"""Nearest neighbours in pixel space: does a generator repeat its training images?"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np


def nearest_neighbours(
    images: jax.Array | np.ndarray,
    references: jax.Array | np.ndarray,
    num_neighbours: int = 1,
    *,
    block_size: int = 256,
) -> tuple[np.ndarray, np.ndarray]:
    """The references nearest to each image, nearest first, and how far they are.

    d(a, b) = sqrt(sum over pixels and channels of ((a - b) / 255)^2)

    One dispatch of matrix products; block_size, the images compared at a time, bounds
    the memory and changes nothing else.

    Args:
      images: uint8 [N, H, W, C].
      references: uint8 [M, H, W, C].
      num_neighbours: K, from 1 to M.

    Returns:
      (distances float32 [N, K] in pixels of range [0, 1], indices int32 [N, K]); of
      equally near references the first comes first.

    Raises:
      ValueError: images or references are not such arrays, or K is out of range.
    """
    for name, array in (("images", images), ("references", references)):
        if array.ndim != 4 or 0 in array.shape or array.dtype != np.uint8:
            raise ValueError(
                f"{name} must be uint8 [N, H, W, C], none of them 0, not "
                f"{array.dtype} of shape {array.shape}"
            )
    if images.shape[1:] != references.shape[1:]:
        raise ValueError(
            f"images of {images.shape[1:]} cannot be compared with references of "
            f"{references.shape[1:]}"
        )
    if not 1 <= num_neighbours <= len(references):
        raise ValueError(
            f"num_neighbours must be from 1 to {len(references)}, not {num_neighbours}"
        )
    distances, indices = _search(
        jnp.asarray(images).reshape(len(images), -1),
        jnp.asarray(references).reshape(len(references), -1),
        num_neighbours=num_neighbours,
        block_size=min(block_size, len(images)),
    )
    return np.asarray(distances), np.asarray(indices)


@functools.partial(jax.jit, static_argnames=("num_neighbours", "block_size"))
def _search(images, references, *, num_neighbours, block_size):
    # Whole numbers from -128 to 127: their products are exact in float32, also where
    # matrix products are computed in TF32 or bfloat16, and of small images (MNIST's)
    # the sums as well.
    def centred(pixels):
        return pixels.astype(jnp.float32) - 128

    references = centred(references)
    squares = jnp.sum(references**2, axis=1)[None]

    def search(block):
        block = centred(block)
        # |a - b|^2 without |a|^2, which is the same for every b.
        nearness = 2 * block @ references.T - squares
        _, indices = jax.lax.top_k(nearness, num_neighbours)
        differences = block[:, None] - references[indices]
        return jnp.sqrt(jnp.sum(differences**2, axis=-1)) / 255, indices

    num_images = len(images)
    padded = jnp.pad(images, ((0, -num_images % block_size), (0, 0)))
    found = jax.lax.map(search, padded.reshape(-1, block_size, images.shape[1]))
    return tuple(array.reshape(-1, num_neighbours)[:num_images] for array in found)
