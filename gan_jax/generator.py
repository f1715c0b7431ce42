"""Trained generators: found in a run's folder, ready to sample from."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.checkpoint import Checkpointer, CheckpointError
from gan_jax.data import DatasetSpec
from gan_jax.population import variables_of_members
from gan_jax.report.files import atomic_write
from gan_jax.report.grids import image_grid, save_png
from gan_jax.sampling import Sampler, balanced_labels
from gan_jax.types import PyTree
from gan_jax.workdir import check_evaluation_config, load_config

GRID_COLUMNS = 10  # samples of a class, or in a row


@dataclasses.dataclass(frozen=True)
class Generator:
    """A generator with its variables.

    Attributes:
      spec: of the data set that it was trained on: image shape and classes.
      conditional: whether it can be asked for a class.
      step: train steps that made it.
    """

    spec: DatasetSpec
    conditional: bool
    step: int
    sampler: Sampler
    variables: dict[str, PyTree]

    def sample(self, key: jax.Array, labels_or_n: np.ndarray | int) -> jax.Array:
        """Generates images, uint8 [N, H, W, C] in [0, 255].

        The same key and labels give the same images.

        Args:
          key: typed key, `jax.random.key(seed)`.
          labels_or_n: the classes wanted, [N] integers; or N, which a conditional
            generator takes as N images of every class in turn.

        Raises:
          ValueError: labels out of range, not one-dimensional or not integers; labels
            given to an unconditional generator; N below 1.
        """
        labels = self._wanted_labels(labels_or_n)
        return self.sampler(self.variables, key, labels)

    def latents(self, key: jax.Array, labels_or_n: np.ndarray | int) -> jax.Array:
        """The latents [N, Z] of the images that `sample` gives for these arguments."""
        return self.sampler.latents(key, self._wanted_labels(labels_or_n))

    def generate(
        self, latents: jax.Array, labels: np.ndarray | None, key: jax.Array
    ) -> jax.Array:
        """Generates images of chosen latents, uint8 [N, H, W, C] in [0, 255].

        Args:
          latents: [N, Z].
          labels: the classes, [N] integers; None for an unconditional generator.
          key: one typed key, of which every image gets its own, or [N] of them. In
            train mode it draws the image's dropout and the batch in which it is
            generated; images of equal keys have these in common and differ by latent
            and label alone. In eval mode it has no effect.

        Raises:
          ValueError: labels as in `sample`, or missing; latents of another shape; as
            many labels or keys as there are no latents.
        """
        size = self.latent_size
        if np.ndim(latents) != 2 or not len(latents) or latents.shape[1] != size:
            raise ValueError(
                f"latents must be of shape [N, {size}], not {np.shape(latents)}"
            )
        number = len(latents)
        if self.conditional == (labels is None):
            wants = "one label for each" if self.conditional else "no labels"
            raise ValueError(f"this generator takes {wants} of the {number} latents")
        labels = np.zeros(number, np.int32) if labels is None else np.asarray(labels)
        if key.ndim == 0:
            key = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(number))
        for name, array in (("labels", labels), ("keys", key)):
            if len(array) != number:
                raise ValueError(f"{len(array)} {name} for {number} latents")
        return self.sampler.generate(self.variables, key, labels, jnp.asarray(latents))

    @property
    def latent_size(self) -> int:
        """Length of z."""
        return self.sampler.gan.latent_size

    @property
    def prior(self) -> str:
        """The name of the distribution of z, one of `gan.PRIORS`."""
        return self.sampler.gan.prior

    def _wanted_labels(self, labels_or_n: np.ndarray | int) -> np.ndarray:
        if np.ndim(labels_or_n) == 0:
            if labels_or_n < 1:
                raise ValueError(f"number of images must be >= 1, not {labels_or_n}")
            return balanced_labels(int(labels_or_n), self.spec.num_classes)
        if not self.conditional:
            raise ValueError("this generator is unconditional: it takes no labels")
        return np.asarray(labels_or_n)


def load_generator(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
    seed: int | None = None,
) -> Generator:
    """The generator of the run in `workdir`.

    Args:
      step: of the checkpoint; None: the latest usable one.
      config: in place of the run's own, for other settings of sampling.
      seed: that of a population's member; None: of its first.

    Raises:
      ConfigError: the folder holds no run, or none of that seed.
      CheckpointError: no checkpoint, none of that step, or none usable.
    """
    workdir = pathlib.Path(workdir)
    config = config or load_config(workdir)
    seeds = build.seeds(config)
    if seed is not None and seed not in seeds:
        raise build.ConfigError(f"{workdir} has no seed {seed}; it has {seeds}")
    number = 0 if seed is None else seeds.index(seed)
    return load_generators(workdir, step, config=config)[number]


def load_generators(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
) -> list[Generator]:
    """The generators of all seeds of a run, see `load_generator`."""
    workdir = pathlib.Path(workdir)
    config = config or load_config(workdir)
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    # Only the structure counts here, which the number of steps does not change.
    template = jax.eval_shape(
        lambda: build.build_training(
            config,
            gan,
            num_steps=1,
            references=[gan.no_examples()] * config.population,
        )[1]
    )
    with open_checkpoints(config, workdir) as checkpoints:
        restored = checkpoints.restore(template, step)
    if restored is None:
        raise CheckpointError(f"{workdir} holds no checkpoint yet")
    state, step = restored
    sampler = build.build_sampler(config, gan)
    return [
        Generator(spec, gan.conditional, step, sampler, variables)
        for variables in variables_of_members(
            state.gan.sampling_variables, config.population
        )
    ]


def open_checkpoints(config: ConfigDict, workdir: pathlib.Path) -> Checkpointer:
    """The checkpoints of the run in `workdir`."""
    return Checkpointer(
        workdir / "checkpoints",
        keep_latest=config.checkpoints.keep_latest,
        best_metric=config.checkpoints.best_metric or None,
    )


def grid_request(generator: Generator) -> np.ndarray | int:
    """What the sample grid asks `sample` for: image n is its n-th, row by row."""
    if generator.conditional:
        return np.repeat(np.arange(generator.spec.num_classes), GRID_COLUMNS)
    return GRID_COLUMNS**2


def sample_grid(generator: Generator, key: jax.Array) -> np.ndarray:
    """A picture of samples, uint8 [H, W, C]: a row for every class if conditional."""
    images = np.asarray(generator.sample(key, grid_request(generator)))
    row_labels = generator.spec.class_names if generator.conditional else None
    return image_grid(images, columns=GRID_COLUMNS, row_labels=row_labels)


def write_samples(
    config: ConfigDict, workdir: pathlib.Path, step: int | None = None
) -> pathlib.Path:
    """Writes samples.npz and samples.png of a checkpoint; returns the former's path.

    samples.npz holds `images` uint8 [N, H, W, C] and `labels` int32 [N] (of an
    unconditional generator all -1) with N config.eval.num_samples; samples.png a grid.

    Raises:
      ConfigError, CheckpointError: see there.
    """
    build.check_config(config)
    check_evaluation_config(workdir, config)
    generator = load_generator(workdir, step, config=config)
    key = build.random_keys(config.seed)["samples"]
    num_samples = config.eval.num_samples
    images = np.asarray(generator.sample(key, num_samples))
    labels = np.full(num_samples, -1, np.int32)
    if generator.conditional:
        labels = balanced_labels(num_samples, generator.spec.num_classes)
    path = workdir / "samples.npz"
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels)
    save_png(workdir / "samples.png", sample_grid(generator, key))
    return path
