"""Images from a trained generator, on the device, in batches as it was trained on."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.gan import Gan
from gan_jax.types import PyTree

Sampler = Callable[[dict[str, PyTree], jax.Array, np.ndarray], jax.Array]


def make_sampler(gan: Gan, *, batch_size: int) -> Sampler:
    """A function (variables, key, labels [N] int) -> images uint8 [N, H, W, C].

    One call to the device generates everything, `batch_size` images at a time. Where
    an image depends on the others in its batch (batch norm in train mode), every
    batch holds the classes in turn, as often as in training on average, and the images
    asked for are picked from as many batches as that takes: asking for one class only
    costs about `num_classes` times as much. Elsewhere the last batch is filled up.
    """

    @jax.jit
    def generate_batches(variables, key, labels):
        def generate(batch):
            number, batch_labels = batch
            latent_key, dropout_key = jax.random.split(jax.random.fold_in(key, number))
            latents = gan.sample_latents(latent_key, batch_size)
            return gan.generate(variables, latents, batch_labels, dropout_key)

        numbers = jnp.arange(labels.shape[0])
        return jax.lax.map(generate, (numbers, labels)).reshape(-1, *gan.image_shape)

    needs_balance = (
        gan.conditional
        and gan.modes.generator_in_sampling
        and gan.sampling_generator.mixes_examples
    )
    plan = functools.partial(
        _balanced_plan if needs_balance else _padded_plan,
        batch_size=batch_size,
        num_classes=gan.num_classes,
    )

    def sample(variables, key, labels):
        labels = check_labels(labels, gan.num_classes)
        batch_labels, positions = plan(labels)
        images = generate_batches(variables, key, jnp.asarray(batch_labels))
        if np.array_equal(positions, np.arange(len(images))):
            return images
        return images[positions]

    return sample


def check_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The labels as int32 [N].

    Raises:
      ValueError: not one-dimensional, empty, not integers or out of range.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            "labels must be a non-empty one-dimensional array of integers, not "
            f"{labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; this generator's "
            f"classes are 0 to {num_classes - 1}"
        )
    return labels.astype(np.int32)


def balanced_labels(num_samples: int, num_classes: int) -> np.ndarray:
    """[num_samples] int32: every class in turn."""
    return np.arange(num_samples, dtype=np.int32) % num_classes


def _padded_plan(labels, *, batch_size, num_classes):
    """Labels [batches, batch_size], and where in them the wanted images are."""
    num_batches = -(-labels.size // batch_size)
    padded = balanced_labels(num_batches * batch_size, num_classes)
    padded[: labels.size] = labels
    return padded.reshape(num_batches, batch_size), np.arange(labels.size)


def _balanced_plan(labels, *, batch_size, num_classes):
    """As `_padded_plan`, with every class in turn in every batch."""
    counts = np.bincount(labels, minlength=num_classes)
    wanted = np.flatnonzero(counts)
    # Class c is at c, c + num_classes, ...: the last one wanted sets the length.
    length = int(max(wanted + (counts[wanted] - 1) * num_classes)) + 1
    num_batches = -(-length // batch_size)
    planned = balanced_labels(num_batches * batch_size, num_classes)
    positions = np.empty(labels.size, np.int64)
    for label in wanted:
        positions[labels == label] = label + num_classes * np.arange(counts[label])
    return planned.reshape(num_batches, batch_size), positions
