"""Strips of hand-made grids: the right cells of the right files, in order."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.report.grids import image_grid, save_png, split_grid
from gan_jax.report.strip import training_strip

SHAPE = (20, 3, 1)
ROWS, COLUMNS = 3, 4
GRID = {"image_shape": SHAPE, "rows": ROWS, "columns": COLUMNS}


def write_grid(folder, step, row_labels=("a", "long name", "c")):
    """A grid of noise; returns its images [ROWS, COLUMNS, H, W, C]."""
    images = np.random.default_rng(step).integers(
        0, 256, (ROWS * COLUMNS, *SHAPE), np.uint8
    )
    grid = image_grid(images, columns=COLUMNS, row_labels=row_labels)
    save_png(folder / f"step_{step:08d}.png", grid)
    return images.reshape(ROWS, COLUMNS, *SHAPE)


@pytest.mark.parametrize("row_labels", [("a", "long name", "c"), None])
def test_a_row_for_each_moment_from_the_first_columns(tmp_path, row_labels):
    images = {step: write_grid(tmp_path, step, row_labels) for step in (0, 900, 20000)}
    (tmp_path / ".step_00000300.png.tmp").write_bytes(b"half a picture")
    (tmp_path / "step_notes.png").write_bytes(b"no grid")

    strip = training_strip(tmp_path, **GRID)

    cells = split_grid(strip, image_shape=SHAPE, rows=3, columns=ROWS)
    for row, step in zip(cells, sorted(images), strict=True):
        np.testing.assert_array_equal(row, images[step][:, 0])
    # The steps are written at the left.
    label_width = strip.shape[1] - (ROWS * (2 * 3 + 2) + 2)
    assert (strip[:, :label_width] < 128).any()


def test_colours(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
    save_png(tmp_path / "step_00000007.png", image_grid(images, columns=1))

    strip = training_strip(tmp_path, image_shape=(6, 5, 3), rows=2, columns=1)

    cells = split_grid(strip, image_shape=(6, 5, 3), rows=1, columns=2)
    np.testing.assert_array_equal(cells[0], images)


def test_of_many_moments_some_at_even_distances(tmp_path):
    images = {step: write_grid(tmp_path, step) for step in range(0, 1100, 100)}

    strip = training_strip(tmp_path, **GRID, max_moments=6)

    cells = split_grid(strip, image_shape=SHAPE, rows=6, columns=ROWS)
    for row, step in zip(cells, range(0, 1100, 200), strict=True):
        np.testing.assert_array_equal(row, images[step][:, 0])


def test_no_grids(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=f"{folder} holds no sample grids"):
            training_strip(folder, **GRID)


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_bytes(path):
    content = bytearray(path.read_bytes())
    content[50:60] = b"\xff" * 10
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        cut_in_half,
        flip_bytes,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no picture"),
        lambda path: path.write_bytes(path.read_bytes()[:40]),
    ],
)
def test_damaged_files_are_named(tmp_path, damage):
    write_grid(tmp_path, 0)
    write_grid(tmp_path, 5)
    damage(tmp_path / "step_00000005.png")

    with pytest.raises(OSError, match="step_00000005.png is damaged"):
        training_strip(tmp_path, **GRID)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((128, 33), np.uint8), "128 rows .* at least 34 columns, not 128 and"),
        (np.zeros((127, 34), np.uint8), "128 rows of pixels .* not 127 and 34"),
        (np.zeros((128, 34, 3), np.uint8), "1 channels, got uint8 of shape"),
    ],
)
def test_other_pictures_are_told(tmp_path, picture, message):
    Image.fromarray(picture).save(tmp_path / "step_00000001.png")

    with pytest.raises(
        OSError, match=f"step_00000001.png is no sample grid: .*{message}"
    ):
        training_strip(tmp_path, **GRID)
