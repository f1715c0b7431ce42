"""Resampling by 2 of feature maps [C, H, W, B] with a small low-pass filter.

The filter (1, 3, 3, 1), that is (1, 2, 1) spread over pairs, with zeros beyond the
edges. Source: Huang et al. 2024 (InterpolativeUpsampler and -Downsampler of their
program); Karras et al. 2020, "upfirdn".
"""

import jax
import jax.numpy as jnp


def upsample(maps: jax.Array) -> jax.Array:
    """[C, H, W, B] to [C, 2 H, 2 W, B]; a constant stays, but at the edges."""
    for axis in (1, 2):
        before, after = _neighbours(maps, axis)
        pairs = jnp.stack([3 * maps + before, 3 * maps + after], axis + 1) / 4
        shape = [*maps.shape]
        shape[axis] *= 2
        maps = pairs.reshape(shape)
    return maps


def downsample(maps: jax.Array) -> jax.Array:
    """[C, H, W, B] to [C, H / 2, W / 2, B], H and W even; the transpose, halved."""
    for axis in (1, 2):
        shape = [*maps.shape]
        shape[axis : axis + 1] = [shape[axis] // 2, 2]
        pairs = maps.reshape(shape)
        even, odd = (jnp.take(pairs, place, axis + 1) for place in (0, 1))
        before, _ = _neighbours(odd, axis)
        _, after = _neighbours(even, axis)
        maps = (3 * (even + odd) + before + after) / 8
    return maps


def _neighbours(maps: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """The maps moved by one along an axis, forwards and backwards; zeros come in."""
    size = maps.shape[axis]

    def moved(padding):
        edges = [(0, 0)] * maps.ndim
        edges[axis] = padding
        padded = jnp.pad(maps, edges)
        start = padding[1]
        return jax.lax.slice_in_dim(padded, start, start + size, axis=axis)

    return moved((1, 0)), moved((0, 1))
