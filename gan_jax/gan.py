"""A GAN put together: networks, prior and objective.

Everything here is a pure function of (variables, batch, key).
"""

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.augment import Augmentation
from gan_jax.data.batches import scale_images, to_uint8
from gan_jax.networks.reference import REFERENCE, reference_batch
from gan_jax.objective import Objective
from gan_jax.objective.view import View
from gan_jax.parallel import Devices
from gan_jax.random import named_keys, stream
from gan_jax.schedules import START, Progress, Schedule
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

    Train mode applies dropout and normalises with batch statistics. Eval mode has no
    dropout and uses the moving statistics. Source: Dittrich, who shows that the outcome
    depends on it.
    """

    generator_in_discriminator_step: bool = True
    discriminator_in_discriminator_step: bool = True
    generator_in_generator_step: bool = True
    discriminator_in_generator_step: bool = True
    generator_in_sampling: bool = False


class Generated(NamedTuple):
    """A generated batch, and what it was generated from."""

    batch: Batch  # images [B, H, W, C] in the generator's value range, labels [B]
    latents: jax.Array  # [B, Z]


@dataclasses.dataclass(frozen=True)
class Gan:
    """Networks x prior x objective; see the methods for what each does.

    Attributes:
      generator: module (latents [B, Z], labels [B] or None) -> images [B, H, W, C].
      discriminator: module (images, labels or None) -> Verdict.
      sampling_generator: the generator as it generates, with the same parameters
        (its dropout rate may differ).
      objective: what both players minimise.
      prior: a name from PRIORS.
      latent_size: Z.
      joint_batches: whether real and generated images go through the discriminator
        together, so that its batch norm has the statistics of both, rather than one
        after the other; in the generator's step too, if the discriminator is in train
        mode there.
      augmentations: functions (images in [-1, 1], key) -> images by name, of all that
        the discriminator sees, differentiable with respect to the images.
      augmentation_probability: the probability, in [0, 1], with which each of them is
        applied to an image.
      augmentation_schedule: of that probability over training; None: it is constant.
      devices: over which a batch is spread in `discriminator_loss` and
        `generator_loss`. "B" there is the part that one program works on.
    """

    generator: nn.Module
    discriminator: nn.Module
    sampling_generator: nn.Module
    objective: Objective
    prior: str
    latent_size: int
    joint_batches: bool = False
    augmentations: Mapping[str, Augmentation] = dataclasses.field(default_factory=dict)
    augmentation_probability: float = 1.0
    augmentation_schedule: Schedule | None = None
    modes: PhaseModes = PhaseModes()
    devices: Devices = Devices()

    @property
    def num_classes(self) -> int:
        return self.generator.num_classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.generator.image_shape

    @property
    def value_range(self) -> tuple[float, float]:
        """Of the generator's images: the ends of its output activation."""
        return self.generator.value_range

    @property
    def conditional(self) -> bool:
        """Whether the generator sees labels."""
        return self.generator.conditioning != "none"

    @property
    def classifies(self) -> bool:
        """Whether the discriminator is an auxiliary classifier."""
        return self.discriminator.conditioning == "auxiliary"

    def check(self) -> None:
        """Raises ValueError, naming the field, for parts that do not go together."""
        self.objective.check(self)
        terms = self.objective.of_player("discriminator").values()
        if self.classifies and not any(term.trains_classes for term in terms):
            raise ValueError(
                "discriminator.conditioning is 'auxiliary', but no term trains its "
                "classes: terms.discriminator_class_loss.weight=1, and "
                "terms.generator_class_loss.weight=1 for the generator, do"
            )

    def on(self, devices: Devices) -> "Gan":
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
            keys = named_keys(generator_key, "latents", "labels")
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
        generated: Generated | None = None,
        progress: Progress = START,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array]]]:
        """The discriminator's loss on a real batch and as many generated images.

        Args:
          params: of the discriminator, to differentiate with respect to.
          discriminator: its state, of which the params are not used.
          generator: its state, constant here.
          real: images uint8 [B, H, W, C] and labels [B].
          key: for latents, classes, dropout and what the objective draws.
          generated: None generates them here.
          progress: of training, for what is scheduled.

        The generator's moving statistics stay as they are, also in train mode (where
        PyTorch would update them): a step changes one player alone.

        Returns:
          loss [], (new model state of the discriminator, metrics); see
          `Objective.discriminator`.
        """
        keys = named_keys(
            key, "latents", "labels", "generator", "discriminator", "game", "terms"
        )
        real = self._scaled(real)
        if generated is None:
            generated, _ = self._generate_batch(
                generator.variables,
                real.labels,
                keys,
                label_kind=self.objective.fake_labels("discriminator"),
                train=self.modes.generator_in_discriminator_step,
            )
        variables = {"params": params, **discriminator.model_state}
        train = self.modes.discriminator_in_discriminator_step
        judge = self.discriminate
        if self.objective.needs_gradients:
            judge = self._discriminate_with_gradients
        verdicts, model_state, *gradients = judge(
            variables,
            (real, generated.batch),
            train=train,
            key=self.devices.own_key(keys["discriminator"]),
            progress=progress,
        )
        view = self._view(
            variables, real, generated, verdicts, train, keys["game"], progress
        )
        if gradients:
            view = view._replace(gradients=gradients[0])
        loss, metrics = self.objective.discriminator(view, keys["terms"])
        return loss, (model_state, metrics)

    def generator_loss(
        self,
        params: PyTree,
        generator: PlayerState,
        discriminator: PlayerState,
        real: Batch,
        key: jax.Array,
        progress: Progress = START,
    ) -> tuple[jax.Array, tuple[PyTree, dict[str, jax.Array], Generated]]:
        """The generator's loss on as many images as there are real ones.

        Arguments and results are as in `discriminator_loss`, with the players
        exchanged: the discriminator is constant here. The last result is the generated
        batch. The real batch gives the batch size, the labels if the game or a term
        asks for real ones, the images that games and terms compare with, and a part of
        the batch statistics of a discriminator in train mode with `joint_batches`.
        """
        keys = named_keys(key, "latents", "labels", "generator", "discriminator")
        real = self._scaled(real)
        generated, model_state = self._generate_batch(
            {"params": params, **generator.model_state},
            real.labels,
            keys,
            label_kind=self.objective.fake_labels("generator"),
            train=self.modes.generator_in_generator_step,
        )
        train = self.modes.discriminator_in_generator_step
        shares_statistics = (
            train and self.joint_batches and self.discriminator.mixes_examples
        )
        batches = (generated.batch,)
        if shares_statistics or self.objective.generator_compares_real:
            batches = (real, generated.batch)
        verdicts, _ = self.discriminate(
            discriminator.variables,
            batches,
            train=train,
            key=self.devices.own_key(keys["discriminator"]),
            progress=progress,
            # Gradients are of the generated images alone.
            together=shares_statistics,
        )
        # Streams of their own: the keys above are as they were before there were any.
        game_key, terms_key = stream(key, "game"), stream(key, "terms")
        variables = discriminator.variables
        view = self._view(
            variables, real, generated, verdicts, train, game_key, progress
        )
        loss, metrics = self.objective.generator(view, terms_key)
        return loss, (model_state, metrics, generated)

    def test_losses(
        self,
        generator: dict[str, PyTree],
        discriminator: dict[str, PyTree],
        real: Batch,
        key: jax.Array,
        progress: Progress = START,
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
          progress: of the training, for what is scheduled.
        """
        keys = named_keys(
            key, "latents", "labels", "generator", "discriminator", "game"
        )
        real = self._scaled(real)
        generated, _ = self._generate_batch(
            generator,
            real.labels,
            keys,
            train=self.modes.generator_in_sampling,
            label_kind=self.objective.game.fake_labels,
            module=self.sampling_generator,
        )
        verdicts, _ = self.discriminate(
            discriminator,
            (real, generated.batch),
            train=False,
            key=keys["discriminator"],
            progress=progress,
        )
        view = self._view(
            discriminator, real, generated, verdicts, False, keys["game"], progress
        )
        terms_key = stream(key, "terms")
        _, metrics = self.objective.discriminator(view, terms_key, held_out=True)
        _, more = self.objective.generator(view, terms_key, held_out=True)
        return metrics | more

    def generate(
        self,
        variables: dict[str, PyTree],
        latents: jax.Array,
        labels: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        """As `images`, uint8 [B, H, W, C]."""
        images = self.images(variables, latents, labels, key)
        return to_uint8(images, self.value_range)

    def images(
        self,
        variables: dict[str, PyTree],
        latents: jax.Array,
        labels: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        """Images [B, H, W, C] in `value_range` for latents [B, Z] and labels [B].

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
        return images

    def batch_statistics(
        self,
        variables: dict[str, PyTree],
        latents: jax.Array,
        labels: jax.Array,
        key: jax.Array,
    ) -> PyTree:
        """`batch_stats` of the generator's norms, of one batch alone.

        For latents [B, Z] and labels [B], in train mode; `key` draws the dropout.
        """
        _, model_state = _apply(
            self.sampling_generator.clone(norm_momentum=0.0),
            variables,
            latents,
            self._labels(labels),
            train=True,
            dropout_key=key,
        )
        return model_state["batch_stats"]

    def discriminate(
        self,
        variables: dict[str, PyTree],
        batches: Sequence[Batch],
        *,
        train: bool,
        key: jax.Array,
        progress: Progress = START,
        together: bool | None = None,
    ) -> tuple[list[Verdict], PyTree]:
        """Verdicts on each batch, and the new model state: the one home of verdicts.

        Args:
          variables: of the discriminator.
          batches: images [B, H, W, C] in `value_range` and labels [B] of each.
          train: its mode.
          key: for dropout and augmentations.
          progress: of training, for the augmentations' probability.
          together: whether all batches go through in one pass, rather than one after
            the other. None: if `joint_batches`, or if examples do not mix: then one
            pass is faster and treats each example the same.
        """
        if together is None:
            together = self.joint_batches or not self.discriminator.mixes_examples
        if len(batches) > 1 and not together:
            verdicts, model_state = [], {}
            for batch, batch_key in zip(
                batches, jax.random.split(key, len(batches)), strict=True
            ):
                (verdict,), model_state = self.discriminate(
                    {**variables, **model_state},
                    (batch,),
                    train=train,
                    key=batch_key,
                    progress=progress,
                )
                verdicts.append(verdict)
            return verdicts, model_state
        images, labels = batches[0]
        if len(batches) > 1:
            images, labels = map(jnp.concatenate, zip(*batches, strict=True))
        images = self._augmented(images, key, progress)
        verdict, model_state = _apply(
            self.discriminator,
            variables,
            images,
            self.seen_labels(labels),
            train=train,
            dropout_key=key,
        )
        if len(batches) == 1:
            return [verdict], model_state
        ends = np.cumsum([batch.labels.size for batch in batches])
        starts = [0, *ends[:-1]]
        return [
            jax.tree.map(operator.itemgetter(slice(start, end)), verdict)
            for start, end in zip(starts, ends, strict=True)
        ], model_state

    def _discriminate_with_gradients(
        self, variables: dict[str, PyTree], batches: Sequence[Batch], **options: Any
    ) -> tuple[list[Verdict], PyTree, Callable[[], list[jax.Array]]]:
        """As `discriminate`; and the gradient of each logit at its image, if called.

        Of the same pass, so that penalties see the verdicts' own augmentations.
        """

        def judged(images):
            batches_of = [
                batch._replace(images=each)
                for batch, each in zip(batches, images, strict=True)
            ]
            verdicts, model_state = self.discriminate(variables, batches_of, **options)
            return [verdict.logits for verdict in verdicts], (verdicts, model_state)

        images = [batch.images for batch in batches]
        logits, pull_back, (verdicts, model_state) = jax.vjp(
            judged, images, has_aux=True
        )
        return (
            verdicts,
            model_state,
            lambda: pull_back([jnp.ones_like(each) for each in logits])[0],
        )

    def _augmented(
        self, images: jax.Array, key: jax.Array, progress: Progress
    ) -> jax.Array:
        """What the discriminator sees of images [B, H, W, C] in `value_range`."""
        low, high = self.value_range
        is_scaled = bool(self.augmentations) and (low, high) != (-1, 1)
        if is_scaled:
            images = 2 * (images - low) / (high - low) - 1
        probability = self.augmentation_probability
        if self.augmentation_schedule is not None:
            probability = self.augmentation_schedule(probability, progress.share)
        always = isinstance(probability, float) and probability == 1
        for name, augment in self.augmentations.items():
            augment_key = stream(key, name)
            augmented = augment(images, augment_key)
            if not always:
                chosen = jax.random.bernoulli(
                    stream(augment_key, "chosen"), probability, (len(images), 1, 1, 1)
                )
                augmented = jnp.where(chosen, augmented, images)
            images = augmented
        return (images + 1) / 2 * (high - low) + low if is_scaled else images

    def seen_labels(self, labels: jax.Array) -> jax.Array | None:
        """The discriminator's label input; None if unconditional or auxiliary."""
        return labels if self.conditional and not self.classifies else None

    def _labels(self, labels: jax.Array) -> jax.Array | None:
        """What the generator sees of the labels."""
        return labels if self.conditional else None

    def _scaled(self, batch: Batch) -> Batch:
        return Batch(scale_images(batch.images, self.value_range), batch.labels)

    def _generate_batch(
        self,
        variables: dict[str, PyTree],
        real_labels: jax.Array,
        keys: Mapping[str, jax.Array],
        *,
        train: bool,
        label_kind: str = "drawn",
        module: nn.Module | None = None,
    ) -> tuple[Generated, PyTree]:
        """As many images as there are real ones, and the generator's new model state.

        `label_kind` is one of a term's `fake_labels`.
        """
        draw, size = self.devices.draw, real_labels.size
        latents = draw(self.sample_latents, keys["latents"], size)
        labels = real_labels
        if label_kind != "real":
            labels = draw(self.sample_labels, keys["labels"], size)
        if label_kind == "paired":
            labels = labels.at[-(size // 2) :].set(labels[: size // 2])
        images, model_state = _apply(
            module or self.generator,
            variables,
            latents,
            self._labels(labels),
            train=train,
            dropout_key=self.devices.own_key(keys["generator"]),
        )
        return Generated(Batch(images, labels), latents), model_state

    def _view(
        self,
        variables: dict[str, PyTree],
        real: Batch,
        generated: Generated,
        verdicts: Sequence[Verdict],
        train: bool,
        key: jax.Array,
        progress: Progress = START,
    ) -> View:
        """What the objective may look at; `variables` are the discriminator's."""

        def judge(batch, key):
            (verdict,), _ = self.discriminate(
                variables, (batch,), train=train, key=key, progress=progress
            )
            return verdict

        *of_real, of_fake = verdicts
        return View(
            real=real,
            fake=generated.batch,
            latents=generated.latents,
            real_verdict=of_real[0] if of_real else None,
            fake_verdict=of_fake,
            key=key,
            judge=judge,
            devices=self.devices,
            progress=progress,
        )


def count_params(variables: dict[str, PyTree]) -> tuple[int, int]:
    """Number of values in all variables, and in the trainable ones.

    A reference batch of virtual batch normalisation is data, and does not count.
    """

    def count(tree: PyTree) -> int:
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))

    learned = {name: variables[name] for name in variables if name != REFERENCE}
    return count(learned), count(variables["params"])


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
