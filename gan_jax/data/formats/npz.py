"""NumPy archives with x_train, y_train, x_test and y_test, the layout of Keras."""

import zipfile
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

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(*, path: Path, spec: DatasetSpec) -> Dataset:
    """Reads a data set from one .npz file.

    Images are uint8 [N, H, W, C] or, with one channel, [N, H, W]; labels are integers
    [N] or [N, 1]. Raises DataError when the file is damaged or holds something else.
    """
    return _of_arrays(path, _read_arrays(path), spec)


def read_own_npz(*, path: Path, name: str) -> Dataset:
    """Reads a data set of which nothing is known before, likewise.

    Its images have 1 or 3 channels, its classes are 0 to the largest label.
    """
    arrays = _read_arrays(path)
    images, labels = arrays["x_train"], arrays["y_train"]
    shape = (*images.shape[1:], 1) if images.ndim == 3 else images.shape[1:]
    if len(shape) != 3 or shape[-1] not in (1, 3) or 0 in shape:
        raise DataError(
            f"{path}, x_train: expected images [N, H, W], [N, H, W, 1] or [N, H, W, 3],"
            f" found {list(images.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise DataError(
            f"{path}, y_train: expected integer labels, found {labels.size} of type "
            f"{labels.dtype}"
        )
    num_classes = int(labels.max()) + 1
    if num_classes > len(labels):
        raise DataError(
            f"{path}, y_train: expected labels from 0 on, the largest below the number "
            f"of images, found {num_classes - 1} among {len(labels)}"
        )
    names = tuple(map(str, range(num_classes)))
    return _of_arrays(path, arrays, DatasetSpec(name, shape, num_classes, names))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with reading(path, f"an .npz archive with the arrays {', '.join(_ARRAYS)}"):
        # np.load takes other formats too, and would complain of pickles for text.
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: expected an .npz archive, found no zip file")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in _ARRAYS if name not in archive]
            if missing:
                raise DataError(
                    f"{path}: expected the arrays {', '.join(_ARRAYS)}, "
                    f"{', '.join(missing)} not among {', '.join(archive) or 'none'}"
                )
            return {name: archive[name] for name in _ARRAYS}


def _of_arrays(path: Path, arrays: dict[str, np.ndarray], spec: DatasetSpec) -> Dataset:
    def split(part: str) -> Split:
        return check_split(
            spec=spec,
            images=arrays[f"x_{part}"],
            labels=arrays[f"y_{part}"],
            images_from=f"{path}, x_{part}",
            labels_from=f"{path}, y_{part}",
        )

    return join_splits(spec=spec, train=split("train"), test=split("test"))
