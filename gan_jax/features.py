"""What scores look at in place of the judge's features: Inception-v3, or a function."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from flax.traverse_util import flatten_dict, unflatten_dict
from tqdm import tqdm

from gan_jax.data import DataError
from gan_jax.networks.inception import (
    IMAGE_SIZE,
    InceptionV3,
    logits_layer,
    prepared,
)
from gan_jax.precision import in_32_bits
from gan_jax.report.files import atomic_write
from gan_jax.tensor_files import read_tensors

# The public tools' file, and where their releases have it.
WEIGHTS = "pt_inception-2015-12-05-6726825d.pth (torch-fidelity, pytorch-fid)"
# To be raised whenever equal weights give other features than before (another rounding
# is none): those kept by earlier versions are then no longer used.
_RECIPE = 1
# Of the largest layer's outputs a batch has 0.3 GB.
_BATCH_SIZE = 50
# By the end of a tensor's name: its collection and the end of its path here, and which
# of its axes stands where.
_FIELDS = {
    "conv.weight": ("params", "conv/kernel", (2, 3, 1, 0)),
    "bn.weight": ("params", "bn/scale", (0,)),
    "bn.bias": ("params", "bn/bias", (0,)),
    "bn.running_mean": ("batch_stats", "bn/mean", (0,)),
    "bn.running_var": ("batch_stats", "bn/var", (0,)),
    "fc.weight": ("params", "fc/kernel", (1, 0)),
}
# No score needs them: what "unbiased" logits leave out, and counts of training.
_UNUSED = re.compile(r"fc\.bias|.*\.num_batches_tracked")


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """A function of images that scores compare.

    Attributes:
      name: as `eval.features` has it.
      compute: uint8 [B, H, W, C] -> float [B, F], each image's alone.
      logits: float [N, F] -> [N, classes], for the Inception Score; None: it has none.
      weights_sha256: of the file of its weights; "": there is none.
      cache_dir: where the features of real images are kept; None: nowhere.
    """

    name: str
    compute: Callable[[np.ndarray], jax.Array | np.ndarray]
    logits: Callable[[np.ndarray], jax.Array] | None = None
    weights_sha256: str = ""
    cache_dir: pathlib.Path | None = None

    def __call__(self, images: jax.Array | np.ndarray) -> np.ndarray:
        """Features, float32 [N, F], of uint8 [N, H, W, C].

        `compute` sees batches of 50 images, or of all where there are fewer; the last
        one is filled up with repetitions, so that what is compiled is compiled once.

        Raises:
          DataError: `compute` returns something else.
        """
        images, size = np.asarray(images), min(_BATCH_SIZE, len(images))
        starts = range(0, len(images), size)
        title = f"features {self.name}"
        with tqdm(starts, title, unit="batch", disable=None, leave=False) as bar:
            features = [
                self._of_batch(images[start : start + size], size) for start in bar
            ]
        return np.concatenate(features)

    def of_real(self, images: np.ndarray) -> np.ndarray:
        """The same of images of a data set, computed once and kept in `cache_dir`.

        In a file named after a hash of the images and of the weights. A damaged one is
        replaced; where none can be written a warning says so.
        """
        if self.cache_dir is None:
            return self(images)
        identity = f"{_RECIPE} {self.weights_sha256} {images.shape}"
        digest = hashlib.sha256(identity.encode())
        digest.update(np.ascontiguousarray(images))
        file = self.cache_dir / f"features-{digest.hexdigest()[:32]}.npz"
        try:
            with np.load(file) as archive:  # which has checksums
                return archive["features"]
        except FileNotFoundError:
            pass
        except Exception as error:  # of damaged bytes, almost any
            logging.warning("%s: %s; computing the features anew", file, error)
        features = self(images)
        try:
            with atomic_write(file) as temporary, temporary.open("wb") as opened:
                np.savez(opened, features=features)
        except OSError as error:
            logging.warning("%s; the features are computed again next time", error)
        return features

    def _of_batch(self, images: np.ndarray, size: int) -> np.ndarray:
        whole = np.resize(images, (size, *images.shape[1:]))
        features = np.asarray(self.compute(whole))
        fits = features.ndim == 2 and features.dtype.kind == "f"
        if not fits or len(features) != size:
            raise DataError(
                f"eval.features: {self.name} must return floats [{size}, F] for {size} "
                f"images, not {features.dtype} {list(features.shape)}"
            )
        return features[: len(images)].astype(np.float32)


def inception_features(
    weights: pathlib.Path, cache_dir: pathlib.Path | None = None
) -> Features:
    """Inception-v3 with the weights of a file, as the public FID tools take it.

    2048 features and the unbiased logits of 1008 classes. A single channel is taken as
    grey. The file has PyTorch's names: `Conv2d_1a_3x3.conv.weight` [32, 3, 3, 3],
    `Mixed_5b.branch1x1.bn.running_var` [64], ..., `fc.weight` [1008, 2048].

    Raises:
      ValueError: the file cannot be read, or has other tensors.
    """
    changed = weights.stat().st_mtime_ns if weights.is_file() else None
    variables, digest = _loaded(weights, changed)
    last_layer = {"params": variables["params"]["fc"]}
    return Features(
        "inception",
        functools.partial(_inception, variables),
        lambda features: logits_layer().apply(last_layer, features),
        digest,
        cache_dir,
    )


# A command builds them at each check of its config, from some 100 MB.
@functools.lru_cache(maxsize=1)
def _loaded(weights: pathlib.Path, changed: int | None) -> tuple[dict[str, Any], str]:
    """Variables and SHA-256 of a file that was changed at this time."""
    variables = inception_variables(weights)
    return variables, hashlib.sha256(weights.read_bytes()).hexdigest()


def inception_variables(weights: pathlib.Path) -> dict[str, Any]:
    """The file's tensors as variables of `InceptionV3`.

    Raises:
      ValueError: as `inception_features`; of several wrong tensors it names the first.
    """
    tensors = read_tensors(weights)
    expected = inception_tensors()
    for name in sorted(expected.keys() | tensors.keys()):
        if _UNUSED.fullmatch(name):
            continue
        there = list(tensors[name].shape) if name in tensors else "absent"
        wanted = list(expected[name][1]) if name in expected else "absent"
        if there != wanted:
            raise ValueError(
                f"{weights} does not have the weights of the FID tools' Inception-v3: "
                f"{name} is {there}, not {wanted}"
            )
    variables = {
        path: jnp.asarray(tensors[name].transpose(axes), jnp.float32)
        for name, (path, _, axes) in expected.items()
    }
    return unflatten_dict(variables, sep="/")


@functools.cache
def inception_tensors() -> Mapping[str, tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """What a file of weights must have: {name: (path here, shape there, axes here)}."""
    images = jax.ShapeDtypeStruct((1, IMAGE_SIZE, IMAGE_SIZE, 3), jnp.float32)
    template = jax.eval_shape(InceptionV3().init, jax.random.key(0), images)
    shapes = {
        path: leaf.shape for path, leaf in flatten_dict(template, sep="/").items()
    }
    expected = {}
    for path, shape in shapes.items():
        for field, (collection, ending, axes) in _FIELDS.items():
            if path.startswith(collection) and path.endswith(ending):
                module = path.removeprefix(f"{collection}/").removesuffix(ending)
                there = tuple(shape[axes.index(axis)] for axis in range(len(axes)))
                name = module.replace("/", ".") + field
                expected[name] = (path, there, axes)
    return expected


@in_32_bits
def _inception(variables: Mapping[str, Any], images: np.ndarray) -> jax.Array:
    # Apart, so that images of several sizes share the compiled network.
    return _of_prepared(variables, jax.jit(prepared)(images))


@jax.jit
def _of_prepared(variables: Mapping[str, Any], images: jax.Array) -> jax.Array:
    features, _ = InceptionV3().apply(variables, images)
    return features
