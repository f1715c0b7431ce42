"""Pictures of many images."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax.report.files import atomic_write

_SCALE = 2
_PADDING = 2
_BACKGROUND = 255
_INK = 0


def image_grid(
    images: np.ndarray,
    *,
    columns: int,
    scale: int = _SCALE,
    padding: int = _PADDING,
    row_labels: Sequence[str] | None = None,
) -> np.ndarray:
    """Images side by side on white, row by row, each pixel enlarged without blurring.

    Args:
      images: uint8 [N, H, W, C].
      columns: images per row; the last row may be shorter.
      scale: side of the square that a pixel becomes.
      padding: white pixels around every image.
      row_labels: one text per row, drawn at its left.

    Returns:
      uint8 [rows * (H * scale + padding) + padding, likewise W (+ labels), C].

    Raises ValueError for other images, no columns, or a wrong number of labels.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise ValueError(
            f"expected uint8 images [N, H, W, C], got {images.dtype} {images.shape}"
        )
    if columns < 1:
        raise ValueError(f"columns must be at least 1, not {columns}")
    rows = -(-len(images) // columns)
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(f"{len(row_labels)} row labels for {rows} rows")

    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    _, height, width, channels = images.shape
    cells = np.full(
        (rows * columns, height + padding, width + padding, channels),
        _BACKGROUND,
        np.uint8,
    )
    cells[: len(images), padding:, padding:] = images
    grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    grid = grid.reshape(rows * cells.shape[1], columns * cells.shape[2], channels)
    grid = np.pad(
        grid, ((0, padding), (0, padding), (0, 0)), constant_values=_BACKGROUND
    )
    if row_labels is None:
        return grid
    labels = _label_column(row_labels, len(grid), padding, height)
    return np.concatenate([labels.repeat(channels, axis=2), grid], axis=1)


def split_grid(
    grid: np.ndarray,
    *,
    image_shape: tuple[int, int, int],
    rows: int,
    columns: int,
    scale: int = _SCALE,
    padding: int = _PADDING,
) -> np.ndarray:
    """The images of a grid that `image_grid` made, with or without row labels.

    Args:
      grid: uint8 picture [H', W', C].
      image_shape: (H, W, C) of one image.
      rows: of the grid, all of them full.
      columns: of the grid.

    Returns:
      uint8 [rows, columns, H, W, C].

    Raises ValueError if the picture has not the size of such a grid.
    """
    height, width, channels = image_shape
    cell_height, cell_width = height * scale + padding, width * scale + padding
    expected = (rows * cell_height + padding, columns * cell_width + padding)
    if grid.shape[0] != expected[0] or grid.shape[1] < expected[1]:
        raise ValueError(
            f"a grid of {rows} x {columns} images has {expected[0]} rows of pixels and "
            f"at least {expected[1]} columns, not {grid.shape[0]} and {grid.shape[1]}"
        )
    if grid.dtype != np.uint8 or grid.shape[2:] != (channels,):
        raise ValueError(
            f"expected uint8 pixels of {channels} channels, got {grid.dtype} of shape "
            f"{grid.shape}"
        )
    # Row labels are at the left.
    cells = grid[padding:, grid.shape[1] - expected[1] + padding :]
    cells = cells.reshape(rows, cell_height, columns, cell_width, channels)
    return cells.swapaxes(1, 2)[:, :, : height * scale : scale, : width * scale : scale]


def save_png(path: str | Path, array: np.ndarray) -> None:
    """Writes uint8 [H, W], [H, W, 1] or [H, W, 3] as a PNG file, whole or not at all.

    Creates the directory. Raises OSError that names the file if it cannot be written.
    """
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    with atomic_write(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG file; ValueError if it is none, or not whole."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return image.size
    # What Pillow raises for damaged files, besides ValueError.
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"no whole PNG file: {error}") from error


def _label_column(
    labels: Sequence[str], grid_height: int, padding: int, image_height: int
) -> np.ndarray:
    """The texts at the middle heights of their rows, flush right: [H, W, 1]."""
    font = ImageFont.load_default(size=min(20, max(10, image_height // 3)))
    gap = 4
    width = 2 * gap + max(int(np.ceil(font.getlength(label))) for label in labels)
    column = Image.new("L", (width, grid_height), _BACKGROUND)
    draw = ImageDraw.Draw(column)
    for row, label in enumerate(labels):
        middle = padding + row * (image_height + padding) + image_height / 2
        draw.text((width - gap, middle), label, fill=_INK, font=font, anchor="rm")
    return np.asarray(column)[..., None]
