"""Picture files of many kinds as bytes of one shape."""

import concurrent.futures
import io
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gan_jax.data.dataset import DataError
from gan_jax.data.tree import Tree

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# How pictures of other proportions are brought to a size, and how a line says it.
FITS = {
    "crop": (ImageOps.fit, "resized and cropped"),
    "pad": (ImageOps.pad, "resized and padded with black"),
}
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GRAY_MODES = ("1", "L", "LA")
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16L", "I;16B")
_MIN_SIDE = 8  # pixels
_MAX_SIDE = 512  # pixels of pictures that are not made smaller
_MAX_BYTES = 2**28  # of a file
_NAMED = 3  # of the pictures that are left out


class Decoded(NamedTuple):
    """The pictures that could be decoded."""

    images: np.ndarray  # uint8 [N, H, W, C]
    rows: list[int]  # [N], which of the given pictures they are
    notes: tuple[str, ...]  # what was done to them


class _UnusableError(ValueError):
    """A picture that cannot be used; the message follows the file's name."""


def decode_pictures(
    tree: Tree,
    paths: Sequence[str],
    *,
    image_size: tuple[int, ...],
    fit: str,
    skip: bool,
) -> Decoded:
    """Decodes pictures with several threads.

    Transparent pixels lie on black; 16 bits become 8; pictures are turned as their
    EXIF orientation says. They have one channel if all of them are gray, else three.

    Args:
      tree: where they are.
      paths: in the tree, at least one.
      image_size: (side,) or (height, width), to which pictures are resized, with
        antialiasing; (): they have one size.
      fit: of FITS: other proportions are cropped at the centre, or padded with black.
      skip: whether pictures that cannot be used are left out.

    Raises:
      DataError: pictures cannot be used, or have several sizes.
    """
    height_width = image_size * 2 if len(image_size) == 1 else image_size

    def decode(path):
        try:
            return _decode(tree, path, height_width, fit)
        except _UnusableError as error:
            return str(error)
        # Decoders of damaged bytes raise almost anything.
        except Exception as error:
            return f"is damaged: {type(error).__name__}: {error}"

    arrays, rows, sizes = [], [], []
    unusable: dict[str, str] = {}
    pool = concurrent.futures.ThreadPoolExecutor()
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            results = tqdm(
                pool.map(decode, paths),
                total=len(paths),
                desc="pictures",
                unit="picture",
                disable=None,
                leave=False,
            )
            for row, result in enumerate(results):
                if isinstance(result, str):
                    unusable[paths[row]] = result
                    continue
                array, size = result
                if not image_size and sizes and size != sizes[0]:
                    raise DataError(
                        f"{tree.place}/{paths[row]} is {_shown(size)} pixels, but "
                        f"{paths[rows[0]]} {_shown(sizes[0])}: expected pictures of "
                        "one size, or --config.data.image_size=SIDE to resize them"
                    )
                arrays.append(array)
                rows.append(row)
                sizes.append(size)
        finally:
            pool.shutdown(cancel_futures=True)
    if unusable and not (skip and arrays):
        path, reason = next(iter(unusable.items()))
        remedy = "" if skip else "; --config.data.on_error=skip leaves them out"
        raise DataError(
            f"{tree.place}/{path} {reason} ({len(unusable)} of {len(paths)} pictures "
            f"cannot be used{remedy})"
        )
    channels = max(array.ndim for array in arrays)
    arrays = [
        array if array.ndim == channels else np.repeat(array[..., None], 3, axis=2)
        for array in arrays
    ]
    images = np.stack(arrays)
    if channels == 2:
        images = images[..., None]
    return Decoded(images, rows, _notes(tree, unusable, sizes, height_width, fit))


def _notes(
    tree: Tree,
    unusable: dict[str, str],
    sizes: list[tuple[int, int]],
    height_width: tuple[int, ...],
    fit: str,
) -> tuple[str, ...]:
    notes = []
    changed = sorted(size for size in sizes if height_width and size != height_width)
    if changed:
        ends = dict.fromkeys((_shown(changed[0]), _shown(changed[-1])))
        notes.append(
            f"{len(changed):,} of {len(sizes):,} pictures in {tree.place} are "
            f"{FITS[fit][1]} to {_shown(height_width)} pixels, from "
            f"{' to '.join(ends)}"
        )
    if unusable:
        first = ", ".join(list(unusable)[:_NAMED])
        more = ", ..." * (len(unusable) > _NAMED)
        notes.append(
            f"{len(unusable):,} of {len(unusable) + len(sizes):,} pictures in "
            f"{tree.place} cannot be used and are left out: {first}{more}"
        )
    return tuple(notes)


def _shown(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _decode(
    tree: Tree, path: str, height_width: tuple[int, ...], fit: str
) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture, uint8 [H, W] or [H, W, 3], and its (height, width) in the file."""
    num_bytes, _ = tree.files[path]
    if num_bytes > _MAX_BYTES:
        raise _UnusableError(
            f"has {num_bytes:,} bytes; expected at most {_MAX_BYTES:,}"
        )
    try:
        with Image.open(io.BytesIO(tree.read(path)), formats=_FORMATS) as picture:
            picture.load()
            picture = ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise _UnusableError("is no PNG, JPEG, WebP or BMP picture") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _UnusableError(f"is too large: {error}") from None
    size = picture.height, picture.width
    if min(size) < _MIN_SIDE:
        raise _UnusableError(
            f"is {_shown(size)} pixels; expected at least {_MIN_SIDE} a side"
        )
    if not height_width and max(size) > _MAX_SIDE:
        raise _UnusableError(
            f"is {_shown(size)} pixels; expected at most {_MAX_SIDE} a side, or "
            "--config.data.image_size=SIDE to resize the pictures"
        )
    picture = _opaque(picture)
    if height_width:
        height, width = height_width
        if fit == "pad" and min(height / size[0], width / size[1]) * min(size) <= 0.5:
            raise _UnusableError(
                f"is {_shown(size)} pixels: with data.fit=pad nothing is left of it in "
                f"{_shown(height_width)}"
            )
        resize, _ = FITS[fit]
        picture = resize(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture), size


def _opaque(picture: Image.Image) -> Image.Image:
    """A picture of mode L or RGB."""
    if picture.mode in _SIXTEEN_BIT_MODES:
        values = np.asarray(picture).astype(np.int64)
        # 65535 / 255 is 257.
        return Image.fromarray(np.clip((values + 128) // 257, 0, 255).astype(np.uint8))
    mode = "L" if picture.mode in _GRAY_MODES else "RGB"
    if not picture.has_transparency_data:
        return picture.convert(mode)
    picture = picture.convert("RGBA")
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, picture).convert(mode)
