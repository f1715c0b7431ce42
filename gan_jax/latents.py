"""Ways through latent space: paths between two latents, and truncated draws.

Each is a table from the name of a prior to a function.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def linear_path(start: jax.Array, end: jax.Array, times: jax.Array) -> jax.Array:
    """(1 - t) a + t b for every time t: [T, Z] from `start`, `end` [Z], `times` [T]."""
    times = times[:, None]
    return (1 - times) * start[None] + times * end[None]


def spherical_path(start: jax.Array, end: jax.Array, times: jax.Array) -> jax.Array:
    """The path on the great circle between two directions.

    (sin((1 - t) w) a + sin(t w) b) / sin w, w the angle between a and b

    Draws from N(0, 1)^Z lie near a sphere of radius sqrt(Z). A straight line between
    two of them leaves it, by a factor of sqrt(2) half-way, for latents that the
    generator has hardly seen; this path does not. Where the angle is 0 it is the
    straight line.

    Args:
      start: [Z], not zero.
      end: [Z], not zero nor opposite to `start`.
      times: [T] in [0, 1].

    Returns:
      [T, Z].

    Source: White 2016, section 2.1.
    """
    cosine = start @ end / (jnp.linalg.norm(start) * jnp.linalg.norm(end))
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    times = times[:, None]
    sines = jnp.sin((1 - times) * angle), jnp.sin(times * angle)
    arc = (sines[0] * start[None] + sines[1] * end[None]) / jnp.sin(angle)
    return jnp.where(angle == 0, linear_path(start, end, times[:, 0]), arc)


def truncate_normal(latents: jax.Array, key: jax.Array, threshold: float) -> jax.Array:
    """Draws from N(0, 1), each value beyond +-threshold drawn again until within.

    The values within stay, so that draws truncated at two thresholds have as much in
    common as they can. Shapes as they come; threshold > 0.

    Source: Brock et al. 2019, section 3.1 (the truncation trick).
    """
    redrawn = jax.random.truncated_normal(
        key, -threshold, threshold, latents.shape, latents.dtype
    )
    return jnp.where(jnp.abs(latents) <= threshold, latents, redrawn)


def scale_uniform(latents: jax.Array, key: jax.Array, threshold: float) -> jax.Array:
    """Draws from U(-1, 1) scaled to U(-threshold, threshold); needs no key."""
    del key
    return threshold * latents


PATHS: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "normal": spherical_path,
    "uniform": linear_path,
}
TRUNCATIONS: dict[str, Callable[[jax.Array, jax.Array, float], jax.Array]] = {
    "normal": truncate_normal,
    "uniform": scale_uniform,
}
