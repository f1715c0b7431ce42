"""Labelled image sets as uint8 arrays, from the package, from files or from TFDS."""

from gan_jax.data.dataset import (
    SPECS,
    DataError,
    Dataset,
    DatasetSpec,
    aligned,
    remarks,
)
from gan_jax.data.grayscale import grayscale_dataset, grayscale_spec
from gan_jax.data.load import SOURCES, load_dataset

__all__ = [
    "SOURCES",
    "SPECS",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "aligned",
    "grayscale_dataset",
    "grayscale_spec",
    "load_dataset",
    "remarks",
]
