"""What a generator has learnt: one picture for each question.

The functions before `analyse` make pictures of a generator and know no config. Each
takes a typed key and returns a labelled picture, uint8 [H, W, C]. A generator in train
mode draws each image's dropout and companions (see `Sampler.generate`) from the key:
where a picture changes latents on purpose, the images that are to be compared have
these in common.
"""

import contextlib
import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, checks, projection
from gan_jax.augmentation_value import augmentation_value
from gan_jax.build import ConfigError
from gan_jax.data import Dataset, DatasetSpec
from gan_jax.data.batches import fixed_order
from gan_jax.generator import (
    GRID_COLUMNS,
    Generator,
    grid_request,
    load_generator,
)
from gan_jax.judge import load_or_train_judge
from gan_jax.latents import PATHS
from gan_jax.metrics import nearest_neighbours
from gan_jax.names import lookup
from gan_jax.paths import check_writable, local_path
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys, stream
from gan_jax.report.augmentation_curve import augmentation_curve
from gan_jax.report.grids import image_grid, save_png
from gan_jax.report.strip import training_strip
from gan_jax.samples import (
    Drawing,
    class_number,
    noise_keys,
    truncated,
    write_samples,
)
from gan_jax.sampling import balanced_labels
from gan_jax.workdir import check_evaluation_config

PATH_POINTS = 11
THRESHOLDS = {
    "normal": (math.inf, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3, 0.1),
    "uniform": (1.0, 0.8, 0.6, 0.4, 0.2, 0.1),
}
DROPOUT_RATES = tuple(percent / 100 for percent in range(50, -1, -5))
EXEMPLARS = 8  # at most so many of a group are shown
NEIGHBOURS = 8
DIRECTIONS = 10  # at most so many are shown
DIRECTION_STEPS = 4  # on each side of the draw
VARIATION = 0.25  # Radford et al. 2016, figure 7
_BLANK = 255


def interpolation(generator: Generator, key: jax.Array) -> np.ndarray:
    """Paths from one draw to another, a row each; every class the same path.

    Spherical for the normal prior (White 2016), linear for the uniform one. A row of
    an unconditional generator has ends of its own.
    """
    num_paths = 1 if generator.conditional else GRID_COLUMNS
    ends = generator.latents(key, 2 * num_paths)
    times = jnp.linspace(0, 1, PATH_POINTS, dtype=jnp.float32)
    path = jax.vmap(PATHS[generator.prior], (0, 0, None))
    paths = path(ends[:num_paths], ends[num_paths:], times)  # [P, T, Z]
    keys = jnp.repeat(noise_keys(key, num_paths), PATH_POINTS)
    latents = paths.reshape(-1, generator.latent_size)
    labels = row_labels = None
    if generator.conditional:
        row_labels = generator.spec.class_names
        num_classes = len(row_labels)
        latents, keys = jnp.tile(latents, (num_classes, 1)), jnp.tile(keys, num_classes)
        labels = np.repeat(np.arange(num_classes), PATH_POINTS)
    images = generator.generate(latents, labels, keys)
    return image_grid(np.asarray(images), columns=PATH_POINTS, row_labels=row_labels)


def truncation(generator: Generator, key: jax.Array) -> np.ndarray:
    """The same draws truncated at smaller and smaller thresholds, a row for each.

    Columns are `_columns`. Companions in train mode are not truncated: it is the
    latent that changes, not the network.

    Source: Brock et al. 2019, section 3.1.
    """
    request = _columns(generator)
    thresholds = THRESHOLDS[generator.prior]
    images = truncated(generator, key, request, thresholds)
    row_labels = [
        "none" if math.isinf(threshold) else f"{threshold:.1f}"
        for threshold in thresholds
    ]
    columns = len(images) // len(thresholds)
    return image_grid(np.asarray(images), columns=columns, row_labels=row_labels)


def dropout_sweep(generator: Generator, key: jax.Array) -> np.ndarray:
    """The same latents at dropout rates from 0.5 down to 0, a row for each.

    The generator is in train mode, and generates whole batches as `sample` does.
    Columns are `_columns`.

    Raises:
      ConfigError: it was trained without dropout.

    Source: Dittrich (quality up, diversity down, collapse at 0).
    """
    request = _columns(generator)
    images = [
        with_dropout(generator, rate).sample(key, request) for rate in DROPOUT_RATES
    ]
    return image_grid(
        np.concatenate(images),
        columns=len(images[0]),
        row_labels=[f"{rate:.2f}" for rate in DROPOUT_RATES],
    )


def directions(generator: Generator, key: jax.Array) -> np.ndarray:
    """One draw moved along the directions that change images most, a row for each.

    Steps are of one standard deviation of the prior, the draw itself in the middle.
    Rows of a conditional generator are of the classes in turn. See
    `projection.directions`.

    Raises:
      ConfigError: the generator does not say which layer is its first.
    """
    try:
        vectors, _ = projection.directions(generator)
    except ValueError as error:
        raise ConfigError(f"--analysis=directions: {error}") from None
    number = min(DIRECTIONS, len(vectors))
    steps = jnp.arange(-DIRECTION_STEPS, DIRECTION_STEPS + 1, dtype=jnp.float32)
    steps = steps / (1.0 if generator.prior == "normal" else math.sqrt(3))
    moves = steps[None, :, None] * jnp.asarray(vectors[:number, None], jnp.float32)
    # The first draw of `sample`, whatever the class.
    latents = generator.latents(key, GRID_COLUMNS)[0][None, None] + moves
    labels = None
    row_labels = [f"{row + 1}" for row in range(number)]
    if generator.conditional:
        names = generator.spec.class_names
        classes = np.arange(number) % len(names)
        labels = np.repeat(classes, len(steps))
        row_labels = [
            f"{row}, {names[label]}"
            for row, label in zip(row_labels, classes, strict=True)
        ]
    keys = jnp.repeat(noise_keys(key, 1), number * len(steps))
    images = generator.generate(
        latents.reshape(-1, generator.latent_size), labels, keys
    )
    return image_grid(np.asarray(images), columns=len(steps), row_labels=row_labels)


def projected(
    generator: Generator,
    key: jax.Array,
    images: np.ndarray,
    labels: np.ndarray,
    features: Callable[[jax.Array], jax.Array],
) -> tuple[np.ndarray, np.ndarray]:
    """Given images above the nearest that the generator can make; see `project`.

    Returns:
      The picture, and the distances [N] of `project`.

    Raises:
      ConfigError: the generator samples in train mode.
    """
    wanted = labels if generator.conditional else None
    with _projection_errors():
        found = projection.project(generator, key, images, wanted, features)
    rows = np.concatenate([images, np.asarray(found.images)])
    picture = image_grid(rows, columns=len(images), row_labels=["image", "projection"])
    return picture, found.pixel_distances


@contextlib.contextmanager
def _projection_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(
            f"--analysis=projection: {error} (config.modes.generator_in_sampling)"
        ) from None


def with_dropout(generator: Generator, rate: float) -> Generator:
    """The generator that generates in train mode with another dropout rate in [0, 1).

    Raises:
      ConfigError: it was trained without dropout.
    """
    gan = generator.sampler.gan
    if not getattr(gan.generator, "dropout_rate", 0):
        raise ConfigError(
            "the dropout analysis needs a generator that was trained with dropout; "
            "config.generator.dropout_rate is 0"
        )
    gan = dataclasses.replace(
        gan,
        sampling_generator=gan.generator.clone(dropout_rate=rate),
        modes=dataclasses.replace(gan.modes, generator_in_sampling=True),
    )
    sampler = dataclasses.replace(generator.sampler, gan=gan)
    return dataclasses.replace(generator, sampler=sampler)


def neighbours(
    generator: Generator, key: jax.Array, train_images: np.ndarray
) -> np.ndarray:
    """Samples, and right of each the training images nearest to it, nearest first.

    A sample of every class if the generator is conditional. `train_images` is uint8
    [N, H, W, C]; the distance is that of `metrics.nearest_neighbours`.
    """
    request = np.arange(generator.spec.num_classes)
    samples = np.asarray(
        generator.sample(key, request if generator.conditional else GRID_COLUMNS)
    )
    number = min(NEIGHBOURS, len(train_images))
    _, indices = nearest_neighbours(samples, train_images, number)
    blank = np.full_like(samples, _BLANK)
    rows = np.concatenate(
        [samples[:, None], blank[:, None], train_images[indices]], axis=1
    )
    return image_grid(
        rows.reshape(-1, *samples.shape[1:]),
        columns=rows.shape[1],
        row_labels=generator.spec.class_names if generator.conditional else None,
    )


class Group(NamedTuple):
    """Images with something in common, whose average latent stands for it."""

    name: str
    images: np.ndarray  # uint8 [K, H, W, C]
    latents: jax.Array  # [K, Z]
    label: int | None  # the class that its average is drawn in; None: unconditional


def arithmetic(
    generator: Generator, key: jax.Array, groups: tuple[Group, Group, Group]
) -> np.ndarray:
    """Latent arithmetic: with the average latents of three groups, a - b + c.

    A row for each group, with its average at the right; in the last row the result,
    below the averages, and left of it results with U(-0.25, 0.25) added to the latent.
    A conditional generator draws them in the class of c: a - b is a difference within
    a class, added to another one.

    Source: Radford et al. 2016, section 6.3.2.
    """
    a, b, c = (group.latents.mean(axis=0) for group in groups)
    noise_key, variation_key = noise_keys(key, 2)
    variations = jax.random.uniform(
        variation_key,
        (EXEMPLARS, a.size),
        jnp.float32,
        minval=-VARIATION,
        maxval=VARIATION,
    )
    result = a - b + c
    latents = jnp.concatenate([jnp.stack([a, b, c, result]), result[None] + variations])
    labels = None
    if generator.conditional:
        own = [group.label for group in groups]
        labels = np.array(own + [groups[-1].label] * (1 + EXEMPLARS))
    keys = jnp.repeat(noise_key[None], len(latents))
    images = np.asarray(generator.generate(latents, labels, keys))
    left = [group.images for group in groups] + [images[4:]]
    rows = [
        _row(shown[:EXEMPLARS], right)
        for shown, right in zip(left, images[:4], strict=True)
    ]
    names = [group.name for group in groups]
    return image_grid(
        np.concatenate(rows),
        columns=len(rows[0]),
        row_labels=[names[0], f"- {names[1]}", f"+ {names[2]}", "="],
    )


def class_groups(
    generator: Generator,
    key: jax.Array,
    classes: Sequence[int],
    classify: Callable[[jax.Array], np.ndarray],
    num_samples: int,
) -> list[Group]:
    """Of `num_samples` samples those that are taken for each of the classes.

    `classify` takes images uint8 [N, H, W, C] and returns their classes [N].

    Raises:
      ConfigError: a class is never generated; or the generator is conditional, and
        what makes a class is not in the latent.
    """
    if generator.conditional:
        raise ConfigError(
            "--groups names classes, but in a conditional generator the class is not "
            "in z; give numbers of images in samples.png instead, as 0+3+7,1+2,5"
        )
    images = generator.sample(key, num_samples)
    latents = generator.latents(key, num_samples)
    found = np.asarray(classify(images))
    groups = []
    for label in classes:
        name = generator.spec.class_names[label]
        members = np.flatnonzero(found == label)
        if not members.size:
            raise ConfigError(
                f"--groups: the judge takes none of {num_samples} generated images for "
                f"class {name}"
            )
        groups.append(
            Group(name, np.asarray(images[members]), latents[members], label=None)
        )
    return groups


def image_groups(
    generator: Generator,
    key: jax.Array,
    numbers: Sequence[Sequence[int]] | None = None,
) -> list[Group]:
    """Groups of images of the sample grid, which is `sample_grid` with this key.

    Args:
      numbers: of the images of each group, from 0, row by row. None: of the first
        class the three brightest and the three darkest images, and the three darkest
        of the second class (for a conditional generator).

    Raises:
      ConfigError: there is no image of some number.
    """
    request = grid_request(generator)
    images = np.asarray(generator.sample(key, request))
    latents = generator.latents(key, request)
    if numbers is None:
        brightness = images.reshape(len(images), -1).mean(axis=1)
        first, second = brightness[: 2 * GRID_COLUMNS].reshape(2, -1).argsort(axis=1)
        numbers = [first[-3:], first[:3], second[:3] + GRID_COLUMNS]
    groups = []
    for members in numbers:
        if max(members) >= len(images):
            raise ConfigError(
                f"--groups: no image {max(members)} in samples.png; they are numbered "
                f"from 0 to {len(images) - 1}, row by row"
            )
        members = np.array(members)
        groups.append(
            Group(
                ", ".join(map(str, members)),
                images[members],
                latents[members],
                label=int(request[members[0]]) if generator.conditional else None,
            )
        )
    return groups


def parse_groups(text: str, spec: DatasetSpec) -> tuple[str, list]:
    """What `--groups` says: ("classes", [A, B, C]) or ("images", [[...], ...]).

    Classes are given by name or by number, images by numbers with a + somewhere.

    Raises:
      ConfigError: malformed, or no such class.
    """
    groups = [group.strip() for group in text.split(",")]
    if len(groups) != 3 or not all(groups):
        raise ConfigError(
            f"--groups is {text!r}; it must be three groups A,B,C: classes, or numbers "
            "of images joined by +, as 0+3+7,1+2,5"
        )
    if "+" in text:
        numbers = [group.split("+") for group in groups]
        for number in sum(numbers, []):
            if not number.strip().isdecimal():
                raise ConfigError(f"--groups: {number!r} is no number of an image")
        return "images", [[int(number) for number in group] for group in numbers]
    return "classes", [class_number(group, spec, "groups") for group in groups]


@dataclasses.dataclass(frozen=True)
class _Run:
    """What an analysis may need of a run; made when it is."""

    config: ConfigDict
    workdir: pathlib.Path
    step: int | None
    groups: str | None

    @functools.cached_property
    def generator(self) -> Generator:
        return load_generator(self.workdir, self.step, config=self.config)

    @functools.cached_property
    def key(self) -> jax.Array:
        return root_keys(self.config.seed)["samples"]

    @functools.cached_property
    def dataset(self) -> Dataset:
        return build.build_dataset(self.config)


# Each returns a picture and what there is to say besides.


def _training(run: _Run) -> tuple[np.ndarray, str]:
    if run.step is not None:
        raise ConfigError(
            f"--step is {run.step}, but --analysis=training shows all saved moments"
        )
    spec = build.dataset_spec(run.config)
    picture = training_strip(
        run.workdir / "samples",
        image_shape=spec.image_shape,
        rows=spec.num_classes if run.config.conditional else GRID_COLUMNS,
        columns=GRID_COLUMNS,
    )
    return picture, ""


def _dropout(run: _Run) -> tuple[np.ndarray, str]:
    if run.generator.sampler.gan.sampling_generator.mixes_examples:
        checks.check_sampling_batch(run.config, run.generator.sampler.gan)
    return dropout_sweep(run.generator, run.key), ""


def _neighbours(run: _Run) -> tuple[np.ndarray, str]:
    train_images = run.dataset.train_images
    number = build.number_of_samples(run.config)
    rows = np.asarray(fixed_order(len(run.dataset.test_images)))[:number]
    test_images = run.dataset.test_images[rows]
    means = [
        float(nearest_neighbours(images, train_images)[0].mean())
        for images in (run.generator.sample(run.key, number), test_images)
    ]
    note = (
        f"Mean distance to the nearest of {len(train_images):,} training images: "
        f"{means[0]:.3f} of {number:,} samples, {means[1]:.3f} of "
        f"{len(test_images):,} test images (L2, pixels in [0, 1])"
    )
    return neighbours(run.generator, run.key, train_images), note


def _projection(run: _Run) -> tuple[np.ndarray, str]:
    with _projection_errors():
        projection.check_mode(run.generator)  # before a judge is trained
    dataset = run.dataset
    rows = [
        np.flatnonzero(dataset.test_labels == label)[0]
        for label in np.unique(dataset.test_labels)
    ]
    judge = load_or_train_judge(run.config, dataset)
    picture, distances = projected(
        run.generator,
        run.key,
        dataset.test_images[rows],
        dataset.test_labels[rows],
        judge.features_of_floats,
    )
    note = (
        f"Root mean square difference of {len(rows)} test images, one of each class, "
        f"to the nearest found: {distances.mean():.3f} (pixels in [0, 1])"
    )
    return picture, note


def _augmentation(run: _Run) -> tuple[np.ndarray, str]:
    if not run.generator.conditional:
        raise ConfigError("--analysis=augmentation needs a conditional generator")
    settings, dataset = run.config.eval, run.dataset

    def generate(key, number):
        labels = balanced_labels(number, dataset.spec.num_classes)
        if not number:
            return dataset.train_images[:0], labels
        return np.asarray(run.generator.sample(key, labels)), labels

    sizes = settings.augmentation_real_sizes, settings.augmentation_generated_sizes
    try:
        accuracies = augmentation_value(
            dataset,
            generate,
            stream(run.key, "augmentation"),
            real_sizes=sizes[0],
            generated_sizes=sizes[1],
            num_runs=settings.augmentation_runs,
            settings=build.classifier_settings(run.config),
        )
    except ValueError as error:
        raise ConfigError(f"config.eval.augmentation_{error}") from None
    lines = [
        f"{real:,} real, {generated:,} generated: {100 * of_runs.mean():.2f} % "
        f"({', '.join(f'{100 * value:.2f}' for value in of_runs)})"
        for real, of_real in zip(sizes[0], accuracies, strict=True)
        for generated, of_runs in zip(sizes[1], of_real, strict=True)
    ]
    note = "\n".join(
        ["Accuracy on real test images, of classifiers trained on", *lines]
    )
    return augmentation_curve(accuracies, *sizes), note


def _arithmetic(run: _Run) -> tuple[np.ndarray, str]:
    generator, key = run.generator, run.key
    kind, members = "images", None
    if run.groups is not None:
        kind, members = parse_groups(run.groups, generator.spec)
    elif not generator.conditional:
        kind, members = "classes", [0, 1, 2]
        spec = generator.spec
        if spec.num_classes < len(members):
            raise ConfigError(
                "--analysis=arithmetic averages the first three classes, but "
                f"{spec.name} has {spec.num_classes}: give --groups=A,B,C, numbers of "
                "images in samples.png, as 0+3+7,1+2,5"
            )
    if kind == "images":
        return arithmetic(generator, key, image_groups(generator, key, members)), ""

    def classify(images):
        judge = load_or_train_judge(run.config, run.dataset)
        return np.argmax(judge.logits(images), axis=1)

    number = build.number_of_samples(run.config)
    groups = class_groups(generator, key, members, classify, number)
    counts = [f"{len(group.images):,} of {group.name}" for group in groups]
    return arithmetic(generator, key, groups), f"Images averaged: {', '.join(counts)}"


_PICTURES: dict[str, Callable[[_Run], tuple[np.ndarray, str]]] = {
    "interpolation": lambda run: (interpolation(run.generator, run.key), ""),
    "arithmetic": _arithmetic,
    "dropout": _dropout,
    "truncation": lambda run: (truncation(run.generator, run.key), ""),
    "training": _training,
    "directions": lambda run: (directions(run.generator, run.key), ""),
    "projection": _projection,
    "neighbours": _neighbours,
    "augmentation": _augmentation,
}
ANALYSES = ("samples", *_PICTURES)


@in_32_bits
def analyse(
    config: ConfigDict,
    workdir: pathlib.Path,
    name: str | None = None,
    step: int | None = None,
    groups: str | None = None,
    output: pathlib.Path | None = None,
    drawing: Drawing | None = None,
) -> str:
    """Writes NAME.png; returns what there is to tell, with the path.

    Args:
      name: one of ANALYSES, or `package.module:attribute`, a function of a Generator
        and a key that returns a picture, uint8 [H, W, C]. None: 'samples', see
        `samples.write_samples`.
      step: of the checkpoint; None: the latest.
      groups: of 'arithmetic', see `parse_groups`. None: the first three classes, or of
        a conditional generator images as in `image_groups`.
      output: folder for the files; None: `workdir`.
      drawing: what 'samples' draws; None: as the config says.

    Raises:
      ConfigError, CheckpointError, DataError, OSError: see there.
    """
    workdir = local_path(workdir, "workdir")
    name = name or "samples"
    if name not in ANALYSES and ":" not in name:
        raise ConfigError(
            f"--analysis={name} is unknown; known: {', '.join(ANALYSES)}, or "
            "package.module:attribute"
        )
    if groups is not None and name != "arithmetic":
        raise ConfigError(f"--groups is for --analysis=arithmetic, not {name}")
    if name == "samples":
        return f"Wrote {write_samples(config, workdir, step, output, drawing)}"
    checks.check_config(config, scored=False)
    config = check_evaluation_config(workdir, config)
    draw = _PICTURES[name] if name in _PICTURES else _users_analysis(name)
    folder = output or workdir
    check_writable(folder)
    picture, note = draw(_Run(config, workdir, step, groups))
    path = folder / f"{name.rpartition(':')[2]}.png"
    save_png(path, picture)
    return f"{note}\nWrote {path}".strip()


def _users_analysis(name: str) -> Callable[["_Run"], tuple[np.ndarray, str]]:
    try:
        draw = lookup(name, {})
    except ValueError as error:
        raise ConfigError(f"--analysis {error}") from error
    return lambda run: (draw(run.generator, run.key), "")


def _columns(generator: Generator) -> np.ndarray | int:
    """Two images of every class, side by side; or as many as in two grid rows."""
    if generator.conditional:
        return np.repeat(np.arange(generator.spec.num_classes), 2)
    return 2 * GRID_COLUMNS


def _row(shown: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Up to EXEMPLARS images, filled up, a gap, and one at the right."""
    row = np.full((EXEMPLARS + 2, *right.shape), _BLANK, np.uint8)
    row[: len(shown)] = shown
    row[-1] = right
    return row
