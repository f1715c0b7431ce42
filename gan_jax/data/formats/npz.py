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
            arrays = {name: archive[name] for name in _ARRAYS}

    def split(part: str) -> Split:
        return check_split(
            spec=spec,
            images=arrays[f"x_{part}"],
            labels=arrays[f"y_{part}"],
            images_from=f"{path}, x_{part}",
            labels_from=f"{path}, y_{part}",
        )

    return join_splits(spec=spec, train=split("train"), test=split("test"))
