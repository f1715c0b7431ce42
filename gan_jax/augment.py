"""Random changes of images, drawn on the device.

Flips and shifts leave a training image's class as it is. AUGMENTATIONS are of all
images that a discriminator sees, and differentiable (Zhao et al. 2020). A new one is a
function (images [B, H, W, C] in [-1, 1], key) -> images, and a line in the table.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Augmentation = Callable[[jax.Array, jax.Array], jax.Array]


def random_flips(images: jax.Array, key: jax.Array) -> jax.Array:
    """Mirrors each image left to right with probability 1/2.

    Takes and returns [B, H, W, C] of any type.
    """
    half = jnp.float32(0.5)  # of this type in 64-bit mode too
    flip = jax.random.bernoulli(key, half, (images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def random_shifts(images: jax.Array, key: jax.Array, max_shift: int) -> jax.Array:
    """Shifts each image by up to `max_shift` pixels up or down and left or right.

    Every shift in [-max_shift, max_shift] is as likely, in both directions apart. What
    comes in at an edge is the image reflected there (the edge itself not repeated).

    Takes and returns [B, H, W, C] of any type; H and W larger than max_shift.
    """
    return _shifted(images, key, (max_shift, max_shift), "reflect")


def translation(images: jax.Array, key: jax.Array) -> jax.Array:
    """Shifts each image by up to an eighth of its height and of its width.

    Every whole number of pixels is as likely; zeros come in at the edges.

    Takes and returns [B, H, W, C]. Source: Zhao et al. 2020, "Differentiable
    Augmentation for Data-Efficient GAN Training", section 4.1.
    """
    _, height, width, _ = images.shape
    return _shifted(images, key, (round(height / 8), round(width / 8)), "constant")


def cutout(images: jax.Array, key: jax.Array) -> jax.Array:
    """Sets a rectangle of half the height and width to 0 in each image.

    Its centre is any pixel with equal probability; what lies outside the image is cut.

    Takes and returns [B, H, W, C]. Source: Zhao et al. 2020, section 4.1.
    """
    number, height, width, _ = images.shape
    sizes = jnp.asarray((height, width), jnp.int32)
    centres = jax.random.randint(key, (number, 2), 0, sizes[None], jnp.int32)

    def covered(size, centre):
        """Which of so many positions the rectangles cover, [B, size]."""
        start = centre[:, None] - size // 4
        positions = jnp.arange(size, dtype=jnp.int32)[None]
        return (positions >= start) & (positions < start + size // 2)

    rows, columns = covered(height, centres[:, 0]), covered(width, centres[:, 1])
    hidden = rows[:, :, None] & columns[:, None, :]
    return jnp.where(hidden[..., None], 0, images)


def color(images: jax.Array, key: jax.Array) -> jax.Array:
    """Changes each image's brightness, saturation and contrast at random.

    In this order: adds u - 0.5; multiplies the differences of a pixel's channels from
    their mean by 2 u (of colour images alone); multiplies differences from the image's
    mean by u + 0.5. Each u is uniform on [0, 1), one for each image and change.

    Takes and returns [B, H, W, C] in [-1, 1], which the result may leave.
    Source: Zhao et al. 2020, section 4.1 and the authors' program.
    """
    draws = jax.random.uniform(key, (3, len(images), 1, 1, 1), jnp.float32)
    brightness, saturation, contrast = draws
    images = images + (brightness - 0.5)
    if images.shape[-1] > 1:
        means = images.mean(axis=-1, keepdims=True)
        images = (images - means) * (2 * saturation) + means
    means = images.mean(axis=(1, 2, 3), keepdims=True)
    return (images - means) * (contrast + 0.5) + means


# Of grey images `color` changes brightness and contrast.
AUGMENTATIONS: dict[str, Augmentation] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


def _shifted(
    images: jax.Array, key: jax.Array, max_shifts: tuple[int, int], mode: str
) -> jax.Array:
    """Each image shifted at random along height and width, padded as `jnp.pad`."""
    rows, columns = max_shifts
    padding = ((0, 0), (rows, rows), (columns, columns), (0, 0))
    padded = jnp.pad(images, padding, mode=mode)
    ends = 2 * jnp.asarray(max_shifts, jnp.int32) + 1
    shape = (images.shape[0], 2)
    corners = jax.random.randint(key, shape, 0, ends[None], jnp.int32)

    def window(image, corner):
        start = (*corner, jnp.int32(0))
        return jax.lax.dynamic_slice(image, start, images.shape[1:])

    return jax.vmap(window)(padded, corners)
