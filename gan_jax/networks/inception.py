"""Inception-v3 as the public FID tools have it: TensorFlow's network of 2015-12-05.

Not the network of torchvision: images are resized as TensorFlow 1 did, average pooling
leaves out the padding, the last block pools by maxima, and there are 1008 logits.

Modules have the names that the weights' tensors have in the public file.

Sources: Szegedy et al. 2016, Rethinking the Inception Architecture; Heusel et al. 2017
(FID); the tools pytorch-fid and torch-fidelity, whose values a test compares with.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

IMAGE_SIZE = 299
NUM_LOGITS = 1008
# Accelerators would round the factors of products.
_PRECISION = jax.lax.Precision.HIGHEST


class Layer(NamedTuple):
    """A convolution with batch norm: its name, and what it does."""

    name: str
    filters: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"


class Fork(NamedTuple):
    """Two layers of the same input, whose outputs are joined."""

    one: Layer
    other: Layer


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm in eval mode, ReLU; [B, H, W, C]."""

    layer: Layer

    @nn.compact
    def __call__(self, maps: jax.Array) -> jax.Array:
        _, filters, kernel, stride, padding = self.layer
        convolve = nn.Conv(
            filters,
            kernel,
            stride,
            padding=padding,
            use_bias=False,
            precision=_PRECISION,
            name="conv",
        )
        normalize = nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")
        return nn.relu(normalize(convolve(maps)))


class Mixed(nn.Module):
    """Branches side by side, [B, H, W, C] to [B, H', W', sum of their filters].

    A branch is a sequence of `Layer`, `Fork` and functions without parameters.
    """

    branches: tuple

    @nn.compact
    def __call__(self, maps: jax.Array) -> jax.Array:
        def follow(step, maps):
            if isinstance(step, Fork):
                return _joined([follow(layer, maps) for layer in step])
            if isinstance(step, Layer):
                return ConvNorm(step, name=step.name)(maps)
            return step(maps)

        outputs = []
        for branch in self.branches:
            output = maps
            for step in branch:
                output = follow(step, output)
            outputs.append(output)
        return _joined(outputs)


def _joined(maps: list[jax.Array]) -> jax.Array:
    return jnp.concatenate(maps, axis=-1)


def average_pool(maps: jax.Array) -> jax.Array:
    """Means over 3x3 places, [B, H, W, C]; at the edges over those that there are."""
    return nn.avg_pool(maps, (3, 3), padding="SAME", count_include_pad=False)


def max_pool(maps: jax.Array) -> jax.Array:
    """Largest values of 3x3 places, [B, H, W, C]."""
    return nn.max_pool(maps, (3, 3), padding="SAME")


def halve(maps: jax.Array) -> jax.Array:
    """Largest values of every second 3x3 places, [B, (H - 1) // 2, ...]."""
    return nn.max_pool(maps, (3, 3), (2, 2))


def resize(images: jax.Array, size: int = IMAGE_SIZE) -> jax.Array:
    """Bilinear, [B, H, W, C] to [B, size, size, C], as TensorFlow 1 resized.

    Output pixel i lies at i * H / size: corners, not centres, and never smoothed before
    it shrinks.
    """
    for axis in (2, 1):
        length = images.shape[axis]
        places = jnp.arange(size, dtype=jnp.float32) * jnp.float32(length / size)
        before = places.astype(jnp.int32)
        shape = [size if each == axis else 1 for each in range(4)]
        share = (places - before.astype(jnp.float32)).reshape(shape)
        lower = jnp.take(images, before, axis)
        upper = jnp.take(images, jnp.minimum(before + 1, length - 1), axis)
        images = lower + (upper - lower) * share
    return images


def mixed_5(pool_filters: int) -> tuple:
    """Branches of a block at 35x35."""
    return (
        (Layer("branch1x1", 64),),
        (Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, (5, 5))),
        (
            Layer("branch3x3dbl_1", 64),
            Layer("branch3x3dbl_2", 96, (3, 3)),
            Layer("branch3x3dbl_3", 96, (3, 3)),
        ),
        (average_pool, Layer("branch_pool", pool_filters)),
    )


def mixed_6(filters: int) -> tuple:
    """Branches of a block at 17x17, with rows and columns apart."""
    row, column = (1, 7), (7, 1)
    return (
        (Layer("branch1x1", 192),),
        (
            Layer("branch7x7_1", filters),
            Layer("branch7x7_2", filters, row),
            Layer("branch7x7_3", 192, column),
        ),
        (
            Layer("branch7x7dbl_1", filters),
            Layer("branch7x7dbl_2", filters, column),
            Layer("branch7x7dbl_3", filters, row),
            Layer("branch7x7dbl_4", filters, column),
            Layer("branch7x7dbl_5", 192, row),
        ),
        (average_pool, Layer("branch_pool", 192)),
    )


def mixed_7(pool) -> tuple:
    """Branches of a block at 8x8."""

    def fork(name):
        return Fork(
            Layer(f"{name}a", 384, (1, 3)),
            Layer(f"{name}b", 384, (3, 1)),
        )

    return (
        (Layer("branch1x1", 320),),
        (Layer("branch3x3_1", 384), fork("branch3x3_2")),
        (
            Layer("branch3x3dbl_1", 448),
            Layer("branch3x3dbl_2", 384, (3, 3)),
            fork("branch3x3dbl_3"),
        ),
        (pool, Layer("branch_pool", 192)),
    )


TO_17X17 = (
    (Layer("branch3x3", 384, (3, 3), 2, "VALID"),),
    (
        Layer("branch3x3dbl_1", 64),
        Layer("branch3x3dbl_2", 96, (3, 3)),
        Layer("branch3x3dbl_3", 96, (3, 3), 2, "VALID"),
    ),
    (halve,),
)
TO_8X8 = (
    (Layer("branch3x3_1", 192), Layer("branch3x3_2", 320, (3, 3), 2, "VALID")),
    (
        Layer("branch7x7x3_1", 192),
        Layer("branch7x7x3_2", 192, (1, 7)),
        Layer("branch7x7x3_3", 192, (7, 1)),
        Layer("branch7x7x3_4", 192, (3, 3), 2, "VALID"),
    ),
    (halve,),
)
STEM = (
    Layer("Conv2d_1a_3x3", 32, (3, 3), 2, "VALID"),
    Layer("Conv2d_2a_3x3", 32, (3, 3), padding="VALID"),
    Layer("Conv2d_2b_3x3", 64, (3, 3)),
    halve,
    Layer("Conv2d_3b_1x1", 80),
    Layer("Conv2d_4a_3x3", 192, (3, 3), padding="VALID"),
    halve,
)
BLOCKS = {
    "Mixed_5b": mixed_5(32),
    "Mixed_5c": mixed_5(64),
    "Mixed_5d": mixed_5(64),
    "Mixed_6a": TO_17X17,
    "Mixed_6b": mixed_6(128),
    "Mixed_6c": mixed_6(160),
    "Mixed_6d": mixed_6(160),
    "Mixed_6e": mixed_6(192),
    "Mixed_7a": TO_8X8,
    "Mixed_7b": mixed_7(average_pool),
    "Mixed_7c": mixed_7(max_pool),
}


def logits_layer(name: str | None = None) -> nn.Module:
    """Features [N, 2048] to logits [N, 1008], the "unbiased" ones of the FID tools.

    Without the bias that the file has as `fc.bias`, as the Inception Score wants them.
    """
    return nn.Dense(NUM_LOGITS, use_bias=False, precision=_PRECISION, name=name)


def prepared(images: jax.Array) -> jax.Array:
    """What the network takes, float32 [B, 299, 299, 3] in [-1, 1).

    Of uint8 [B, H, W, 3] of any size, or [B, H, W, 1], taken as grey.
    """
    images = (resize(images.astype(jnp.float32)) - 128) / 128
    return jnp.broadcast_to(images, (*images.shape[:3], 3))


class InceptionV3(nn.Module):
    """Features and logits of images."""

    @nn.compact
    def __call__(self, maps: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features [B, 2048] and logits [B, 1008] of what `prepared` returns."""
        for step in STEM:
            is_layer = isinstance(step, Layer)
            maps = ConvNorm(step, name=step.name)(maps) if is_layer else step(maps)
        for name, branches in BLOCKS.items():
            maps = Mixed(branches, name=name)(maps)
        features = maps.mean(axis=(1, 2))
        return features, logits_layer("fc")(features)
