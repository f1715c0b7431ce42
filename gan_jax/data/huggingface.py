"""Data sets of the Hugging Face hub, or saved by its library `datasets`."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.data.dataset import DataError, Dataset
from gan_jax.data.decoded import decoded_once
from gan_jax.data.folder import (
    ONLY_CLASS,
    PictureOptions,
    decoded_pictures,
    divided_pictures,
    stratified_test_rows,
)
from gan_jax.data.tree import Tree

_PARTS = ("train", "test")
# What `save_to_disk` writes, of several splits and of one.
_SAVED = ("dataset_dict.json", "state.json")


def load_huggingface(*, name: str, directory: str, options: PictureOptions) -> Dataset:
    """Reads the splits train and test, with one column of images and one of labels.

    Without a split test a part of each class becomes the test set; without a column of
    type ClassLabel there are no classes. Decoded images are kept in the cache.

    Args:
      name: on the hub, as "OWNER/NAME", if `directory` is empty.
      directory: made by `save_to_disk`, or with files that `datasets.load_dataset`
        knows, as Parquet.
      options: how the images become arrays of one size.

    Raises:
      DataError: `datasets` is not installed, there is no such data set, or it has no
        split train, no or several columns of images, several of labels, or images that
        cannot be used.
      ValueError: an option is out of range.
    """
    options.check()
    place = directory or name
    splits = _open(name, directory)
    if "train" not in splits:
        raise DataError(
            f"{place} has the splits {', '.join(map(str, splits))}: expected train "
            "and, if there is one, test"
        )
    parts = {part: splits[part] for part in _PARTS if part in splits}
    image_column, label_column = _columns(place, parts)
    identity = {
        "name": name,
        "place": place,
        "splits": {part: split._fingerprint for part, split in parts.items()},
        "options": dataclasses.asdict(options),
    }
    dataset = decoded_once(
        identity,
        lambda: _read(name, place, parts, image_column, label_column, options),
    )
    return dataclasses.replace(
        dataset, notes=dataset.notes + _notes(place, splits, label_column)
    )


def _open(name: str, directory: str) -> dict[str, Any]:
    """{split: datasets.Dataset}; a data set without splits is all for training."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "the data source huggingface needs the library datasets: pip install "
            f"'gan_jax[huggingface]' ({error})"
        ) from error
    if directory and not Path(directory).is_dir():
        raise DataError(f"{directory} is not there: expected a folder of a data set")
    try:
        if any((Path(directory) / file).exists() for file in _SAVED if directory):
            opened = datasets.load_from_disk(directory)
        else:
            opened = datasets.load_dataset(directory or name)
    # The library, and whoever serves the hub, raise almost anything.
    except Exception as error:
        where = f"in {directory}" if directory else f"of name {name!r} on the hub"
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"Hugging Face's datasets finds no data set {where} that it can read: "
            f"{type(error).__name__}: {reason}"
        ) from error
    if isinstance(opened, datasets.Dataset):
        return {"train": opened}
    return dict(opened)


def _columns(place: str, parts: dict[str, Any]) -> tuple[str, str | None]:
    """The columns of images and of labels, by their type; None: there are no labels."""
    from datasets import ClassLabel, Image

    features = parts["train"].features
    for part, split in parts.items():
        if split.features != features:
            raise DataError(
                f"{place}: the split {part} has other columns than train: "
                f"{_shown(split.features)} there, {_shown(features)} in train"
            )
    images, labels = (
        [column for column, feature in features.items() if isinstance(feature, kind)]
        for kind in (Image, ClassLabel)
    )
    for what, columns, fewest in (("Image", images, 1), ("ClassLabel", labels, 0)):
        if not fewest <= len(columns) <= 1:
            found = f"{len(columns)} columns" if columns else "no column"
            raise DataError(
                f"{place} has {found} of type {what}: expected one (columns: "
                f"{_shown(features)})"
            )
    return images[0], labels[0] if labels else None


def _shown(features: dict[str, Any]) -> str:
    return ", ".join(
        f"{column} ({type(feature).__name__})" for column, feature in features.items()
    )


def _notes(
    place: str, splits: dict[str, Any], label_column: str | None
) -> tuple[str, ...]:
    """What of the data set is not used, or is missing."""
    notes = []
    unused = [split for split in splits if split not in _PARTS]
    if unused:
        notes.append(f"{place}: the splits {', '.join(map(str, unused))} are not used")
    if label_column is None:
        features = _shown(splits["train"].features)
        notes.append(f"{place} has no column of type ClassLabel: {features}")
    return tuple(notes)


def _read(
    name: str,
    place: str,
    parts: dict[str, Any],
    image_column: str,
    label_column: str | None,
    options: PictureOptions,
) -> Dataset:
    examples = [
        (part, row) for part, split in parts.items() for row in range(len(split))
    ]
    paths = [f"{part}/{row}" for part, row in examples]
    if label_column is None:
        class_names = [ONLY_CLASS]
        labels = np.zeros(len(examples), np.int32)
    else:
        class_names = parts["train"].features[label_column].names
        labels = np.concatenate(
            [_labels(place, part, split, label_column) for part, split in parts.items()]
        )
    decoded = decoded_pictures(_tree(place, parts, image_column), paths, options)
    labels = labels[decoded.rows]
    if "test" in parts:
        is_test = np.array([examples[row][0] == "test" for row in decoded.rows])
    else:
        is_test = stratified_test_rows(labels, options.test_fraction)
    train_origin, test_origin = (
        (f"{place}, {image_column} ({part})", f"{place}, {label_column} ({part})")
        for part in _PARTS
    )
    return divided_pictures(
        name, decoded, labels, class_names, is_test, origins=(train_origin, test_origin)
    )


def _labels(place: str, part: str, split: Any, column: str) -> np.ndarray:
    names = split.features[column].names
    labels = split[column][:]
    if None in labels:
        raise DataError(
            f"{place}, {column} ({part}): row {labels.index(None)} has no label; "
            "expected one for every image"
        )
    labels = np.asarray(labels, np.int64)
    # The hub gives -1 to test images whose classes are kept secret.
    wrong = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(wrong):
        raise DataError(
            f"{place}, {column} ({part}): row {wrong[0]} has the label "
            f"{labels[wrong[0]]}; expected labels from 0 to {len(names) - 1}"
        )
    return labels


def _tree(place: str, parts: dict[str, Any], column: str) -> Tree:
    """The files of the images, by split and row."""
    from datasets import Image

    encoded = {
        part: split.select_columns(column).cast_column(column, Image(decode=False))
        for part, split in parts.items()
    }

    def read(path: str) -> bytes:
        part, row = path.split("/")
        image = encoded[part][int(row)][column]
        if image is None:
            raise ValueError("there is no image")
        # Without bytes it is a file beside the data set.
        return image["bytes"] or Path(image["path"]).read_bytes()

    files = {
        f"{part}/{row}": (0, "")  # sizes are not known before they are read
        for part, split in parts.items()
        for row in range(len(split))
    }
    return Tree(Path(place), read, files)
