"""Layers that several networks share.

Convolution and pooling here take images with the batch as the last axis, [C, H, W, B]:
then every shifted slice is one run of contiguous numbers after the other, which made
training a LeNet on a CPU 1.7 to 2 times faster than [B, H, W, C].
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn


def extract_patches(images: jax.Array, kernel_size: Sequence[int]) -> jax.Array:
    """Gathers every patch that lies wholly inside the images (stride 1).

    Args:
      images: [C, H, W, B].
      kernel_size: (h, w), the patch's height and width.

    Returns:
      [h * w * C, H - h + 1, W - w + 1, B], the first axis in the order (row, column,
      channel) of a flattened convolution kernel.

    Raises:
      ValueError: if a patch is larger than the images.
    """
    rows = images.shape[1] - kernel_size[0] + 1
    columns = images.shape[2] - kernel_size[1] + 1
    if rows < 1 or columns < 1:
        raise ValueError(
            f"patches of {tuple(kernel_size)} do not fit into images of "
            f"{images.shape[1:3]}"
        )
    return jnp.concatenate(
        [
            images[:, row : row + rows, column : column + columns, :]
            for row in range(kernel_size[0])
            for column in range(kernel_size[1])
        ]
    )


class PatchConv(nn.Module):
    """Convolution with stride 1, written as a matrix product over gathered patches.

    Parameters, initialisation and results are those of `nn.Conv`, but for the order of
    the images' axes: `kernel` [h, w, C, features] and, unless `use_bias` is False,
    `bias` [features]. On CPUs XLA's own convolution gradients are several times slower
    inside `lax.scan` and `lax.fori_loop`; matrix products are not.

    Takes [C, H, W, B], returns [features, H', W', B] with H' = H for padding 'SAME' and
    H - h + 1 for 'VALID'. Raises ValueError for any other padding and for a kernel
    that does not fit.
    """

    features: int
    kernel_size: Sequence[int]
    padding: str = "SAME"
    use_bias: bool = True

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        kernel = self.param(
            "kernel",
            nn.initializers.lecun_normal(),
            (*self.kernel_size, images.shape[0], self.features),
        )
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        if self.padding == "SAME":
            images = _pad_for_same(images, self.kernel_size)
        elif self.padding != "VALID":
            raise ValueError(
                f"PatchConv padding must be 'SAME' or 'VALID', not {self.padding!r}"
            )
        patches = extract_patches(images, self.kernel_size)
        weights = kernel.reshape(-1, self.features).T
        outputs = weights @ patches.reshape(patches.shape[0], -1)
        outputs = outputs.reshape(self.features, *patches.shape[1:])
        return outputs + bias.reshape(-1, 1, 1, 1) if self.use_bias else outputs


def _pad_for_same(images: jax.Array, kernel_size: Sequence[int]) -> jax.Array:
    """Pads height and width with zeros as SAME does at stride 1: more at the end."""
    pads = [((size - 1) // 2, size // 2) for size in kernel_size]
    return jnp.pad(images, ((0, 0), *pads, (0, 0)))


def max_pool_2x2(images: jax.Array) -> jax.Array:
    """Largest value of each 2x2 square; an odd last row or column is left out.

    A reshape and a maximum, since XLA's own pooling gradient (select-and-scatter) is
    slow on CPUs. Where values tie the gradient is shared equally.

    Takes [C, H, W, B], returns [C, H // 2, W // 2, B].
    """
    channels, height, width, batch = images.shape
    images = images[:, : height // 2 * 2, : width // 2 * 2, :]
    squares = images.reshape(channels, height // 2, 2, width // 2, 2, batch)
    return squares.max(axis=(2, 4))


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
