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
from gan_jax.networks.reference import REFERENCE, reference_batch
from gan_jax.parallel import OneDevice
from gan_jax.types import Batch, PlayerState, PyTree, Verdict

PRIORS = {
    "normal": lambda key, shape: jax.random.normal(key, shape, jnp.float32),
    # Report E draws from (-1, 1); report D says uniform only.
    "uniform": lambda key, shape: jax.random.uniform(
        key, shape, jnp.float32, minval=-1, maxval=1
    ),
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
      discriminator: module (images, labels or None) -> Verdict.
      sampling_generator: the generator as it generates, with the same parameters
        (its dropout rate may differ).
      num_classes: of the data.
      conditional: whether the generator sees labels, and the discriminator too unless
        it is an auxiliary classifier.
      value_range: of the generator's images, the ends of its output activation.
      r1_gamma: weight of the R1 penalty on real images; 0 leaves it out.
      gradient_penalty: weight lambda of Wasserstein's gradient penalty; 0: none.
      l1_weight: of the mean absolute difference between a generated image and a real
        one (of the same class if conditional) in the generator's loss; 0: none.
      mode_seeking_weight: of `losses.mode_seeking` in the generator's loss, for pairs
        of generated images of the same class; 0: none.
      joint_batches: whether real and generated images go through the discriminator
        together, so that its batch norm has the statistics of both, rather than one
        after the other; in the generator's step too, if the discriminator is in train
        mode there.
      class_weight: of the class loss of an auxiliary classifier, in both losses.
      class_smoothing: k-way label smoothing of that loss's targets.
      classify_generated: whether the discriminator's class loss is of generated images
        too (Odena et al. 2017), or of real ones alone, so that no cue that the
        generator plants for it can stand for a class. The generator's class loss is of
        its own images either way.
      devices: over which a batch is spread in `discriminator_loss` and
        `generator_loss`. "B" there is the part that one program works on.
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
    gradient_penalty: float
    l1_weight: float
    mode_seeking_weight: float
    joint_batches: bool
    class_weight: float
    class_smoothing: float
    classify_generated: bool
    modes: PhaseModes
    devices: OneDevice = OneDevice()

    def on(self, devices: OneDevice) -> "Gan":
        """The same GAN, whose losses are those of batches spread over devices."""
        return dataclasses.replace(
            self,
            generator=self.generator.clone(axis_name=devices.axis_name),
            discriminator=self.discriminator.clone(axis_name=devices.axis_name),
            devices=devices,
        )

    def init(self, key: jax.Array, reference: Batch | None = None) -> tuple[dict, dict]:
        """Variables of the generator and of the discriminator.

        `reference` holds real examples, images uint8: virtual batch normalisation in
        the discriminator keeps as many of them as it wants, for good; in the generator
        it keeps latents and classes drawn here.

        Raises:
          ValueError: there are fewer real examples than it wants.
        """
        generator_key, discriminator_key = jax.random.split(key)
        labels = jnp.zeros(2, jnp.int32)
        latents = jnp.zeros((2, self.latent_size), jnp.float32)
        images = jnp.zeros((2, *self.image_shape), jnp.float32)
        generator = self.generator.init(
            generator_key, latents, self._labels(labels), train=False
        )
        discriminator = self.discriminator.init(
            discriminator_key, images, self.seen_labels(labels), train=False
        )
        if size := self.generator.reference_size:
            keys = _named_keys(generator_key, "latents", "labels")
            generator[REFERENCE] = reference_batch(
                self.sample_latents(keys["latents"], size),
                self._labels(self.sample_labels(keys["labels"], size)),
            )
        if size := self.discriminator.reference_size:
            num_examples = 0 if reference is None else reference.labels.size
            if num_examples < size:
                raise ValueError(
                    f"a reference batch of {size} needs as many real examples, not "
                    f"{num_examples}"
                )
            discriminator[REFERENCE] = reference_batch(
                scale_images(reference.images[:size], self.value_range),
                self.seen_labels(reference.labels[:size]),
            )
        return generator, discriminator

    def no_examples(self) -> Batch:
        """Stands for real examples in `init` where only structures count."""
        size = self.discriminator.reference_size
        return Batch(
            jnp.zeros((size, *self.image_shape), jnp.uint8), jnp.zeros(size, jnp.int32)
        )

    def sample_latents(self, key: jax.Array, batch_size: int) -> jax.Array:
        """Draws z, [batch_size, latent_size], from the prior."""
        return PRIORS[self.prior](key, (batch_size, self.latent_size))

    def sample_labels(self, key: jax.Array, batch_size: int) -> jax.Array:
        """Draws classes, [batch_size] int32, uniformly."""
        return jax.random.randint(key, (batch_size,), 0, self.num_classes, jnp.int32)

    def discriminator_loss(
        self,
        params: PyTree,
        discriminator: PlayerState,
        generator: PlayerState,
        real: Batch,
        key: jax.Array,
        fake: Batch | None = None,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array]]]:
        """The discriminator's loss on a real batch and as many generated images.

        Args:
          params: of the discriminator, to differentiate with respect to.
          discriminator: its state, of which the params are not used.
          generator: its state, constant here.
          real: images uint8 [B, H, W, C] and labels [B].
          key: for latents, classes, dropout and label smoothing.
          fake: generated images, [B, H, W, C] in `value_range`, and their labels; None
            generates them here.

        The generator's moving statistics stay as they are, also in train mode (where
        PyTorch would update them): a step changes one player alone.

        Returns:
          loss [], (new model state of the discriminator, metrics). The loss logged as
          `discriminator_loss` is the adversarial ("source") one alone. Accuracies are
          fractions: real images taken for real, generated ones for generated.
        """
        keys = _named_keys(
            key, "latents", "labels", "generator", "discriminator", "smoothing", "r1"
        )
        draw, batch_size = self.devices.draw, real.labels.size
        if fake is None:
            fake_labels = draw(self.sample_labels, keys["labels"], batch_size)
            if self.gradient_penalty:
                # What lies between two images of one class is of that class.
                fake_labels = real.labels
            fake_images, _ = _apply(
                self.generator,
                generator.variables,
                draw(self.sample_latents, keys["latents"], batch_size),
                self._labels(fake_labels),
                train=self.modes.generator_in_discriminator_step,
                dropout_key=self.devices.own_key(keys["generator"]),
            )
            fake = Batch(fake_images, fake_labels)
        train = self.modes.discriminator_in_discriminator_step
        real_images = scale_images(real.images, self.value_range)
        variables = {"params": params, **discriminator.model_state}
        verdicts, model_state = self._discriminate_both(
            variables,
            Batch(real_images, real.labels),
            fake,
            train=train,
            key=self.devices.own_key(keys["discriminator"]),
        )
        targets = draw(self._targets, keys["smoothing"], batch_size)
        metrics = self._discriminator_metrics(
            *verdicts, real.labels, fake.labels, targets
        )
        loss = metrics["discriminator_loss"]
        if self._classifies:
            loss = loss + self.class_weight * metrics["discriminator_class_loss"]

        def logits_of(images):
            verdict, _ = _apply(
                self.discriminator,
                variables,
                images,
                self.seen_labels(real.labels),
                train=train,
                dropout_key=self.devices.own_key(keys["r1"]),
            )
            return verdict.logits

        if self.r1_gamma:
            penalty = losses.r1_penalty(logits_of, real_images)
            metrics["r1_penalty"] = penalty
            loss = loss + self.r1_gamma / 2 * penalty
        if self.gradient_penalty:
            fractions = draw(
                lambda key, size: jax.random.uniform(key, (size,), jnp.float32),
                jax.random.fold_in(keys["r1"], 1),
                batch_size,
            )
            penalty = losses.gradient_penalty(
                logits_of, real_images, fake.images, fractions
            )
            metrics["gradient_penalty"] = penalty
            loss = loss + self.gradient_penalty * penalty
        return loss, (model_state, metrics)

    def generator_loss(
        self,
        params: PyTree,
        generator: PlayerState,
        discriminator: PlayerState,
        real: Batch,
        key: jax.Array,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array], Batch]]:
        """The generator's loss on as many images as there are real ones.

        Arguments and results are as in `discriminator_loss`, with the players
        exchanged: the discriminator is constant here. The last result are the
        generated images, with their labels. The real batch counts in the L1 term, with
        which the generated images are of its classes, and in the batch statistics of a
        discriminator in train mode with `joint_batches`. With the mode seeking term the
        second half of the batch has the classes of the first.
        """
        keys = _named_keys(key, "latents", "labels", "generator", "discriminator")
        draw, batch_size = self.devices.draw, real.labels.size
        num_pairs = batch_size // 2
        latents = draw(self.sample_latents, keys["latents"], batch_size)
        labels = draw(self.sample_labels, keys["labels"], batch_size)
        if self.l1_weight:
            labels = real.labels
        if self.mode_seeking_weight:
            labels = labels.at[-num_pairs:].set(labels[:num_pairs])
        images, model_state = _apply(
            self.generator,
            {"params": params, **generator.model_state},
            latents,
            self._labels(labels),
            train=self.modes.generator_in_generator_step,
            dropout_key=self.devices.own_key(keys["generator"]),
        )
        train = self.modes.discriminator_in_generator_step
        dropout_key = self.devices.own_key(keys["discriminator"])
        real_images = scale_images(real.images, self.value_range)
        if train and self.joint_batches and self.discriminator.mixes_examples:
            (_, verdict), _ = self._discriminate_both(
                discriminator.variables,
                Batch(real_images, real.labels),
                Batch(images, labels),
                train=train,
                key=dropout_key,
            )
        else:
            verdict, _ = _apply(
                self.discriminator,
                discriminator.variables,
                images,
                self.seen_labels(labels),
                train=train,
                dropout_key=dropout_key,
            )
        metrics = self._generator_metrics(verdict, labels)
        loss = metrics["generator_loss"]
        if self._classifies:
            loss = loss + self.class_weight * metrics["generator_class_loss"]
        if self.l1_weight:
            metrics["l1"] = jnp.mean(jnp.abs(images - real_images))
            loss = loss + self.l1_weight * metrics["l1"]
        if self.mode_seeking_weight:
            metrics["mode_seeking"] = losses.mode_seeking(
                images[:num_pairs],
                images[-num_pairs:],
                latents[:num_pairs],
                latents[-num_pairs:],
            )
            loss = loss + self.mode_seeking_weight * metrics["mode_seeking"]
        return loss, (model_state, metrics, Batch(images, labels))

    def test_losses(
        self,
        generator: dict[str, PyTree],
        discriminator: dict[str, PyTree],
        real: Batch,
        key: jax.Array,
    ) -> dict[str, jax.Array]:
        """Both players' losses and the accuracies on held-out real images.

        As report C logs them for its test phase: nothing is updated, the generator is
        in its sampling mode, the discriminator in eval mode.
        Where training has other modes a gap between both is not overfitting alone.

        Args:
          generator: its variables.
          discriminator: its variables.
          real: images uint8 [B, H, W, C] and labels [B] of the test set.
          key: for latents, classes, dropout and label smoothing.
        """
        keys = _named_keys(
            key, "latents", "labels", "generator", "discriminator", "smoothing"
        )
        batch_size = real.labels.size
        labels = self.sample_labels(keys["labels"], batch_size)
        images, _ = _apply(
            self.sampling_generator,
            generator,
            self.sample_latents(keys["latents"], batch_size),
            self._labels(labels),
            train=self.modes.generator_in_sampling,
            dropout_key=keys["generator"],
        )
        (real_verdict, fake_verdict), _ = self._discriminate_both(
            discriminator,
            Batch(scale_images(real.images, self.value_range), real.labels),
            Batch(images, labels),
            train=False,
            key=keys["discriminator"],
        )
        targets = self._targets(keys["smoothing"], batch_size)
        return self._discriminator_metrics(
            real_verdict, fake_verdict, real.labels, labels, targets
        ) | self._generator_metrics(fake_verdict, labels)

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

    @property
    def _classifies(self) -> bool:
        return self.discriminator.conditioning == "auxiliary"

    def _labels(self, labels: jax.Array) -> jax.Array | None:
        """What the generator sees of the labels."""
        return labels if self.conditional else None

    def seen_labels(self, labels: jax.Array) -> jax.Array | None:
        """What the discriminator sees of the labels: None where it is to tell them."""
        return labels if self.conditional and not self._classifies else None

    def _targets(self, key: jax.Array, batch_size: int) -> losses.Targets:
        return losses.make_targets(
            key,
            batch_size,
            kind=self.label_smoothing_kind,
            amount=self.label_smoothing_amount,
        )

    def _discriminator_metrics(
        self,
        real: Verdict,
        fake: Verdict,
        real_labels: jax.Array,
        fake_labels: jax.Array,
        targets: losses.Targets,
    ) -> dict[str, jax.Array]:
        metrics = {
            "discriminator_loss": self.loss.discriminator(
                real.logits, fake.logits, targets
            ),
            "real_accuracy": _fraction(real.logits > self.loss.boundary),
            "fake_accuracy": _fraction(fake.logits < self.loss.boundary),
        }
        if self._classifies:
            class_loss = self._class_loss(real, real_labels)
            if self.classify_generated:
                class_loss = class_loss + self._class_loss(fake, fake_labels)
            metrics["discriminator_class_loss"] = class_loss
        return metrics

    def _generator_metrics(
        self, fake: Verdict, labels: jax.Array
    ) -> dict[str, jax.Array]:
        metrics = {"generator_loss": self.loss.generator(fake.logits)}
        if self._classifies:
            metrics["generator_class_loss"] = self._class_loss(fake, labels)
        return metrics

    def _class_loss(self, verdict: Verdict, labels: jax.Array) -> jax.Array:
        return losses.class_loss(
            verdict.class_logits, labels, smoothing=self.class_smoothing
        )

    def _discriminate_both(
        self, variables: dict, real: Batch, fake: Batch, *, train: bool, key: jax.Array
    ) -> tuple[tuple[Verdict, Verdict], PyTree]:
        """Verdicts on real and on generated images, and the new model state."""
        if self.joint_batches or not self.discriminator.mixes_examples:
            # Where examples do not mix, one pass is faster and gives the same logits.
            both = jax.tree.map(lambda *parts: jnp.concatenate(parts), real, fake)
            verdict, model_state = _apply(
                self.discriminator,
                variables,
                both.images,
                self.seen_labels(both.labels),
                train=train,
                dropout_key=key,
            )
            num_real = real.labels.size
            return (
                jax.tree.map(lambda array: array[:num_real], verdict),
                jax.tree.map(lambda array: array[num_real:], verdict),
            ), model_state
        real_key, fake_key = jax.random.split(key)
        model_state = {name: variables[name] for name in variables if name != "params"}
        verdicts = []
        for batch, batch_key in ((real, real_key), (fake, fake_key)):
            verdict, model_state = _apply(
                self.discriminator,
                {"params": variables["params"], **model_state},
                batch.images,
                self.seen_labels(batch.labels),
                train=train,
                dropout_key=batch_key,
            )
            verdicts.append(verdict)
        return tuple(verdicts), model_state


def count_params(variables: dict[str, PyTree]) -> tuple[int, int]:
    """Number of values in all variables, and in the trainable ones.

    A reference batch of virtual batch normalisation is data, and does not count.
    """

    def count(tree: PyTree) -> int:
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))

    learned = {name: variables[name] for name in variables if name != REFERENCE}
    return count(learned), count(variables["params"])


def _fraction(true: jax.Array) -> jax.Array:
    return jnp.mean(true, dtype=jnp.float32)


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
