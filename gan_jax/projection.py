"""Latents of given images, and the directions in which images change most."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.data.batches import scale_images
from gan_jax.generator import Generator
from gan_jax.types import PyTree

STARTS = 8  # of each image; the nearest result counts
STEPS = 300
LEARNING_RATE = 0.1


class Projection(NamedTuple):
    """Latents whose images are near to given ones."""

    latents: jax.Array  # [N, Z]
    images: jax.Array  # uint8 [N, H, W, C]
    pixel_distances: np.ndarray  # [N] root mean square of differences in [0, 1]


def check_mode(generator: Generator) -> None:
    """Raises ValueError if an image is no function of its latent and class."""
    if generator.sampler.gan.modes.generator_in_sampling:
        raise ValueError("projection needs a generator that samples in eval mode")


def project(
    generator: Generator,
    key: jax.Array,
    images: np.ndarray,
    labels: np.ndarray | None,
    features: Callable[[jax.Array], jax.Array],
    *,
    num_steps: int = STEPS,
) -> Projection:
    """Finds latents by Adam, from the STARTS draws of the prior that `key` gives.

    What falls is the mean squared difference of pixels plus that of features, each
    divided by its mean over pairs of different given images, so that both count alike
    and 2 is what a wrong image has.

    Args:
      generator: in eval mode, so that an image is a function of its latent and class.
      images: to find, uint8 [N, H, W, C], N >= 2.
      labels: their classes [N]; None for an unconditional generator.
      features: images float [N, H, W, C] in [0, 1] -> [N, F], differentiable.

    Raises:
      ValueError: the generator is in train mode, or there is one image alone.

    Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
    section 5 (projection by a perceptual distance).
    """
    check_mode(generator)
    gan = generator.sampler.gan
    number = len(images)
    if number < 2:
        raise ValueError(f"{number} images: distances are relative to those of others")
    targets = scale_images(jnp.asarray(images), (0.0, 1.0))
    classes = jnp.zeros(number, jnp.int32) if labels is None else jnp.asarray(labels)
    all_classes = jnp.tile(classes, STARTS)

    def described(values):
        """Pixels [M, P] and features [M, F] of images [M, H, W, C]."""
        return values.reshape(len(values), -1), features(values)

    wanted = described(targets)
    # Of pairs of neighbours in the list, which are different images.
    scales = [
        jnp.square(values - jnp.roll(values, 1, axis=0)).mean() for values in wanted
    ]

    def generated(latents):
        """Images in [0, 1], [STARTS * N, H, W, C]."""
        low, high = gan.value_range
        values = gan.images(generator.variables, latents, all_classes, key)
        return jnp.clip((values - low) / (high - low), 0, 1)

    def distances(latents):
        """Of each start to its image, [STARTS, N]."""
        total = jnp.zeros((STARTS, number))
        found = described(generated(latents))
        for values, target, scale in zip(found, wanted, scales, strict=True):
            differences = values.reshape(STARTS, number, -1) - target[None]
            total = total + jnp.square(differences).mean(axis=-1) / scale
        return total

    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, num_steps))

    @jax.jit
    def search(latents):
        def step(carry, _):
            latents, state = carry
            gradients = jax.grad(lambda latents: distances(latents).sum())(latents)
            updates, state = optimizer.update(gradients, state)
            return (optax.apply_updates(latents, updates), state), None

        start = (latents, optimizer.init(latents))
        (latents, _), _ = jax.lax.scan(step, start, None, length=num_steps)
        return latents, distances(latents)

    latents, found = search(gan.sample_latents(key, STARTS * number))
    best = jnp.argmin(found, axis=0)
    latents = latents.reshape(STARTS, number, -1)[best, jnp.arange(number)]
    keys = jnp.repeat(key[None], number)
    given = generator.sampler.generate(
        generator.variables, keys, np.asarray(classes), latents
    )
    differences = scale_images(given, (0.0, 1.0)) - targets
    squared = jnp.square(differences).mean(axis=(1, 2, 3))
    return Projection(latents, given, np.sqrt(np.asarray(squared)))


def directions(generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions in latent space by how much they change the first layer.

    The eigenvectors of A A^T, A [Z, F] the kernel that the first layer applies to the
    latents: closed form, no images and no training.

    Returns:
      directions [Z, Z], a row each, the strongest first; and the factors, [Z], by which
      a step along each changes the first layer: roots of the eigenvalues.

    Raises:
      ValueError: the generator's class does not say which layer is its first.

    Source: Shen & Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs"
    (SeFa), equation 4.
    """
    network = generator.sampler.gan.sampling_generator
    layer = getattr(network, "latent_layer", None)
    if layer is None:
        raise ValueError(
            f"{type(network).__name__} has no latent_layer, the path of the layer that "
            "its latents enter"
        )
    kernel = _kernel(generator.variables["params"], layer)[: generator.latent_size]
    matrix = np.asarray(kernel, np.float64)
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    return vectors.T[::-1], np.sqrt(np.maximum(values[::-1], 0))


def _kernel(params: PyTree, layer: tuple[str, ...]) -> jax.Array:
    """The kernel of the layer at the end of a path; norms of weights may wrap it."""
    wanted = (*layer, "kernel")
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        names = tuple(str(entry.key) for entry in path)
        if names[-len(wanted) :] == wanted:
            return leaf
    raise KeyError(f"no layer {layer} in {list(params)}")
