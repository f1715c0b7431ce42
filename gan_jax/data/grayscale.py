"""Colour sets as sets of one channel."""

import dataclasses

import numpy as np

from gan_jax.data.dataset import Dataset, DatasetSpec

# Thousandths of red, green and blue in luma, ITU-R recommendation BT.601.
_LUMA_WEIGHTS = (299, 587, 114)


def grayscale_spec(spec: DatasetSpec) -> DatasetSpec:
    """The spec of the same set in one channel."""
    return dataclasses.replace(spec, image_shape=(*spec.image_shape[:2], 1))


def grayscale_dataset(dataset: Dataset) -> Dataset:
    """The same set in one channel; its fingerprint is another one."""
    return dataclasses.replace(
        dataset,
        spec=grayscale_spec(dataset.spec),
        train_images=to_grayscale(dataset.train_images),
        test_images=to_grayscale(dataset.test_images),
    )


def to_grayscale(images: np.ndarray) -> np.ndarray:
    """Luma, 0.299 R + 0.587 G + 0.114 B, rounded (halves up).

    Takes uint8 [N, H, W, 3], returns uint8 [N, H, W, 1]. Raises ValueError for images
    of another shape.

    Source: ITU-R recommendation BT.601, section 2.5.1.
    """
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must be [N, H, W, 3], not {list(images.shape)}")
    thousandths = np.full(images.shape[:3], 500, np.uint32)
    for channel, weight in enumerate(_LUMA_WEIGHTS):
        thousandths += np.uint32(weight) * images[..., channel]
    return (thousandths // 1000).astype(np.uint8)[..., None]
