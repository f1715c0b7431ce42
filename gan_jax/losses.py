"""Adversarial losses as pure functions on logits: arrays in, scalars out.

A discriminator's logit is positive where it believes an image to be real; the
sigmoid belongs to the loss.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

LABEL_SMOOTHING_KINDS = ("none", "fixed", "random", "two_sided")


class Targets(NamedTuple):
    """What a discriminator should say of its images; 1 and 0 without smoothing."""

    real: jax.Array  # [B] in [0, 1]
    fake: jax.Array  # [B] in [0, 1]


class AdversarialLoss(NamedTuple):
    """The two sides of one game.

    `discriminator(real_logits, fake_logits, targets)` and `generator(fake_logits)`:
    logits and targets [B] in, mean loss [] out.
    """

    discriminator: Callable[[jax.Array, jax.Array, Targets], jax.Array]
    generator: Callable[[jax.Array], jax.Array]
    uses_targets: bool  # whether label smoothing has a meaning
    # A logit above it takes the image for real. Without meaning for a Wasserstein
    # critic, which is defined up to a constant.
    boundary: float = 0.0


def cross_entropy_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array, targets: Targets
) -> jax.Array:
    """BCE(D(x), t) + BCE(D(G(z)), u), each a mean over its batch.

    Args:
      real_logits: [B] logits of real images.
      fake_logits: [B] logits of generated images.
      targets: t and u, 1 and 0 without label smoothing.

    Source: Goodfellow et al. 2014, section 3; one-sided targets: Salimans et al.
    2016, section 3.4.
    """
    real = optax.sigmoid_binary_cross_entropy(real_logits, targets.real)
    fake = optax.sigmoid_binary_cross_entropy(fake_logits, targets.fake)
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
    real_logits: jax.Array, fake_logits: jax.Array, targets: Targets
) -> jax.Array:
    """-(E f(x) - E f(G(z))); the targets have no part in it.

    Source: Arjovsky et al. 2017, equation 3.
    """
    del targets
    return fake_logits.mean() - real_logits.mean()


def wasserstein_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """-E f(G(z)). Source: Arjovsky et al. 2017, algorithm 1."""
    return -fake_logits.mean()


def hinge_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array, targets: Targets
) -> jax.Array:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))); the targets have no part in it.

    Source: Miyato et al. 2018, equation 16. The generator's is Wasserstein's.
    """
    del targets
    return jax.nn.relu(1 - real_logits).mean() + jax.nn.relu(1 + fake_logits).mean()


def least_squares_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array, targets: Targets
) -> jax.Array:
    """E (D(x) - t)^2 / 2 + E (D(G(z)) - u)^2 / 2, t = 1 and u = 0 unless smoothed.

    Source: Mao et al. 2017, equation 2 with its 0-1 coding (equation 9).
    """
    real = (real_logits - targets.real) ** 2
    fake = (fake_logits - targets.fake) ** 2
    return (real.mean() + fake.mean()) / 2


def least_squares_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """E (D(G(z)) - 1)^2 / 2. Source: Mao et al. 2017, equation 9."""
    return ((fake_logits - 1) ** 2).mean() / 2


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
    "hinge": AdversarialLoss(
        hinge_discriminator_loss, wasserstein_generator_loss, False
    ),
    "least_squares": AdversarialLoss(
        least_squares_discriminator_loss,
        least_squares_generator_loss,
        True,
        boundary=0.5,
    ),
}


def make_targets(
    key: jax.Array, batch_size: int, *, kind: str, amount: float
) -> Targets:
    """Targets [B] for real and for generated images under label smoothing.

    Real images: `none`: 1. `fixed`: 1 - amount. `random`: 1 - amount * U(0, 1), drawn
    anew for every image. These leave 0 for generated images; `two_sided` is k-way
    smoothing with k = 2: 1 - amount / 2 and amount / 2.

    Raises:
      ValueError: unknown kind, or amount outside [0, 1].

    Source: Dittrich, "soft label"; Salimans et al. 2016, section 3.4; Sridhar.
    """
    if kind not in LABEL_SMOOTHING_KINDS:
        raise ValueError(
            f"unknown label smoothing {kind!r}; known: {LABEL_SMOOTHING_KINDS}"
        )
    if not 0 <= amount <= 1:
        raise ValueError(f"label smoothing amount {amount} is outside [0, 1]")
    ones = jnp.ones(batch_size, jnp.float32)
    zeros = jnp.zeros(batch_size, jnp.float32)
    match kind:
        case "none":
            return Targets(ones, zeros)
        case "fixed":
            return Targets(ones - amount, zeros)
        case "random":
            draws = jax.random.uniform(key, (batch_size,), jnp.float32)
            return Targets(1 - amount * draws, zeros)
        case "two_sided":
            return Targets(ones - amount / 2, zeros + amount / 2)


def class_loss(
    class_logits: jax.Array, labels: jax.Array, *, smoothing: float
) -> jax.Array:
    """Cross-entropy of the classes, a mean over the batch.

    With smoothing e of k classes the target 1 becomes 1 - (k - 1) e / k, and 0 e / k.

    Args:
      class_logits: [B, k].
      labels: [B] int32.
      smoothing: e in [0, 1].

    Source: Odena et al. 2017, section 4 (L_C); smoothing: Sridhar.
    """
    one_hot = jax.nn.one_hot(labels, class_logits.shape[-1], dtype=class_logits.dtype)
    targets = optax.smooth_labels(one_hot, smoothing)
    return optax.softmax_cross_entropy(class_logits, targets).mean()


def mode_seeking(
    images: jax.Array, other_images: jax.Array, latents: jax.Array, others: jax.Array
) -> jax.Array:
    """The inverse of how far images move with their latents, to be minimised.

    1 / (E |G(z) - G(z')| / E |z - z'| + 1e-5), means over pairs and elements.

    Args:
      images, other_images: [P, H, W, C] in [-1, 1], pairs of one class each. (In
        [0, 1] images move half as far, and the loss is twice as large.)
      latents, others: [P, Z], what they were generated from.

    Source: Mao et al. 2019, "Mode Seeking Generative Adversarial Networks", equation 3,
    with the inverse as in the authors' program.
    """
    moved = jnp.abs(images - other_images).mean()
    return 1 / (moved / jnp.abs(latents - others).mean() + 1e-5)


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


def gradient_penalty(
    logits_of: Callable[[jax.Array], jax.Array],
    real_images: jax.Array,
    fake_images: jax.Array,
    fractions: jax.Array,
) -> jax.Array:
    """E (|grad_x D(x)| - 1)^2 at places x between a real and a generated image each.

    The norm is that of every example's own gradient; to be weighted by lambda.

    Args:
      logits_of: maps images [B, H, W, C] to logits [B], example by example.
      real_images: [B, H, W, C].
      fake_images: [B, H, W, C].
      fractions: [B], of the real image at x; the paper's are uniform on [0, 1].

    Source: Gulrajani et al. 2017, equation 3.
    """
    fractions = fractions.reshape(-1, 1, 1, 1)
    images = fractions * real_images + (1 - fractions) * fake_images
    gradients = jax.grad(lambda inputs: logits_of(inputs).sum())(images)
    squared = jnp.sum(gradients**2, axis=tuple(range(1, images.ndim)))
    # The root's derivative at 0 is infinite.
    norms = jnp.sqrt(jnp.maximum(squared, 1e-12))
    return jnp.mean((norms - 1) ** 2)
