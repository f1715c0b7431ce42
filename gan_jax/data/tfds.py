"""Data sets that TensorFlow Datasets has prepared, read without TensorFlow."""

from pathlib import Path

import numpy as np

from gan_jax.data.dataset import (
    DataError,
    Dataset,
    DatasetSpec,
    Split,
    check_split,
    join_splits,
)
from gan_jax.data.formats.damage import reading

_TFDS_NAMES = {"svhn": "svhn_cropped"}  # where it differs from ours


def load_tfds(*, spec: DatasetSpec, directory: str) -> Dataset:
    """Reads a prepared data set from `directory`, or from TFDS's default place if ''.

    Nothing is downloaded or prepared here: that needs TensorFlow, and a mistyped
    folder would begin it anew.

    Raises:
      DataError: tensorflow-datasets is not installed, or the data set has not been
        prepared there in a format with random access.
    """
    name = _TFDS_NAMES.get(spec.name, spec.name)
    arguments = {
        "data_dir": directory or None,
        # TFDS prepares this format by itself only when data_dir is not given.
        "builder_kwargs": {"file_format": "array_record"},
    }
    try:
        from tensorflow_datasets import data_source

        train, test = data_source(
            name, split=["train", "test"], download=False, **arguments
        )
    # Also from within the call: TFDS imports some of what it needs only when used.
    except ImportError as error:
        raise DataError(
            "the data source tfds needs TensorFlow Datasets and what it reads with: "
            f"pip install 'gan_jax[tfds]' ({error})"
        ) from error
    # TFDS has no common base class for what it raises for unprepared data.
    except Exception as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise DataError(
            f"TFDS has no {name} ready to read in "
            f"{directory or 'its default folder'}. Preparing it needs TensorFlow, "
            'once: pip install tensorflow-cpu, then python -c "import '
            f"tensorflow_datasets as tfds; tfds.data_source('{name}', {shown})\" "
            f"({type(error).__name__}: {error})"
        ) from error
    return join_splits(
        spec=spec,
        train=_read_split(spec=spec, source=train, origin=f"TFDS {name}, train"),
        test=_read_split(spec=spec, source=test, origin=f"TFDS {name}, test"),
    )


def _read_split(*, spec: DatasetSpec, source, origin: str) -> Split:
    """Decodes a `tfds.data_source` of {'image': [H, W, C], 'label': int} examples."""
    images = np.empty((len(source), *spec.image_shape), np.uint8)
    labels = np.empty(len(source), np.int64)
    expected = f"uint8 images of shape {list(spec.image_shape)} with integer labels"
    with reading(Path(origin), expected):
        for position, example in enumerate(source):
            image, label = np.asarray(example["image"]), np.asarray(example["label"])
            # NumPy would broadcast, wrap and cut other ones in silence.
            if (
                (image.dtype, image.shape) != (np.uint8, spec.image_shape)
                or not np.issubdtype(label.dtype, np.integer)
                or label.shape
            ):
                raise DataError(
                    f"{origin}, example {position}: expected {expected}, found "
                    f"{image.dtype} {list(image.shape)} with {label.dtype} "
                    f"{list(label.shape)}"
                )
            images[position], labels[position] = image, label
    return check_split(
        spec=spec,
        images=images,
        labels=labels,
        images_from=f"{origin} images",
        labels_from=f"{origin} labels",
    )
