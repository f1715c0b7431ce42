"""Batches of uint8 images, on the device or fed to it, shuffled by (seed, epoch)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.augment import random_flips
from gan_jax.types import Batch

# Folded into the data key in place of an epoch, which never gets so far.
_FLIP_STREAM = 2**32 - 1


class EpochOrder(NamedTuple):
    """The order of one epoch's examples, kept so that it is drawn once an epoch."""

    key: jax.Array  # typed key, determines the order of every epoch
    epoch: jax.Array  # [] int32; -1: none drawn yet
    indices: jax.Array  # [N] int32

    @classmethod
    def empty(cls, key: jax.Array, num_examples: int) -> "EpochOrder":
        # A copy, since orders are donated and the key is the caller's.
        return cls(jnp.copy(key), jnp.int32(-1), jnp.zeros(num_examples, jnp.int32))


class FedBatches(NamedTuple):
    """Whole batches of a dispatch, gathered on the host: see feed.py."""

    images: jax.Array  # uint8 [K, B, H, W, C]
    labels: jax.Array  # int32 [K, B]
    first: jax.Array  # [] int32, number of the first batch


def order_of_epoch(order: EpochOrder, epoch: jax.Array) -> EpochOrder:
    """`order` if it is the epoch's, else the one that its key and epoch determine."""

    def draw() -> EpochOrder:
        indices = jnp.arange(order.indices.size, dtype=jnp.int32)
        epoch_key = jax.random.fold_in(order.key, epoch)
        return EpochOrder(order.key, epoch, jax.random.permutation(epoch_key, indices))

    return jax.lax.cond(epoch == order.epoch, lambda: order, draw)


def take_batch(
    data: Batch | FedBatches,
    order: EpochOrder,
    *,
    batch_number: jax.Array,
    batch_size: int,
    flip: bool = False,
) -> tuple[Batch, EpochOrder]:
    """Gathers batch `batch_number`, counted from the start of training.

    An epoch has floor(N / batch_size) batches; the examples left over differ from
    epoch to epoch.

    Args:
      data: all N examples, images uint8 [N or more, H, W, C] and labels; what fills
        them up is never taken. Or batches, this one among them.
      order: that of the batch before, or `EpochOrder.empty(key, N)`, whose key
        determines the flips of every batch too. Of fed batches only the key is used.
      batch_number: [] int32.
      batch_size: at most N.
      flip: whether each image is mirrored, left to right, with probability 1/2.

    Returns:
      The batch, still uint8, and the order to pass with the next one.
    """
    if isinstance(data, FedBatches):
        images, labels = (
            jax.lax.dynamic_index_in_dim(
                array, batch_number - data.first, keepdims=False
            )
            for array in (data.images, data.labels)
        )
    else:
        batches_per_epoch = order.indices.size // batch_size
        order = order_of_epoch(order, batch_number // batches_per_epoch)
        start = (batch_number % batches_per_epoch) * batch_size
        indices = jax.lax.dynamic_slice(order.indices, (start,), (batch_size,))
        images, labels = data.images[indices], data.labels[indices]
    if flip:
        flip_key = jax.random.fold_in(order.key, _FLIP_STREAM)
        images = random_flips(images, jax.random.fold_in(flip_key, batch_number))
    return Batch(images, labels), order


def fixed_order(num_examples: int) -> jax.Array:
    """A random order of so many examples, always the same: int32 [num_examples].

    For whatever takes a part of a user's data or cuts it into parts: files are often
    sorted by class.
    """
    indices = jnp.arange(num_examples, dtype=jnp.int32)
    return jax.random.permutation(jax.random.key(0), indices)


def some_of(array: np.ndarray, number: int) -> np.ndarray:
    """At most so many rows, always the same: the first ones in the fixed order."""
    if len(array) <= number:
        return array
    return array[np.asarray(fixed_order(len(array)))[:number]]


def scale_images(images: jax.Array, value_range: tuple[float, float]) -> jax.Array:
    """uint8 images to float32 in `value_range`: 0 to its low end, 255 to its high.

    Up to float32 rounding: compiled, the high end may come out one unit in the last
    place beyond.
    """
    low, high = value_range
    return images.astype(jnp.float32) * ((high - low) / 255) + low


def to_uint8(images: jax.Array, value_range: tuple[float, float]) -> jax.Array:
    """The inverse of `scale_images`, rounded and clipped."""
    low, high = value_range
    bytes_ = jnp.round((images - low) * (255 / (high - low)))
    return jnp.clip(bytes_, 0, 255).astype(jnp.uint8)
