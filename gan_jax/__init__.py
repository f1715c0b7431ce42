"""Generative adversarial networks for small images, in JAX, Flax and optax."""

from gan_jax.generator import Generator, load_generator

__all__ = ["Generator", "load_generator"]
