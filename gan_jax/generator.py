"""Trained generators: found in a run's folder, ready to sample from."""

import dataclasses
import json
import operator
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, training
from gan_jax.checkpoint import Checkpointer, CheckpointError
from gan_jax.data import DatasetSpec
from gan_jax.metrics import metric_named
from gan_jax.paths import local_path
from gan_jax.population import variables_of_members
from gan_jax.precision import in_32_bits
from gan_jax.report.grids import image_grid
from gan_jax.sampling import Sampler, balanced_labels
from gan_jax.types import PyTree
from gan_jax.weights import fitted, load_weights
from gan_jax.workdir import CONFIG_FILE, config_from_dict, load_config

WEIGHTS_FILE = "generator.safetensors"
GRID_COLUMNS = 10  # samples of a class, or in a row


# eq=False: comparing arrays with == has no single truth value.
@dataclasses.dataclass(frozen=True, eq=False)
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
          key: `jax.random.key(seed)`; `jax.random.PRNGKey(seed)` means the same.
          labels_or_n: the classes wanted, [N] integers; or N, which a conditional
            generator takes as N images of every class in turn.

        Raises:
          ValueError: labels out of range, not one-dimensional or not integers; labels
            given to an unconditional generator; N below 1.
          TypeError: the key is none, or N no whole number.
        """
        labels = self._wanted_labels(labels_or_n)
        return self.sampler(self.variables, _one_key(key), labels)

    def latents(self, key: jax.Array, labels_or_n: np.ndarray | int) -> jax.Array:
        """The latents [N, Z] of the images that `sample` gives for these arguments."""
        labels = self._wanted_labels(labels_or_n)
        return self.sampler.latents(_one_key(key), labels)

    def generate(
        self, latents: jax.Array, labels: np.ndarray | None, key: jax.Array
    ) -> jax.Array:
        """Generates images of chosen latents, uint8 [N, H, W, C] in [0, 255].

        Args:
          latents: [N, Z].
          labels: the classes, [N] integers; None for an unconditional generator.
          key: one key, of which every image gets its own, or [N] of them. In train mode
            it draws the image's dropout and the batch in which it is generated; images
            of equal keys have these in common and differ by latent and label alone. In
            eval mode it has no effect.

        Raises:
          ValueError: labels as in `sample`, or missing; latents of another shape, or
            not finite; not as many labels or keys as latents.
          TypeError: a key is none, or latents are no numbers.
        """
        latents = _checked_latents(latents, self.latent_size)
        number = len(latents)
        if self.conditional == (labels is None):
            wants = "one label for each" if self.conditional else "no labels"
            raise ValueError(f"this generator takes {wants} of the {number} latents")
        labels = np.zeros(number, np.int32) if labels is None else np.asarray(labels)
        key = _typed_keys(key)
        if key.ndim == 0:
            key = jax.vmap(jax.random.fold_in, (None, 0))(
                key, jnp.arange(number, dtype=jnp.int32)
            )
        for name, array in (("labels", labels), ("keys", key)):
            if np.shape(array) != (number,):
                raise ValueError(
                    f"{name} of shape {np.shape(array)} for {number} latents"
                )
        return self.sampler.generate(self.variables, key, labels, latents)

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
            return balanced_labels(_whole(labels_or_n), self.spec.num_classes)
        if not self.conditional:
            raise ValueError("this generator is unconditional: it takes no labels")
        return np.asarray(labels_or_n)


def _typed_keys(key: jax.Array) -> jax.Array:
    """Keys as `jax.random.key` makes them, of those or of raw ones (`PRNGKey`)."""
    if isinstance(key, jax.Array | np.ndarray):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            return key
        raw_shape = jax.eval_shape(jax.random.PRNGKey, 0).shape
        if key.dtype == np.uint32 and key.shape[-1:] == raw_shape:
            return jax.random.wrap_key_data(key)
        raise TypeError(
            f"key must be jax.random.key(seed), not {key.dtype} of shape {key.shape}"
        )
    raise TypeError(f"key must be jax.random.key(seed), not {key!r:.50}")


def _one_key(key: jax.Array) -> jax.Array:
    key = _typed_keys(key)
    if key.ndim:
        raise TypeError(f"one key is needed, not keys of shape {key.shape}")
    return key


def _whole(number: int) -> int:
    """A number of images."""
    try:
        if isinstance(number, bool | np.bool_):
            raise TypeError
        whole = operator.index(number)
    except TypeError:
        raise TypeError(
            f"number of images must be a whole number, not {number!r:.50}"
        ) from None
    if whole < 1:
        raise ValueError(f"number of images must be >= 1, not {whole}")
    return whole


def _checked_latents(latents: jax.Array, size: int) -> jax.Array:
    """Float32 [N, size]; the values of those that are traced are not known yet."""
    if np.ndim(latents) != 2 or not len(latents) or np.shape(latents)[1] != size:
        raise ValueError(
            f"latents must be of shape [N, {size}], not {np.shape(latents)}"
        )
    traced = isinstance(latents, jax.core.Tracer)
    dtype = latents.dtype if traced else np.asarray(latents).dtype
    if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise TypeError(f"latents must be real numbers, not {dtype}")
    latents = jnp.asarray(latents, jnp.float32)
    if not traced:
        (bad,) = np.nonzero(~np.isfinite(np.asarray(latents)).all(axis=1))
        if bad.size:
            raise ValueError(
                f"{bad.size} of {len(latents)} latents are not finite, the first of "
                f"them number {bad[0]}"
            )
    return latents


def load_generator(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
    seed: int | None = None,
) -> Generator:
    """The generator of the run in `workdir`, or of an export.

    Args:
      workdir: of a run; or a folder that `export` wrote, or its .safetensors file.
      step: of the checkpoint; None: the latest usable one.
      config: in place of the run's own, for other settings of sampling. An export keeps
        the standing statistics that it was written with.
      seed: that of a population's member; None: of its first.

    Raises:
      ConfigError: the folder holds no run, or none of that seed.
      CheckpointError: no checkpoint, none of that step, or none usable; an export that
        is damaged, foreign, or of another step or seed.
    """
    workdir = local_path(workdir, "workdir")
    if workdir.suffix == ".safetensors":
        return _load_exported(workdir, step, config, seed)
    # In a run's own folder an export is older than the run may be.
    if (workdir / WEIGHTS_FILE).exists() and not (workdir / CONFIG_FILE).exists():
        return _load_exported(workdir / WEIGHTS_FILE, step, config, seed)
    config = config or load_config(workdir)
    seeds = build.seeds(config)
    if seed is not None and seed not in seeds:
        raise build.ConfigError(f"{workdir} has no seed {seed}; it has {seeds}")
    number = 0 if seed is None else seeds.index(seed)
    return load_generators(workdir, step, config=config)[number]


@in_32_bits
def load_generators(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
) -> list[Generator]:
    """The generators of all seeds of a run, see `load_generator`."""
    workdir = local_path(workdir, "workdir")
    config = config or load_config(workdir)
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    # Only the structure counts here, which the number of steps does not change.
    template = jax.eval_shape(
        lambda: training.build_training(
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
        Generator(spec, gan.conditional, step, sampler, sampler.settled(variables))
        for variables in variables_of_members(
            state.gan.sampling_variables, config.population
        )
    ]


@in_32_bits
def _load_exported(
    path: pathlib.Path, step: int | None, config: ConfigDict | None, seed: int | None
) -> Generator:
    arrays, metadata = load_weights(path)
    try:
        config = config or config_from_dict(json.loads(metadata["config"]))
        data = json.loads(metadata["data"])
        of = {name: int(metadata[name]) for name in ("step", "seed")}
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} has damaged metadata: {error}") from error
    for name, wanted in (("step", step), ("seed", seed)):
        if wanted not in (None, of[name]):
            raise CheckpointError(f"{path} is of {name} {of[name]}, not {wanted}")
    spec = DatasetSpec(
        **{
            field: tuple(value) if isinstance(value, list) else value
            for field, value in data.items()
        }
    )
    gan = build.build_gan(config, spec)
    template, _ = jax.eval_shape(gan.init, jax.random.key(0), gan.no_examples())
    return Generator(
        spec,
        gan.conditional,
        of["step"],
        build.build_sampler(config, gan),
        fitted(path, arrays, template),
    )


def open_checkpoints(
    config: ConfigDict,
    workdir: pathlib.Path,
    scores: Mapping[int, float] | None = None,
) -> Checkpointer:
    """The checkpoints of the run in `workdir`.

    `scores` say which is the best one, as in `Checkpointer`.
    """
    metric = config.checkpoints.best_metric
    return Checkpointer(
        workdir / "checkpoints",
        keep_latest=config.checkpoints.keep_latest,
        every=config.checkpoint_every,
        scores=scores,
        smallest_is_best=bool(metric) and metric_named(metric).better == "smallest",
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
