"""Labelled image sets as uint8 arrays: embedded, or from files and other libraries."""

from gan_jax.data.dataset import (
    SPECS,
    DataError,
    Dataset,
    DatasetSpec,
    aligned,
    check_images,
    check_split,
    remarks,
)
from gan_jax.data.folder import PictureOptions, read_pictures
from gan_jax.data.grayscale import grayscale_dataset, grayscale_spec
from gan_jax.data.load import (
    OWN_SOURCES,
    SOURCES,
    check_source,
    is_own,
    load_dataset,
)

__all__ = [
    "OWN_SOURCES",
    "SOURCES",
    "SPECS",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "PictureOptions",
    "aligned",
    "check_images",
    "check_source",
    "check_split",
    "grayscale_dataset",
    "grayscale_spec",
    "is_own",
    "load_dataset",
    "read_pictures",
    "remarks",
]
