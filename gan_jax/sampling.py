"""Images from a trained generator, on the device, in batches as it was trained on."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.gan import Gan
from gan_jax.metrics import checked_labels
from gan_jax.random import stream
from gan_jax.types import PyTree


@dataclasses.dataclass(frozen=True, eq=False)
class Sampler:
    """Generates images, `batch_size` at a time, in one call to the device.

    Where an image depends on the others in its batch (batch norm in train mode), it is
    generated in batches as in training: of latents from the prior, with every class in
    turn.

    Attributes:
      batch_size: images generated together.
      standing_batches: see `settled`; 0: moving statistics stay as they are.
    """

    gan: Gan
    batch_size: int
    standing_batches: int = 0

    def __call__(
        self, variables: dict[str, PyTree], key: jax.Array, labels: np.ndarray
    ) -> jax.Array:
        """Images uint8 [N, H, W, C] for labels [N] integers, latents from the prior.

        Where batches need every class, the images asked for are picked from as many
        batches as that takes: asking for one class only costs about `num_classes`
        times as much. Elsewhere the last batch is filled up.
        """
        batch_labels, positions = self._plan(labels)
        images = self._generate_batches(variables, key, jnp.asarray(batch_labels))
        if np.array_equal(positions, np.arange(len(images))):
            return images
        return images[positions]

    def traced(
        self, variables: dict[str, PyTree], key: jax.Array, labels: jax.Array
    ) -> jax.Array:
        """As `__call__`, for labels int32 [N] whose values are not known yet.

        N may be a symbolic dimension. Labels are not checked.
        """
        if self.gan.conditional and self._batches_are_mixed:
            return self._pick(variables, key, labels)
        number = labels.shape[0]
        num_batches = -(-number // self.batch_size)
        places = jnp.arange(num_batches * self.batch_size, dtype=jnp.int32)
        padded = jnp.where(
            places < number,
            labels[jnp.minimum(places, number - 1)],
            places % self.gan.num_classes,
        )
        images = self._generate_batches(
            variables, key, padded.reshape(num_batches, self.batch_size)
        )
        return images[jnp.arange(number, dtype=jnp.int32)]

    def _pick(self, variables, key, labels):
        """Images of `_balanced_plan`, each from the batch that has it."""
        number, num_classes = labels.shape[0], self.gan.num_classes
        is_class = labels[:, None] == jnp.arange(num_classes, dtype=jnp.int32)[None]
        so_far = jnp.cumsum(is_class, axis=0, dtype=jnp.int32)  # of each class
        earlier = jnp.sum(so_far * is_class, axis=1, dtype=jnp.int32) - 1
        positions = labels + num_classes * earlier

        def add_batch(batch, images):
            latents, dropout_key = self._draw(key, batch)
            places = jnp.arange(self.batch_size, dtype=jnp.int32)
            batch_labels = (batch * self.batch_size + places) % num_classes
            made = self.gan.generate(variables, latents, batch_labels, dropout_key)
            is_here = positions // self.batch_size == batch
            return jnp.where(
                is_here[:, None, None, None], made[positions % self.batch_size], images
            )

        return jax.lax.fori_loop(
            0,
            positions.max() // self.batch_size + 1,
            add_batch,
            jnp.zeros((number, *self.gan.image_shape), jnp.uint8),
        )

    def settled(self, variables: dict[str, PyTree]) -> dict[str, PyTree]:
        """Variables whose moving statistics are those of their own weights.

        Averaged statistics do not fit averaged weights: statistics are means over
        `standing_batches` batches, of latents from the prior and every class in turn
        from batch to batch, always the same. Where there is no batch norm nothing
        changes.

        Source: Brock et al. 2019, appendix C.1, "standing statistics".
        """
        if not self.standing_batches or "batch_stats" not in variables:
            return variables
        return self._settle(variables)

    @functools.partial(jax.jit, static_argnames="self")
    def _settle(self, variables):
        shape = self.standing_batches, self.batch_size
        labels = balanced_labels(math.prod(shape), self.gan.num_classes).reshape(shape)

        def statistics(batch):
            number, batch_labels = batch
            latents, key = self._draw(stream(jax.random.key(0), "standing"), number)
            return self.gan.batch_statistics(variables, latents, batch_labels, key)

        numbers = jnp.arange(self.standing_batches, dtype=jnp.int32)
        of_batches = jax.lax.map(statistics, (numbers, jnp.asarray(labels)))
        means = jax.tree.map(lambda values: values.mean(axis=0), of_batches)
        return variables | {"batch_stats": means}

    def latents(self, key: jax.Array, labels: np.ndarray) -> jax.Array:
        """The latents [N, Z] of the images that this key and these labels give."""
        batch_labels, positions = self._plan(labels)
        return self._draw_batches(key, len(batch_labels))[positions]

    def generate(
        self,
        variables: dict[str, PyTree],
        keys: jax.Array,
        labels: np.ndarray,
        latents: jax.Array,
    ) -> jax.Array:
        """Images uint8 [N, H, W, C] for latents [N, Z] and labels [N] of one's choice.

        In eval mode an image depends on nothing else. In train mode `keys` [N] draw
        image n's dropout and, where an image depends on the others in its batch,
        companions to fill a batch of its own: latents from the prior, with every class
        in turn. Chosen latents are no draws from the prior (averages, the points of a
        path, all of one class), so a batch of them would have statistics which the
        network has never seen; as one among `batch_size` an image is normalised as in
        training, at the cost of `batch_size` images. Equal keys mean the same dropout
        and the same companions: then the image is a function of latent and label.
        """
        labels = checked_labels(labels, self.gan.num_classes)
        if self.gan.modes.generator_in_sampling:
            return self._generate_each(variables, keys, jnp.asarray(labels), latents)
        batch_labels, _ = _padded_plan(
            labels, batch_size=self.batch_size, num_classes=self.gan.num_classes
        )
        padded = jnp.pad(latents, ((0, batch_labels.size - labels.size), (0, 0)))
        batches = padded.reshape(*batch_labels.shape, -1)
        return self._generate_as_given(variables, keys[0], batch_labels, batches)[
            : labels.size
        ]

    @property
    def _batches_are_mixed(self) -> bool:
        """Whether an image depends on the others in its batch."""
        return (
            self.gan.modes.generator_in_sampling
            and self.gan.sampling_generator.mixes_examples
        )

    def _plan(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        plan = (
            _balanced_plan
            if self.gan.conditional and self._batches_are_mixed
            else _padded_plan
        )
        return plan(
            checked_labels(labels, self.gan.num_classes),
            batch_size=self.batch_size,
            num_classes=self.gan.num_classes,
        )

    def _draw(self, key: jax.Array, number: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The latents of batch `number`, and the key of its dropout."""
        latent_key, dropout_key = jax.random.split(jax.random.fold_in(key, number))
        return self.gan.sample_latents(latent_key, self.batch_size), dropout_key

    @functools.partial(jax.jit, static_argnames="self")
    def _generate_batches(self, variables, key, labels):
        def generate(batch):
            number, batch_labels = batch
            latents, dropout_key = self._draw(key, number)
            return self.gan.generate(variables, latents, batch_labels, dropout_key)

        numbers = jnp.arange(labels.shape[0], dtype=jnp.int32)
        images = jax.lax.map(generate, (numbers, labels))
        return images.reshape(-1, *self.gan.image_shape)

    @functools.partial(jax.jit, static_argnames=("self", "num_batches"))
    def _draw_batches(self, key, num_batches):
        numbers = jnp.arange(num_batches, dtype=jnp.int32)
        latents = jax.lax.map(lambda number: self._draw(key, number)[0], numbers)
        return latents.reshape(-1, latents.shape[-1])

    @functools.partial(jax.jit, static_argnames="self")
    def _generate_as_given(self, variables, key, labels, latents):
        images = jax.lax.map(
            lambda batch: self.gan.generate(variables, *batch, key), (latents, labels)
        )
        return images.reshape(-1, *self.gan.image_shape)

    @functools.partial(jax.jit, static_argnames="self")
    def _generate_each(self, variables, keys, labels, latents):
        size = self.batch_size if self._batches_are_mixed else 1

        def generate(wanted):
            key, label, latent = wanted
            companion_key, dropout_key = jax.random.split(key)
            companions = self.gan.sample_latents(companion_key, size)
            # Begins with the wanted class, so that the turn is a full one.
            batch_labels = (
                label + jnp.arange(size, dtype=jnp.int32)
            ) % self.gan.num_classes
            images = self.gan.generate(
                variables, companions.at[0].set(latent), batch_labels, dropout_key
            )
            return images[0]

        return jax.lax.map(generate, (keys, labels, latents))


def balanced_labels(num_samples: int, num_classes: int) -> np.ndarray:
    """[num_samples] int32: every class in turn."""
    return np.arange(num_samples, dtype=np.int32) % num_classes


def _padded_plan(labels, *, batch_size, num_classes):
    """Labels [batches, batch_size], and where in them the wanted images are."""
    num_batches = -(-labels.size // batch_size)
    padded = balanced_labels(num_batches * batch_size, num_classes)
    padded[: labels.size] = labels
    return padded.reshape(num_batches, batch_size), np.arange(labels.size)


def _balanced_plan(labels, *, batch_size, num_classes):
    """As `_padded_plan`, with every class in turn in every batch."""
    counts = np.bincount(labels, minlength=num_classes)
    wanted = np.flatnonzero(counts)
    # Class c is at c, c + num_classes, ...: the last one wanted sets the length.
    length = int(max(wanted + (counts[wanted] - 1) * num_classes)) + 1
    num_batches = -(-length // batch_size)
    planned = balanced_labels(num_batches * batch_size, num_classes)
    positions = np.empty(labels.size, np.int64)
    for label in wanted:
        positions[labels == label] = label + num_classes * np.arange(counts[label])
    return planned.reshape(num_batches, batch_size), positions
