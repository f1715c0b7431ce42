"""SVHN cropped digits, format 2 (http://ufldl.stanford.edu/housenumbers).

MATLAB files with `X`, uint8 [32, 32, 3, N], and `y`, [N, 1] from 1 to 10; 10 is the
digit 0.
"""

from pathlib import Path

import numpy as np
import scipy  # of which scipy.io is loaded when first used

from gan_jax.data.dataset import (
    DataError,
    Dataset,
    DatasetSpec,
    Split,
    check_split,
    join_splits,
)
from gan_jax.data.formats.damage import reading

TRAIN_FILE = "train_32x32.mat"
TEST_FILE = "test_32x32.mat"


def read_svhn_folder(*, folder: Path, spec: DatasetSpec) -> Dataset:
    """Reads train_32x32.mat and test_32x32.mat; the digit 0 gets the label 0.

    Raises DataError when one is missing, damaged or not of SVHN.
    """
    return join_splits(
        spec=spec,
        train=_read_mat(path=folder / TRAIN_FILE, spec=spec),
        test=_read_mat(path=folder / TEST_FILE, spec=spec),
    )


def _read_mat(*, path: Path, spec: DatasetSpec) -> Split:
    with reading(path, "a MATLAB file with X and y"):
        contents = scipy.io.loadmat(path, variable_names=["X", "y"])
        images, labels = contents["X"], contents["y"]
    if images.ndim != 4:
        raise DataError(
            f"{path}, X: expected images of shape [32, 32, 3, N], "
            f"found {list(images.shape)}"
        )
    if labels.size and (labels.min() < 1 or labels.max() > 10):
        raise DataError(
            f"{path}, y: expected labels from 1 to 10 (the digit 0), "
            f"found {labels.min()} to {labels.max()}"
        )
    return check_split(
        spec=spec,
        images=images.transpose(3, 0, 1, 2),
        labels=np.where(labels == 10, 0, labels),
        images_from=f"{path}, X",
        labels_from=f"{path}, y",
    )
