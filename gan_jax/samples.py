"""The files of --mode=sample: many images, and what may be asked of them."""

import dataclasses
import math
import pathlib
import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, checks
from gan_jax.build import ConfigError
from gan_jax.data import DatasetSpec
from gan_jax.generator import GRID_COLUMNS, Generator, load_generator
from gan_jax.latents import TRUNCATIONS
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys
from gan_jax.report.files import atomic_write
from gan_jax.report.grids import image_grid, save_png
from gan_jax.workdir import check_evaluation_config

FORMATS = ("npz", "png")
# Samplers fold the number of a batch into their key; no batch has this one.
_NO_BATCH = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What --mode=sample draws, and as what files. None: as the run's config says.

    Attributes:
      format: 'npz', one file, which is the default; 'png', a file for each image.
      classes: names or numbers of classes, joined by commas, drawn in turn.
      num: number of images.
      seed: of the draw.
      truncation: threshold of the latents, see `latents.TRUNCATIONS`.
    """

    format: str | None = None
    classes: str | None = None
    num: int | None = None
    seed: int | None = None
    truncation: float | None = None

    def check(self) -> None:
        """Raises ConfigError for a number out of its range."""
        if self.num is not None and self.num < 1:
            raise ConfigError(f"--num is {self.num}; it must be >= 1")
        if self.seed is not None and not 0 <= self.seed <= checks.MAX_SEED:
            raise ConfigError(
                f"--seed is {self.seed}; it must be from 0 to {checks.MAX_SEED}"
            )


def noise_keys(key: jax.Array, number: int) -> jax.Array:
    """[number] keys for all that is drawn besides the samples of `key`."""
    return jax.random.split(jax.random.fold_in(key, _NO_BATCH), number)


def truncated(
    generator: Generator,
    key: jax.Array,
    labels_or_n: np.ndarray | int,
    thresholds: Sequence[float],
) -> jax.Array:
    """The draws of `sample`, truncated at each threshold: uint8 [T * N, H, W, C].

    Takes labels [N] of a conditional generator, N of an unconditional one.

    A generator in train mode draws each image's dropout and companions (see
    `Sampler.generate`), the same for every threshold. Companions are not truncated: it
    is the latent that changes, not the network.

    Source: Brock et al. 2019, section 3.1.
    """
    latents = generator.latents(key, labels_or_n)
    keys = noise_keys(key, len(latents) + 1)
    truncate = TRUNCATIONS[generator.prior]
    rows = [truncate(latents, keys[-1], threshold) for threshold in thresholds]
    labels = np.tile(labels_or_n, len(rows)) if generator.conditional else None
    return generator.generate(
        jnp.concatenate(rows), labels, jnp.tile(keys[:-1], len(rows))
    )


def class_number(text: str, spec: DatasetSpec, flag: str) -> int:
    """The class that a flag gives by its name or number.

    Raises:
      ConfigError: there is none; names the known ones.
    """
    try:
        return spec.class_number(text)
    except ValueError as error:
        raise ConfigError(f"--{flag}: {error}") from None


@in_32_bits
def write_samples(
    config: ConfigDict,
    workdir: pathlib.Path,
    step: int | None = None,
    output: pathlib.Path | None = None,
    drawing: Drawing | None = None,
) -> pathlib.Path:
    """Writes images of a checkpoint, and a grid; returns the path of the former.

    samples.npz holds `images` uint8 [N, H, W, C] and `labels` int32 [N] (of an
    unconditional generator all -1) with N `build.number_of_samples`, or images/ a file
    for each, as 000012_trouser.png; samples.png is a grid. They are written to
    `output`, or else to `workdir`.

    Raises:
      ConfigError: what is asked for is not there; or as the others.
      CheckpointError: see there.
    """
    drawing = drawing or Drawing()
    drawing.check()
    checks.check_config(config, scored=False)
    config = check_evaluation_config(workdir, config)
    output = output or workdir
    folder = output / "images"
    if drawing.format == "png" and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} holds files already; take another --output")
    generator = load_generator(workdir, step, config=config)
    classes = _classes(drawing, generator)
    _check_truncation(drawing, generator)
    seed = config.seed if drawing.seed is None else drawing.seed
    key = root_keys(seed)["samples"]

    def draw(labels_or_n):
        if drawing.truncation is None:
            return np.asarray(generator.sample(key, labels_or_n))
        thresholds = [drawing.truncation]
        return np.asarray(truncated(generator, key, labels_or_n, thresholds))

    number = drawing.num or build.number_of_samples(config)
    if classes is None:
        labels, row_labels = np.full(number, -1, np.int32), None
        images, grid = draw(number), draw(GRID_COLUMNS**2)
    else:
        labels = np.resize(np.array(classes, np.int32), number)
        row_labels = [generator.spec.class_names[label] for label in classes]
        images, grid = draw(labels), draw(np.repeat(classes, GRID_COLUMNS))
    if drawing.format == "png":
        path = folder
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            save_png(folder / _file_name(index, label, generator.spec), image)
    else:
        path = output / "samples.npz"
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, images=images, labels=labels)
    picture = image_grid(grid, columns=GRID_COLUMNS, row_labels=row_labels)
    save_png(output / "samples.png", picture)
    return path


def _classes(drawing: Drawing, generator: Generator) -> list[int] | None:
    """The classes to draw in turn; None of an unconditional generator."""
    if drawing.classes is None:
        classes = range(generator.spec.num_classes)
        return list(classes) if generator.conditional else None
    if not generator.conditional:
        raise ConfigError(
            "--classes: this generator is unconditional, it has no classes"
        )
    return [
        class_number(text.strip(), generator.spec, "classes")
        for text in drawing.classes.split(",")
    ]


def _check_truncation(drawing: Drawing, generator: Generator) -> None:
    threshold = drawing.truncation
    if threshold is None:
        return
    last = 1.0 if generator.prior == "uniform" else math.inf
    if not (0 < threshold <= last and math.isfinite(threshold)):
        limit = "in (0, 1]" if last == 1 else "a finite number > 0"
        raise ConfigError(
            f"--truncation is {threshold}; for the prior {generator.prior!r} it must "
            f"be {limit}"
        )


def _file_name(index: int, label: int, spec: DatasetSpec) -> str:
    """As 000012_trouser.png; of no class 000012.png."""
    if label < 0:
        return f"{index:06d}.png"
    name = re.sub(r"[^\w-]+", "-", spec.class_names[label])
    return f"{index:06d}_{name}.png"
