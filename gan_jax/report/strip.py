"""The same latents over training, cut from the sample grids that a run has saved."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from gan_jax.report.grids import image_grid, split_grid

_GRID_FILE = re.compile(r"step_(\d+)\.png")


def training_strip(
    folder: str | Path,
    *,
    image_shape: tuple[int, int, int],
    rows: int,
    columns: int,
    max_moments: int = 12,
) -> np.ndarray:
    """A row for each moment, labelled with its step: the grid's first column.

    Args:
      folder: where the grids are: step_00001000.png and so on, as `image_grid` makes
        them.
      image_shape: (H, W, C) of one image.
      rows: of a grid.
      columns: of a grid.
      max_moments: at most so many moments, evenly among those that are there, the
        first and the last included.

    Returns:
      uint8 picture [H', W', C].

    Raises:
      FileNotFoundError: the folder holds no grids.
      OSError: a file is damaged, or no such grid.
    """
    folder = Path(folder)
    grids = {
        int(match[1]): path
        for path in folder.glob("step_*.png")
        if (match := _GRID_FILE.fullmatch(path.name))
    }
    if not grids:
        raise FileNotFoundError(f"{folder} holds no sample grids (step_00001000.png)")
    steps = sorted(grids)
    chosen = np.linspace(0, len(steps) - 1, min(len(steps), max_moments))
    steps = [steps[number] for number in chosen.round().astype(int)]
    first_columns = []
    for step in steps:
        picture = _read_png(grids[step])
        try:
            images = split_grid(
                picture, image_shape=image_shape, rows=rows, columns=columns
            )
        except ValueError as error:
            raise OSError(f"{grids[step]} is no sample grid: {error}") from None
        first_columns.append(images[:, 0])
    return image_grid(
        np.concatenate(first_columns),
        columns=rows,
        row_labels=[f"step {step:,}" for step in steps],
    )


def _read_png(path: Path) -> np.ndarray:
    """uint8 [H, W, C]; OSError, naming the file, if it cannot be read whole."""
    try:
        with Image.open(path) as image:
            image.load()
            pixels = np.asarray(image)
    # What Pillow raises for damaged files, besides OSError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError(f"{path} is damaged: {error}") from None
    return pixels[..., None] if pixels.ndim == 2 else pixels
