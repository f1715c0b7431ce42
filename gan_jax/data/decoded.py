"""Decoded pictures, kept between runs: reading one file is faster than many."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from gan_jax.cache import cache_dir
from gan_jax.data.dataset import Dataset, DatasetSpec, check_split, join_splits
from gan_jax.report.files import atomic_write

# To be raised whenever equal files would become another data set than before.
_VERSION = 2


def decoded_once(identity: Any, decode: Callable[[], Dataset]) -> Dataset:
    """The data set that `decode` makes, from the cache if it is there.

    `identity`, which JSON can hold, determines the data set. A damaged file is decoded
    again with a warning; one that cannot be written costs a warning.
    """
    text = json.dumps([_VERSION, identity], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    file = cache_dir() / f"pictures-{key}.npz"
    try:
        return _read(file)
    except FileNotFoundError:
        pass
    # Damaged bytes raise almost anything; the zip format has checksums.
    except Exception as error:
        logging.warning(
            "%s is damaged (%s: %s); decoding the pictures again",
            file,
            type(error).__name__,
            error,
        )
    dataset = decode()
    try:
        _write(file, dataset)
    except OSError as error:
        logging.warning("%s; the pictures are decoded again next time", error)
    return dataset


def _write(file: Path, dataset: Dataset) -> None:
    spec = dataset.spec
    about = {
        "name": spec.name,
        "image_shape": spec.image_shape,
        "class_names": spec.class_names,
        "notes": dataset.notes,
    }
    with atomic_write(file) as temporary, temporary.open("wb") as opened:
        np.savez(
            opened,
            about=np.array(json.dumps(about)),
            train_images=dataset.train_images,
            train_labels=dataset.train_labels,
            test_images=dataset.test_images,
            test_labels=dataset.test_labels,
        )


def _read(file: Path) -> Dataset:
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        spec = DatasetSpec(
            about["name"],
            tuple(about["image_shape"]),
            len(about["class_names"]),
            tuple(about["class_names"]),
        )
        splits = {
            part: check_split(
                spec=spec,
                images=arrays[f"{part}_images"],
                labels=arrays[f"{part}_labels"],
                images_from=f"{file}, {part}_images",
                labels_from=f"{file}, {part}_labels",
            )
            for part in ("train", "test")
        }
    dataset = join_splits(spec=spec, **splits)
    return dataclasses.replace(dataset, notes=tuple(about["notes"]))
