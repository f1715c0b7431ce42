"""A GAN put together: generator, discriminator, prior and losses.

Everything here is a pure function of (variables, batch, key).
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import losses
from gan_jax.data.batches import scale_images, to_uint8
from gan_jax.types import Batch, PlayerState, PyTree

PRIORS = {
    "normal": jax.random.normal,
    # Report E draws from (-1, 1); report D says uniform only.
    "uniform": lambda key, shape: jax.random.uniform(key, shape, minval=-1, maxval=1),
}


@dataclasses.dataclass(frozen=True)
class PhaseModes:
    """Whether a network is in train mode (else eval) in each phase.

    Train mode means dropout and batch statistics, eval mode neither and the moving
    statistics. Source: Dittrich, who shows that the outcome depends on it.
    """

    generator_in_discriminator_step: bool = True
    discriminator_in_discriminator_step: bool = True
    generator_in_generator_step: bool = True
    discriminator_in_generator_step: bool = True
    generator_in_sampling: bool = False


@dataclasses.dataclass(frozen=True)
class Gan:
    """Generator x discriminator x prior x loss; see the methods for what each does.

    Attributes:
      generator: module (latents [B, Z], labels [B] or None) -> images [B, H, W, C].
      discriminator: module (images, labels or None) -> logits [B].
      sampling_generator: the generator as it generates, with the same parameters
        (its dropout rate may differ).
      num_classes: of the data.
      conditional: whether the networks see labels.
      value_range: of the generator's images, the ends of its output activation.
      r1_gamma: weight of the R1 penalty on real images; 0 leaves it out.
    """

    generator: nn.Module
    discriminator: nn.Module
    sampling_generator: nn.Module
    loss: losses.AdversarialLoss
    latent_size: int
    prior: str
    num_classes: int
    conditional: bool
    image_shape: tuple[int, int, int]
    value_range: tuple[float, float]
    label_smoothing_kind: str
    label_smoothing_amount: float
    r1_gamma: float
    modes: PhaseModes

    def init(self, key: jax.Array) -> tuple[dict, dict]:
        """Variables of the generator and of the discriminator."""
        generator_key, discriminator_key = jax.random.split(key)
        labels = self._labels(jnp.zeros(2, jnp.int32))
        latents = jnp.zeros((2, self.latent_size))
        images = jnp.zeros((2, *self.image_shape))
        return (
            self.generator.init(generator_key, latents, labels, train=False),
            self.discriminator.init(discriminator_key, images, labels, train=False),
        )

    def sample_latents(self, key: jax.Array, batch_size: int) -> jax.Array:
        """Draws z, [batch_size, latent_size], from the prior."""
        return PRIORS[self.prior](key, (batch_size, self.latent_size))

    def sample_labels(self, key: jax.Array, batch_size: int) -> jax.Array:
        """Draws classes, [batch_size] int32, uniformly."""
        return jax.random.randint(key, (batch_size,), 0, self.num_classes)

    def discriminator_loss(
        self,
        params: PyTree,
        discriminator: PlayerState,
        generator: PlayerState,
        real: Batch,
        key: jax.Array,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array]]]:
        """The discriminator's loss on a real batch and as many generated images.

        Args:
          params: of the discriminator, to differentiate with respect to.
          discriminator: its state, of which the params are not used.
          generator: its state, constant here.
          real: images uint8 [B, H, W, C] and labels [B].
          key: for latents, classes, dropout and label smoothing.

        The generator's moving statistics stay as they are, also in train mode (where
        PyTorch would update them): a step changes one player alone.

        Returns:
          loss [], (new model state of the discriminator, metrics). Accuracies are
          fractions: real images with a positive logit, generated with a negative.
        """
        keys = _named_keys(
            key, "latents", "labels", "generator", "discriminator", "smoothing", "r1"
        )
        batch_size = real.labels.size
        fake_labels = self.sample_labels(keys["labels"], batch_size)
        fake_images, _ = _apply(
            self.generator,
            generator.variables,
            self.sample_latents(keys["latents"], batch_size),
            self._labels(fake_labels),
            train=self.modes.generator_in_discriminator_step,
            dropout_key=keys["generator"],
        )
        real_images = scale_images(real.images, self.value_range)
        (real_logits, fake_logits), model_state = self._discriminate_both(
            {"params": params, **discriminator.model_state},
            Batch(real_images, real.labels),
            Batch(fake_images, fake_labels),
            keys["discriminator"],
        )
        targets = losses.real_targets(
            keys["smoothing"],
            batch_size,
            kind=self.label_smoothing_kind,
            amount=self.label_smoothing_amount,
        )
        loss = self.loss.discriminator(real_logits, fake_logits, targets)
        metrics = {
            "discriminator_loss": loss,
            "real_accuracy": jnp.mean(real_logits > 0),
            "fake_accuracy": jnp.mean(fake_logits < 0),
        }
        if self.r1_gamma:
            penalty = losses.r1_penalty(
                lambda images: _apply(
                    self.discriminator,
                    {"params": params, **discriminator.model_state},
                    images,
                    self._labels(real.labels),
                    train=self.modes.discriminator_in_discriminator_step,
                    dropout_key=keys["r1"],
                )[0],
                real_images,
            )
            metrics["r1_penalty"] = penalty
            loss = loss + self.r1_gamma / 2 * penalty
        return loss, (model_state, metrics)

    def generator_loss(
        self,
        params: PyTree,
        generator: PlayerState,
        discriminator: PlayerState,
        batch_size: int,
        key: jax.Array,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array]]]:
        """The generator's loss on `batch_size` images that it generates.

        Arguments and results are as in `discriminator_loss`, with the players
        exchanged: the discriminator is constant here.
        """
        keys = _named_keys(key, "latents", "labels", "generator", "discriminator")
        labels = self._labels(self.sample_labels(keys["labels"], batch_size))
        images, model_state = _apply(
            self.generator,
            {"params": params, **generator.model_state},
            self.sample_latents(keys["latents"], batch_size),
            labels,
            train=self.modes.generator_in_generator_step,
            dropout_key=keys["generator"],
        )
        logits, _ = _apply(
            self.discriminator,
            discriminator.variables,
            images,
            labels,
            train=self.modes.discriminator_in_generator_step,
            dropout_key=keys["discriminator"],
        )
        loss = self.loss.generator(logits)
        return loss, (model_state, {"generator_loss": loss})

    def generate(
        self,
        variables: dict[str, PyTree],
        latents: jax.Array,
        labels: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        """Images uint8 [B, H, W, C] for latents [B, Z] and labels [B].

        In the sampling phase's mode; in train mode `key` draws the dropout and an
        image depends on its batch if the generator has batch norm. An unconditional
        generator ignores the labels.
        """
        images, _ = _apply(
            self.sampling_generator,
            variables,
            latents,
            self._labels(labels),
            train=self.modes.generator_in_sampling,
            dropout_key=key,
        )
        return to_uint8(images, self.value_range)

    def _labels(self, labels: jax.Array) -> jax.Array | None:
        return labels if self.conditional else None

    def _discriminate_both(
        self, variables: dict, real: Batch, fake: Batch, key: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], PyTree]:
        """Logits of real and of generated images, and the new model state."""
        train = self.modes.discriminator_in_discriminator_step
        if not self.discriminator.mixes_examples:
            # One pass over both is faster and gives the same logits.
            both = jax.tree.map(lambda *parts: jnp.concatenate(parts), real, fake)
            logits, model_state = _apply(
                self.discriminator,
                variables,
                both.images,
                self._labels(both.labels),
                train=train,
                dropout_key=key,
            )
            return tuple(jnp.split(logits, 2)), model_state
        real_key, fake_key = jax.random.split(key)
        model_state = {name: variables[name] for name in variables if name != "params"}
        logits = []
        for batch, batch_key in ((real, real_key), (fake, fake_key)):
            batch_logits, model_state = _apply(
                self.discriminator,
                {"params": variables["params"], **model_state},
                batch.images,
                self._labels(batch.labels),
                train=train,
                dropout_key=batch_key,
            )
            logits.append(batch_logits)
        return tuple(logits), model_state


def count_params(variables: dict[str, PyTree]) -> tuple[int, int]:
    """Number of values in all variables and in the trainable ones."""

    def count(tree: PyTree) -> int:
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))

    return count(variables), count(variables["params"])


def _named_keys(key: jax.Array, *names: str) -> dict[str, jax.Array]:
    return dict(zip(names, jax.random.split(key, len(names)), strict=True))


def _apply(
    module: nn.Module,
    variables: dict[str, PyTree],
    inputs: jax.Array,
    labels: jax.Array | None,
    *,
    train: bool,
    dropout_key: jax.Array,
) -> tuple[jax.Array, PyTree]:
    """A module's outputs and its new model state (the old one in eval mode)."""
    model_state = {name: variables[name] for name in variables if name != "params"}
    outputs, updates = module.apply(
        variables,
        inputs,
        labels,
        train=train,
        rngs={"dropout": dropout_key},
        mutable=list(model_state) if train else [],
    )
    return outputs, {**model_state, **updates}
