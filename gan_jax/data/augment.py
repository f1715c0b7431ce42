"""Random changes of images that leave their class as it is, drawn on the device."""

import jax
import jax.numpy as jnp


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
    pad = (max_shift, max_shift)
    padded = jnp.pad(images, ((0, 0), pad, pad, (0, 0)), mode="reflect")
    shape = (images.shape[0], 2)
    corners = jax.random.randint(key, shape, 0, 2 * max_shift + 1, jnp.int32)

    def window(image, corner):
        start = (*corner, jnp.int32(0))
        return jax.lax.dynamic_slice(image, start, images.shape[1:])

    return jax.vmap(window)(padded, corners)
