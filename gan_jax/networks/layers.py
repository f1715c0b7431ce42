"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn


def _pad_for_same(images: jax.Array, kernel_size: Sequence[int]) -> jax.Array:
    """Pads height and width with zeros as SAME does at stride 1: more at the end."""
    height, width = kernel_size
    return jnp.pad(
        images,
        (
            (0, 0),
            ((height - 1) // 2, height // 2),
            ((width - 1) // 2, width // 2),
            (0, 0),
        ),
    )


def extract_patches(images: jax.Array, kernel_size: Sequence[int]) -> jax.Array:
    """Gathers every patch that lies wholly inside the images (stride 1).

    Args:
      images: [B, H, W, C].
      kernel_size: (h, w), the patch's height and width.

    Returns:
      [B, H - h + 1, W - w + 1, h * w * C], the last axis in the order (row, column,
      channel) of a flattened convolution kernel.

    Raises:
      ValueError: if a patch is larger than the images.
    """
    rows = images.shape[1] - kernel_size[0] + 1
    columns = images.shape[2] - kernel_size[1] + 1
    if rows < 1 or columns < 1:
        raise ValueError(
            f"patches of {tuple(kernel_size)} do not fit into images of shape "
            f"{images.shape}"
        )
    shifted = [
        images[:, row : row + rows, column : column + columns, :]
        for row in range(kernel_size[0])
        for column in range(kernel_size[1])
    ]
    return jnp.concatenate(shifted, axis=-1)


class PatchConv(nn.Module):
    """Convolution with stride 1, written as a matrix product over gathered patches.

    Parameters, initialisation and results are those of `nn.Conv`: `kernel`
    [h, w, C, features] and `bias` [features]. On CPUs XLA's own convolution gradients
    are several times slower inside `lax.scan` and `lax.fori_loop`; matrix products
    are not.

    Takes [B, H, W, C], returns [B, H', W', features] with H' = H for padding 'SAME' and
    H - h + 1 for 'VALID'. Raises ValueError for any other padding and for a kernel
    that does not fit.
    """

    features: int
    kernel_size: Sequence[int]
    padding: str = "SAME"

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        kernel = self.param(
            "kernel",
            nn.initializers.lecun_normal(),
            (*self.kernel_size, images.shape[-1], self.features),
        )
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        if self.padding == "SAME":
            images = _pad_for_same(images, self.kernel_size)
        elif self.padding != "VALID":
            raise ValueError(
                f"PatchConv padding must be 'SAME' or 'VALID', not {self.padding!r}"
            )
        patches = extract_patches(images, self.kernel_size)
        outputs = patches @ kernel.reshape(-1, self.features)
        return outputs + bias.reshape(1, 1, 1, -1)


def max_pool_2x2(images: jax.Array) -> jax.Array:
    """Largest value of each 2x2 square; an odd last row or column is left out.

    A reshape and a maximum, since XLA's own pooling gradient (select-and-scatter) is
    slow on CPUs. Where values tie the gradient is shared equally.

    Takes [B, H, W, C], returns [B, H // 2, W // 2, C].
    """
    batch, height, width, channels = images.shape
    images = images[:, : height // 2 * 2, : width // 2 * 2, :]
    squares = images.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.max(axis=(2, 4))
