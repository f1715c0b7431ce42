"""Weights and images drawn by a seed, on which Inception-v3 is compared."""

import zlib

import numpy as np

from gan_jax.features import inception_tensors

# Of resized, shrunk, grey, rectangular images, and of those that fit.
IMAGE_SHAPES = ((32, 32, 3), (28, 28, 1), (40, 24, 3), (299, 299, 3), (400, 320, 3))


def random_tensors(seed: int) -> dict[str, np.ndarray]:
    """Tensors of a file of weights, float32, with activations of one size throughout.

    Convolutions are uniform with He's variance, statistics and scales around 0 and 1.
    """
    return {
        name: _tensor(name, shape, _generator(seed, name))
        for name, (_, shape, _) in inception_tensors().items()
    }


def random_images(
    seed: int, shape: tuple[int, int, int], number: int = 2
) -> np.ndarray:
    """uint8 [number, H, W, C]: squares of noise, coarser from image to image."""
    height, width, channels = shape
    random = _generator(seed, f"images {shape}")
    images = []
    for scale in range(1, number + 1):
        size = -(-height // scale), -(-width // scale), channels
        squares = (256 * random.random(size)).astype(np.uint8)
        image = squares.repeat(scale, axis=0).repeat(scale, axis=1)
        images.append(image[:height, :width])
    return np.stack(images)


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _tensor(
    name: str, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    values = random.random(shape)
    if name.endswith(("bn.weight", "bn.running_var")):
        values = 0.5 + values
    elif name.startswith("fc") or len(shape) == 1:
        values = 0.4 * values - 0.2
    else:
        values = (2 * values - 1) * np.sqrt(6 / np.prod(shape[1:]))
    return values.astype(np.float32)
