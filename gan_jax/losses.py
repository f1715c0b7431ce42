"""Adversarial losses as pure functions on logits: arrays in, scalars out.

A discriminator's logit is positive where it believes an image to be real; the
sigmoid belongs to the loss.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

LABEL_SMOOTHING_KINDS = ("none", "fixed", "random")


class AdversarialLoss(NamedTuple):
    """The two sides of one game.

    `discriminator(real_logits, fake_logits, real_targets)` and
    `generator(fake_logits)`: logits and targets [B] in, mean loss [] out.
    """

    discriminator: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array], jax.Array]
    uses_targets: bool  # whether label smoothing has a meaning


def cross_entropy_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array, real_targets: jax.Array
) -> jax.Array:
    """BCE(D(x), t) + BCE(D(G(z)), 0), each a mean over its batch.

    Args:
      real_logits: [B] logits of real images.
      fake_logits: [B] logits of generated images.
      real_targets: [B] in [0, 1], 1 without label smoothing.

    Source: Goodfellow et al. 2014, section 3; one-sided targets: Salimans et al.
    2016, section 3.4.
    """
    real = optax.sigmoid_binary_cross_entropy(real_logits, real_targets)
    fake = optax.sigmoid_binary_cross_entropy(fake_logits, jnp.zeros_like(fake_logits))
    return real.mean() + fake.mean()


def non_saturating_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """BCE(D(G(z)), 1) = -E log D(G(z)).

    Source: Goodfellow et al. 2014, section 3, last paragraph.
    """
    targets = jnp.ones_like(fake_logits)
    return optax.sigmoid_binary_cross_entropy(fake_logits, targets).mean()


def minimax_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """E log(1 - D(G(z))), which saturates where D is sure of itself.

    Source: Goodfellow et al. 2014, equation 1.
    """
    return -jax.nn.softplus(fake_logits).mean()


def wasserstein_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array, real_targets: jax.Array
) -> jax.Array:
    """-(E f(x) - E f(G(z))); the targets have no part in it.

    Source: Arjovsky et al. 2017, equation 3.
    """
    del real_targets
    return fake_logits.mean() - real_logits.mean()


def wasserstein_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """-E f(G(z)). Source: Arjovsky et al. 2017, algorithm 1."""
    return -fake_logits.mean()


ADVERSARIAL_LOSSES = {
    "non_saturating": AdversarialLoss(
        cross_entropy_discriminator_loss, non_saturating_generator_loss, True
    ),
    "minimax": AdversarialLoss(
        cross_entropy_discriminator_loss, minimax_generator_loss, True
    ),
    "wasserstein": AdversarialLoss(
        wasserstein_discriminator_loss, wasserstein_generator_loss, False
    ),
}


def real_targets(
    key: jax.Array, batch_size: int, *, kind: str, amount: float
) -> jax.Array:
    """Targets for real images under one-sided label smoothing.

    `none`: 1. `fixed`: 1 - amount. `random`: 1 - amount * U(0, 1), drawn anew for
    every image.

    Returns:
      [B] float32 in [1 - amount, 1].

    Raises:
      ValueError: unknown kind, or amount outside [0, 1].

    Source: Dittrich, "soft label"; Salimans et al. 2016, section 3.4.
    """
    if kind not in LABEL_SMOOTHING_KINDS:
        raise ValueError(
            f"unknown label smoothing {kind!r}; known: {LABEL_SMOOTHING_KINDS}"
        )
    if not 0 <= amount <= 1:
        raise ValueError(f"label smoothing amount {amount} is outside [0, 1]")
    if kind == "none":
        return jnp.ones(batch_size)
    if kind == "fixed":
        return jnp.full(batch_size, 1 - amount)
    return 1 - amount * jax.random.uniform(key, (batch_size,))


def r1_penalty(
    logits_of: Callable[[jax.Array], jax.Array], images: jax.Array
) -> jax.Array:
    """E |grad_x D(x)|^2 over real images, to be weighted by gamma / 2.

    Args:
      logits_of: maps images [B, H, W, C] to logits [B], example by example.
      images: real images, [B, H, W, C].

    Source: Mescheder et al. 2018, equation 9.
    """
    gradients = jax.grad(lambda inputs: logits_of(inputs).sum())(images)
    return jnp.sum(gradients**2, axis=tuple(range(1, images.ndim))).mean()
