"""Terms beside the game: penalties, class losses and what else a player pays for.

A new term is a frozen dataclass with the methods of `Term`, whose fields are its
config, and a line in TERMS.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import optax

from gan_jax.objective.view import View
from gan_jax.types import Verdict

if TYPE_CHECKING:
    from gan_jax.gan import Gan


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
    return _squared_norm(jax.grad(lambda inputs: logits_of(inputs).sum())(images))


def _squared_norm(gradients: jax.Array) -> jax.Array:
    """E |g|^2 of gradients [B, H, W, C], one for each image."""
    return jnp.sum(gradients**2, axis=tuple(range(1, gradients.ndim))).mean()


def lazily(every: int, step: jax.Array, penalty: Callable[[], jax.Array]) -> jax.Array:
    """A penalty [] computed in each `every`-th step, `every` times as large.

    It is 0 in the steps between, and saves their time.

    Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
    section 3.1, "lazy regularization".
    """
    if every == 1:
        return penalty()
    return jax.lax.cond(
        step % every == 0, lambda: every * penalty(), lambda: jnp.float32(0)
    )


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


@dataclasses.dataclass(frozen=True)
class Term:
    """The base of terms; each has a field `weight` (or a property, see `R1Penalty`).

    Attributes:
      weight: of the term in the loss, at least 0; 0 leaves it out.
      player: whose loss it joins, 'generator' or 'discriminator'.
      fake_labels: what classes the generated batch must have: 'drawn' (any), 'real'
        (of the real batch), or 'paired' (those of its second half are those of its
        first).
      held_out: whether it is logged for held-out images too, as a loss and not as a
        means of training.
      compares_real: whether a term of the generator needs the verdict on real images.
      needs_gradients: whether a term of the discriminator needs `View.gradients`.
      trains_classes: whether an auxiliary classifier learns its classes by it.
      weight_field: the name of the field that holds its weight.
    """

    player: ClassVar[str] = "discriminator"
    fake_labels: ClassVar[str] = "drawn"
    held_out: ClassVar[bool] = False
    compares_real: ClassVar[bool] = False
    needs_gradients: ClassVar[bool] = False
    trains_classes: ClassVar[bool] = False
    weight_field: ClassVar[str] = "weight"
    if TYPE_CHECKING:
        weight: float

    def check(self, gan: "Gan") -> None:
        """Raises ValueError("field ...") for what the term or the GAN cannot do."""
        if self.weight < 0:
            value = getattr(self, self.weight_field)
            raise ValueError(f"{self.weight_field} is {value}; it must be >= 0")

    def __call__(self, view: View) -> jax.Array:
        """The term, [], without its weight."""
        raise NotImplementedError


class _GradientTerm(Term):
    """Of the discriminator's gradients with respect to single images.

    `every` > 1 computes it in each `every`-th step alone; see `lazily`.
    """

    if TYPE_CHECKING:
        every: int

    def __call__(self, view: View) -> jax.Array:
        return lazily(self.every, view.progress.step, lambda: self.penalty(view))

    def penalty(self, view: View) -> jax.Array:
        """The penalty, [], of every step."""
        raise NotImplementedError

    def check(self, gan: "Gan") -> None:
        super().check(gan)
        if self.every < 1:
            raise ValueError(f"every is {self.every}; it must be >= 1")
        if gan.discriminator.mixes_examples:
            raise ValueError(
                f"{self.weight_field} is {getattr(self, self.weight_field)}, but this "
                "discriminator's logit of an image depends on the others of its batch "
                "(batch norm, minibatch discrimination), so that no image has a "
                "gradient of its own"
            )


@dataclasses.dataclass(frozen=True)
class R1Penalty(_GradientTerm):
    """The squared gradient norm at real images, weighted by gamma / 2.

    Source: Mescheder et al. 2018, equation 9.
    """

    weight_field = "gamma"

    gamma: float = 1.0
    every: int = 1

    @property
    def weight(self) -> float:
        return self.gamma / 2

    def penalty(self, view: View) -> jax.Array:
        return r1_penalty(_logits_of(view), view.real.images)


@dataclasses.dataclass(frozen=True)
class R1R2Penalty(R1Penalty):
    """The squared gradient norms at real and at generated images, times gamma / 2.

    Of the pass that gives the verdicts, with its augmentations. Source: R1 and R2 of
    Mescheder et al. 2018, equations 9 and 10, together as in Huang et al. 2024,
    section 2.2.
    """

    needs_gradients = True

    def penalty(self, view: View) -> jax.Array:
        real, fake = view.gradients()
        return _squared_norm(real) + _squared_norm(fake)


@dataclasses.dataclass(frozen=True)
class GradientPenalty(_GradientTerm):
    """Wasserstein's gradient penalty; `weight` is the paper's lambda.

    Source: Gulrajani et al. 2017, equation 3.
    """

    # What lies between two images of one class is of that class.
    fake_labels = "real"

    weight: float = 10.0
    every: int = 1

    def penalty(self, view: View) -> jax.Array:
        fractions = view.draw(
            lambda key, size: jax.random.uniform(key, (size,), jnp.float32)
        )
        return gradient_penalty(
            _logits_of(view), view.real.images, view.fake.images, fractions
        )


@dataclasses.dataclass(frozen=True)
class _ClassLoss(Term):
    """Of an auxiliary classifier; `smoothing` is that of `class_loss`, in [0, 1]."""

    held_out = True
    trains_classes = True

    weight: float = 1.0
    smoothing: float = 0.0

    def check(self, gan: "Gan") -> None:
        super().check(gan)
        if not 0 <= self.smoothing <= 1:
            raise ValueError(f"smoothing is {self.smoothing}; it must be in [0, 1]")
        if not gan.classifies:
            raise ValueError(
                f"weight is {self.weight}, but the discriminator is no auxiliary "
                "classifier (config.discriminator.conditioning)"
            )

    def of(self, verdict: Verdict, labels: jax.Array) -> jax.Array:
        return class_loss(verdict.class_logits, labels, smoothing=self.smoothing)


@dataclasses.dataclass(frozen=True)
class DiscriminatorClassLoss(_ClassLoss):
    """The discriminator's class loss (Odena et al. 2017).

    Attributes:
      classify_generated: whether it is of generated images too, or of real ones alone,
        so that no cue that the generator plants for it can stand for a class.
    """

    classify_generated: bool = True

    def __call__(self, view: View) -> jax.Array:
        loss = self.of(view.real_verdict, view.real.labels)
        if self.classify_generated:
            loss = loss + self.of(view.fake_verdict, view.fake.labels)
        return loss


class GeneratorClassLoss(_ClassLoss):
    """The generator's class loss, of its own images (Odena et al. 2017)."""

    player = "generator"

    def __call__(self, view: View) -> jax.Array:
        return self.of(view.fake_verdict, view.fake.labels)


@dataclasses.dataclass(frozen=True)
class L1(Term):
    """E |G(z) - x|, x a real image, of the same class if conditional."""

    player = "generator"
    fake_labels = "real"

    weight: float = 1.0

    def __call__(self, view: View) -> jax.Array:
        return jnp.mean(jnp.abs(view.fake.images - view.real.images))


@dataclasses.dataclass(frozen=True)
class ModeSeeking(Term):
    """`mode_seeking` of pairs of one class: the two halves of the generated batch."""

    player = "generator"
    fake_labels = "paired"

    weight: float = 1.0

    def __call__(self, view: View) -> jax.Array:
        half = view.fake.labels.size // 2
        images, latents = view.fake.images, view.latents
        return mode_seeking(
            images[:half], images[-half:], latents[:half], latents[-half:]
        )


TERMS: dict[str, type[Term]] = {
    "r1_penalty": R1Penalty,
    "r1_r2_penalty": R1R2Penalty,
    "gradient_penalty": GradientPenalty,
    "discriminator_class_loss": DiscriminatorClassLoss,
    "generator_class_loss": GeneratorClassLoss,
    "l1": L1,
    "mode_seeking": ModeSeeking,
}


def _logits_of(view: View) -> Callable[[jax.Array], jax.Array]:
    """Maps images in the place of the real ones to their logits."""
    return lambda images: view.discriminate(images, view.real.labels).logits
