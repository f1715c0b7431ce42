"""Adversarial games: pure losses on logits, and the two players' sides of each.

A discriminator's logit is positive where it believes an image to be real; the
sigmoid belongs to the loss. A new game is a frozen dataclass with the methods of
`Game`, whose fields are its config, and a line in GAMES.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from gan_jax.objective.smoothing import LABEL_SMOOTHING_KINDS, Targets, make_targets
from gan_jax.objective.view import View


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
    real_logits: jax.Array, fake_logits: jax.Array
) -> jax.Array:
    """-(E f(x) - E f(G(z))).

    Source: Arjovsky et al. 2017, equation 3.
    """
    return fake_logits.mean() - real_logits.mean()


def wasserstein_generator_loss(fake_logits: jax.Array) -> jax.Array:
    """-E f(G(z)). Source: Arjovsky et al. 2017, algorithm 1."""
    return -fake_logits.mean()


def hinge_discriminator_loss(
    real_logits: jax.Array, fake_logits: jax.Array
) -> jax.Array:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))).

    Source: Miyato et al. 2018, equation 16. The generator's is Wasserstein's.
    """
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


def relativistic_loss(logits: jax.Array, other_logits: jax.Array) -> jax.Array:
    """E softplus(-(D(a) - D(b))) over pairs (a, b), where a should seem more real.

    Args:
      logits: [B] of a: the real images for the discriminator, the generated ones for
        the generator.
      other_logits: [B] of b.

    Source: Huang et al. 2024, "The GAN is dead; long live the GAN!", equation 2.
    """
    return jax.nn.softplus(other_logits - logits).mean()


@dataclasses.dataclass(frozen=True)
class Game:
    """The base of games.

    Attributes:
      real_labels: whether the generated batch has the classes of the real one, image by
        image, rather than drawn ones.
      boundary: a logit above it takes the image for real.
      is_critic: whether logits are defined up to a constant, so that the boundary, and
        the accuracies by it, have no meaning.
      compares_real: whether the generator's side needs the verdict on real images.
      has_targets: whether label smoothing has a meaning.
      label_smoothing: of real images 'none', 'fixed', 'random'; of both 'two_sided';
        see `make_targets`.
      label_smoothing_amount: in [0, 1].
    """

    boundary: ClassVar[float] = 0.0
    is_critic: ClassVar[bool] = False
    compares_real: ClassVar[bool] = False
    has_targets: ClassVar[bool] = False

    label_smoothing: str = "none"
    label_smoothing_amount: float = 0.0
    real_labels: bool = False

    @property
    def fake_labels(self) -> str:
        """What classes the generated batch must have, as a term's `fake_labels`."""
        return "real" if self.real_labels else "drawn"

    def check(self) -> None:
        """Raises ValueError("field ...") for settings out of range."""
        kind, amount = self.label_smoothing, self.label_smoothing_amount
        if kind not in LABEL_SMOOTHING_KINDS:
            known = ", ".join(map(repr, LABEL_SMOOTHING_KINDS))
            raise ValueError(f"label_smoothing is {kind!r}; known: {known}")
        if kind != "none" and not self.has_targets:
            raise ValueError(
                f"label_smoothing is {kind!r}, but {type(self).__name__} has no target "
                "to smooth: set it to 'none'"
            )
        if not 0 <= amount <= 1:
            raise ValueError(
                f"label_smoothing_amount is {amount}; it must be in [0, 1]"
            )
        if kind in ("fixed", "two_sided") and amount == 1:
            raise ValueError(
                f"label_smoothing_amount is 1, with which {kind!r} smoothing gives "
                "real and generated images the same target"
            )

    def targets(self, view: View) -> Targets:
        """[B] for real and for generated images."""
        return view.draw(
            lambda key, size: make_targets(
                key, size, kind=self.label_smoothing, amount=self.label_smoothing_amount
            )
        )

    def accuracies(self, view: View) -> tuple[jax.Array, jax.Array]:
        """Fractions of real images taken for real, and of generated ones for generated.

        [] float32 each.
        """
        real, fake = _logits(view)
        return _fraction(real > self.boundary), _fraction(fake < self.boundary)

    def discriminator(self, view: View) -> jax.Array:
        """The discriminator's mean loss, []."""
        raise NotImplementedError

    def generator(self, view: View) -> jax.Array:
        """The generator's mean loss, []."""
        raise NotImplementedError


class NonSaturating(Game):
    """Cross-entropy; the generator ascends log D(G(z)). Goodfellow et al. 2014."""

    has_targets = True

    def discriminator(self, view: View) -> jax.Array:
        return cross_entropy_discriminator_loss(*_logits(view), self.targets(view))

    def generator(self, view: View) -> jax.Array:
        return non_saturating_generator_loss(view.fake_verdict.logits)


class Minimax(NonSaturating):
    """Cross-entropy, zero-sum. Goodfellow et al. 2014, equation 1."""

    def generator(self, view: View) -> jax.Array:
        return minimax_generator_loss(view.fake_verdict.logits)


class LeastSquares(Game):
    """Squared differences from the targets. Mao et al. 2017."""

    boundary = 0.5
    has_targets = True

    def discriminator(self, view: View) -> jax.Array:
        return least_squares_discriminator_loss(*_logits(view), self.targets(view))

    def generator(self, view: View) -> jax.Array:
        return least_squares_generator_loss(view.fake_verdict.logits)


class Wasserstein(Game):
    """The critic's difference of means. Arjovsky et al. 2017."""

    is_critic = True

    def discriminator(self, view: View) -> jax.Array:
        return wasserstein_discriminator_loss(*_logits(view))

    def generator(self, view: View) -> jax.Array:
        return wasserstein_generator_loss(view.fake_verdict.logits)


class Hinge(Wasserstein):
    """Hinge for the discriminator, Wasserstein's for the generator. Miyato 2018."""

    is_critic = False

    def discriminator(self, view: View) -> jax.Array:
        return hinge_discriminator_loss(*_logits(view))


class Relativistic(Game):
    """Each real image against one generated image of its class.

    The accuracies are both the fraction of pairs whose real image has the larger logit.
    Source: Jolicoeur-Martineau 2019; pairs as in Huang et al. 2024, equation 2.
    """

    compares_real = True
    fake_labels = "real"

    def accuracies(self, view: View) -> tuple[jax.Array, jax.Array]:
        real, fake = _logits(view)
        accuracy = _fraction(real > fake)
        return accuracy, accuracy

    def discriminator(self, view: View) -> jax.Array:
        return relativistic_loss(*_logits(view))

    def generator(self, view: View) -> jax.Array:
        real, fake = _logits(view)
        return relativistic_loss(fake, real)


GAMES: dict[str, type[Game]] = {
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "wasserstein": Wasserstein,
    "hinge": Hinge,
    "least_squares": LeastSquares,
    "relativistic": Relativistic,
}


def _logits(view: View) -> tuple[jax.Array, jax.Array]:
    return view.real_verdict.logits, view.fake_verdict.logits


def _fraction(true: jax.Array) -> jax.Array:
    return jnp.mean(true, dtype=jnp.float32)
