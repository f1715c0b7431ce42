"""What a labelled image set is, and the checks that every source's arrays pass."""

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np

_ALIGNMENT = 64  # bytes; XLA's of buffers on CPUs


class DataError(ValueError):
    """A data set is unknown, missing, damaged or of the wrong kind."""


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """What images and classes a data set has.

    `image_shape` is (height, width, channels); `value_range` the lowest and highest
    byte a pixel may have; `mirror_symmetric` says that a mirrored image could as well
    be one of the set, which holds for things seen from either side, not for digits.
    """

    name: str
    image_shape: tuple[int, int, int]
    num_classes: int
    class_names: tuple[str, ...]
    value_range: tuple[int, int] = (0, 255)
    # Not in the repr, and so in no fingerprint: it says nothing about the contents.
    mirror_symmetric: bool = dataclasses.field(default=False, repr=False)

    @property
    def has_classes(self) -> bool:
        """Whether there are several, so that a classifier can tell them apart."""
        return self.num_classes > 1

    def class_number(self, text: str) -> int:
        """The class of a name, or of one in other capitals, or else of a number.

        Raises ValueError, with the known ones, if there is none, or no single one.
        """
        if text in self.class_names:
            return self.class_names.index(text)
        alike = [name for name in self.class_names if name.lower() == text.lower()]
        if len(alike) > 1:
            raise ValueError(
                f"{self.name} has several classes {text!r}: {', '.join(alike)}; "
                "expected one of them, with its capitals"
            )
        if alike:
            return self.class_names.index(alike[0])
        # Last: folders of classes may have other numbers for names.
        numbers = {str(label): label for label in range(self.num_classes)}
        if text not in numbers:
            raise ValueError(
                f"{self.name} has no class {text!r}; known: "
                f"{', '.join(self.class_names)} (or 0 to {self.num_classes - 1})"
            )
        return numbers[text]


class Split(NamedTuple):
    """One checked part, training or test, of a data set."""

    images: np.ndarray  # uint8 [N, H, W, C]
    labels: np.ndarray  # int32 [N]


# eq=False: comparing arrays with == has no single truth value.
@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in host memory."""

    spec: DatasetSpec
    train_images: np.ndarray  # uint8 [N, H, W, C]
    train_labels: np.ndarray  # int32 [N]
    test_images: np.ndarray  # uint8 [M, H, W, C]
    test_labels: np.ndarray  # int32 [M]
    notes: tuple[str, ...] = ()  # what was done to make it of its files

    def fingerprint(self) -> str:
        """Names the contents: 16 hexadecimal digits of SHA-256 over spec and arrays."""
        digest = hashlib.sha256(repr(self.spec).encode())
        for array in (
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
        ):
            # Shapes separate the arrays; '<' makes the bytes the same on any machine.
            digest.update(repr(array.shape).encode())
            little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little_endian))
        return digest.hexdigest()[:16]


def check_contents(dataset: Dataset) -> None:
    """Refuses images of the right type that no network could learn from.

    Raises:
      DataError: the images of a split are all the same, or scaled to 0 and 1.
    """
    for split, images, _ in _splits(dataset):
        if (images == images[:1, :1, :1, :1]).all():
            raise DataError(
                f"the {split} images of {dataset.spec.name} are blank: every pixel is "
                f"{images.flat[0]}"
            )
        if images.max() <= 1:
            raise DataError(
                f"the {split} images of {dataset.spec.name} hold only the values 0 and "
                "1; expected bytes from 0 to 255 (multiply by 255)"
            )
        if len(images) > 1 and (images == images[:1]).all():
            raise DataError(
                f"the {split} images of {dataset.spec.name} are all the same image"
            )


def remarks(dataset: Dataset) -> list[str]:
    """What a reader of scores on this data set should know: what its classes lack."""
    lines = []
    if not dataset.spec.has_classes:
        lines.append(
            f"the images of {dataset.spec.name} have no classes: the GAN is "
            "unconditional, no judge can be trained, and scores that need one are left "
            "out"
        )
    for split, _, labels in _splits(dataset):
        missing = [
            name
            for label, name in enumerate(dataset.spec.class_names)
            if label not in labels
        ]
        if missing:
            lines.append(
                f"the {split} images of {dataset.spec.name} have none of class "
                f"{', '.join(missing)}"
            )
    return lines


def _splits(dataset: Dataset) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
    return (
        ("training", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    )


_DIGITS = tuple(str(digit) for digit in range(10))

SPECS = {
    spec.name: spec
    for spec in (
        DatasetSpec("mnist", (28, 28, 1), 10, _DIGITS),
        DatasetSpec(
            "fashion_mnist",
            (28, 28, 1),
            10,
            (
                "T-shirt/top",
                "trouser",
                "pullover",
                "dress",
                "coat",
                "sandal",
                "shirt",
                "sneaker",
                "bag",
                "ankle boot",
            ),
        ),
        DatasetSpec(
            "cifar10",
            (32, 32, 3),
            10,
            (
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ),
            mirror_symmetric=True,
        ),
        DatasetSpec("svhn", (32, 32, 3), 10, _DIGITS),
    )
}


def join_splits(*, spec: DatasetSpec, train: Split, test: Split) -> Dataset:
    """Makes the data set of its two checked splits."""
    return Dataset(
        spec=spec,
        train_images=train.images,
        train_labels=train.labels,
        test_images=test.images,
        test_labels=test.labels,
    )


def check_split(
    *,
    spec: DatasetSpec,
    images: np.ndarray,
    labels: np.ndarray,
    images_from: str,
    labels_from: str,
) -> Split:
    """Checks arrays as read and brings them into their one layout.

    `images` is uint8 [N, H, W, C], or [N, H, W] where C is 1; `labels` any integers
    [N] or [N, 1] in [0, num_classes); N is any positive number. `images_from` and
    `labels_from` name the arrays' places of origin in errors.

    Raises:
      DataError: a dtype, a shape, a label or the two counts are not as expected.
    """
    images = check_images(spec=spec, images=images, origin=images_from)
    labels = _check_labels(spec=spec, labels=labels, origin=labels_from)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_from}: expected one label for each of the {len(images)} images "
            f"of {images_from}, found {len(labels)} labels"
        )
    return Split(images, labels)


def check_images(*, spec: DatasetSpec, images: np.ndarray, origin: str) -> np.ndarray:
    """The images of `check_split`, where there are no labels."""
    if images.dtype != np.uint8:
        raise DataError(f"{origin}: expected uint8 images, found {images.dtype}")
    found = images.shape
    if images.ndim == 3 and spec.image_shape[-1] == 1:
        images = images[..., None]
    if images.shape[1:] != spec.image_shape or len(images) == 0:
        height, width, channels = spec.image_shape
        raise DataError(
            f"{origin}: expected {spec.name} images of shape "
            f"[N, {height}, {width}, {channels}] with N at least 1, found {list(found)}"
        )
    return np.ascontiguousarray(images)


def _check_labels(*, spec: DatasetSpec, labels: np.ndarray, origin: str) -> np.ndarray:
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{origin}: expected integer labels, found {labels.dtype}")
    if labels.ndim not in (1, 2) or labels.shape[1:] not in ((), (1,)):
        raise DataError(
            f"{origin}: expected labels of shape [N] or [N, 1], "
            f"found {list(labels.shape)}"
        )
    labels = labels.reshape(-1)
    outside = (labels < 0) | (labels >= spec.num_classes)
    if outside.any():
        position = int(np.argmax(outside))
        raise DataError(
            f"{origin}: expected labels from 0 to {spec.num_classes - 1}, "
            f"found {labels[position]} at position {position}"
        )
    return labels.astype(np.int32)


def aligned(dataset: Dataset) -> Dataset:
    """The same set, read-only and where JAX's arrays on CPUs can share its memory.

    `jax.device_put` may copy arrays that do not start on a multiple of 64 bytes.
    """
    arrays = {
        name: _aligned(getattr(dataset, name))
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    }
    return dataclasses.replace(dataset, **arrays)


def _aligned(array: np.ndarray) -> np.ndarray:
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    copy.flags.writeable = False
    return copy
