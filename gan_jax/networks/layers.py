"""Layers without parameters that several networks share.

Pooling here takes images with the batch as the last axis, [C, H, W, B]:
then every shifted slice is one run of contiguous numbers after the other, which made
training a LeNet on a CPU 1.7 to 2 times faster than [B, H, W, C].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn


# XLA's own pooling gradient (select-and-scatter) is slow on CPUs, and JAX's gradient of
# a maximum over two axes writes its masks and their sums down.
@jax.custom_vjp
def max_pool_2x2(images: jax.Array) -> jax.Array:
    """Largest value of each 2x2 square; an odd last row or column is left out.

    Where values tie the gradient is shared equally.

    Takes [C, H, W, B], returns [C, H // 2, W // 2, B].
    """
    return functools.reduce(jnp.maximum, _corners(images))


def _corners(images: jax.Array) -> list[jax.Array]:
    """The four places of each 2x2 square, [C, H // 2, W // 2, B] each."""
    height, width = (size // 2 * 2 for size in images.shape[1:3])
    return [
        images[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)
    ]


def _max_pool_forward(images):
    largest = max_pool_2x2(images)
    return largest, (images, largest)


def _max_pool_backward(residuals, cotangents):
    images, largest = residuals
    is_largest = [corner == largest for corner in _corners(images)]
    shares = cotangents / sum(mask.astype(cotangents.dtype) for mask in is_largest)
    corners = [jnp.where(mask, shares, 0) for mask in is_largest]
    rows = [jnp.stack(corners[first : first + 2], axis=3) for first in (0, 2)]
    channels, height, width, batch = images.shape
    whole = (channels, height // 2 * 2, width // 2 * 2, batch)
    edges = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    return (jnp.pad(jnp.stack(rows, axis=2).reshape(whole), edges),)


max_pool_2x2.defvjp(_max_pool_forward, _max_pool_backward)


def space_to_depth(images: jax.Array) -> jax.Array:
    """Makes channels of the four places of each 2x2 square.

    Takes [C, H, W, B], returns [4 * C, H / 2, W / 2, B], the first axis in the order
    (row, column, channel). Raises ValueError for an odd height or width.
    """
    channels, height, width, batch = images.shape
    if height % 2 or width % 2:
        raise ValueError(f"height and width must be even, not {height} and {width}")
    squares = images.reshape(channels, height // 2, 2, width // 2, 2, batch)
    return squares.transpose(2, 4, 0, 1, 3, 5).reshape(
        4 * channels, height // 2, width // 2, batch
    )


def fan_out(maps: jax.Array, one_hot: jax.Array) -> jax.Array:
    """Maps of classes, [C, H, W, K], for every example, [B, K] one-hot: [C, H, W, B].

    A matrix product, whose gradient is one too.
    """
    # Exact also where products are rounded: it only copies.
    flat = jnp.matmul(
        maps.reshape(-1, maps.shape[-1]), one_hot.T, precision=jax.lax.Precision.HIGHEST
    )
    return flat.reshape(*maps.shape[:-1], -1)


# Binary digits of a dropout rate that count; 0.5 needs one, 0.05 all of them.
_RATE_DIGITS = 16


class Dropout(nn.Module):
    """Dropout as `nn.Dropout`, with masks made of as few random bits as it takes.

    Sets an element to 0 with probability `rate`, in [0, 1), and divides the others by
    1 - rate; `train=False` changes nothing. Draws from the stream `dropout`. The rate
    is rounded to a multiple of 2^-16. At rate 0.5 an element costs one random bit in
    place of 32, which was a tenth of the fully connected GANs' train step on a CPU.

    Takes and returns an array of any shape. Source: Srivastava et al. 2014, section 4.
    """

    rate: float

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        if not train or self.rate == 0:
            return inputs
        keep = bernoulli_mask(self.make_rng("dropout"), 1 - self.rate, inputs.shape)
        return jnp.where(keep, inputs / (1 - self.rate), 0)


def bernoulli_mask(
    key: jax.Array, probability: float, shape: Sequence[int]
) -> jax.Array:
    """Independent draws, bool of `shape`, that are True with `probability` in [0, 1].

    Works on 32 elements at a time: with random words w, the step `w | mask` halves the
    distance of the bits' probability from 1 and `w & mask` that from 0, so that the
    binary digits of the probability, last one first, say which to take.
    """
    size = math.prod(shape)
    numerator = round(probability * 2**_RATE_DIGITS)
    if numerator == 2**_RATE_DIGITS:
        return jnp.ones(shape, bool)
    digits = f"{numerator:0{_RATE_DIGITS}b}".rstrip("0")
    words = jax.random.bits(key, (len(digits), -(-size // 32)), jnp.uint32)
    mask = jnp.zeros(words.shape[1:], jnp.uint32)
    for digit, random in zip(reversed(digits), words, strict=True):
        mask = random | mask if digit == "1" else random & mask
    bits = (mask[:, None] >> jnp.arange(32, dtype=jnp.uint32)[None]) & 1
    return bits.reshape(-1)[:size].reshape(shape) == 1
