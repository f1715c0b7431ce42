"""Grids: every pixel where it belongs, and files that are whole or absent."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.report.grids import image_grid, save_png, split_grid


def test_pixels_by_hand():
    images = np.array([10, 20, 30], np.uint8).reshape(3, 1, 1, 1)
    grid = image_grid(images, columns=2, scale=2, padding=1)
    w = 255
    expected = [
        [w, w, w, w, w, w, w],
        [w, 10, 10, w, 20, 20, w],
        [w, 10, 10, w, 20, 20, w],
        [w, w, w, w, w, w, w],
        [w, 30, 30, w, w, w, w],
        [w, 30, 30, w, w, w, w],
        [w, w, w, w, w, w, w],
    ]
    assert grid.dtype == np.uint8
    np.testing.assert_array_equal(grid, np.array(expected)[..., None])


def test_pixels_inside_images_keep_their_order_and_channels():
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    grid = image_grid(images, columns=1, scale=1, padding=0)
    np.testing.assert_array_equal(grid, np.concatenate([images[0], images[1]]))
    grid = image_grid(images, columns=2, scale=3, padding=0)
    np.testing.assert_array_equal(
        grid[1::3, 1::3], np.concatenate([images[0], images[1]], axis=1)
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_row_labels_stand_left_of_their_rows(channels):
    images = np.zeros((6, 28, 28, channels), np.uint8)
    plain = image_grid(images, columns=2)
    labelled = image_grid(images, columns=2, row_labels=["bag", "", "ankle boot"])
    width = labelled.shape[1] - plain.shape[1]
    np.testing.assert_array_equal(labelled[:, width:], plain)
    inked = (labelled[:, :width] < 128).any(axis=(1, 2))
    cell = 28 * 2 + 2
    rows = [inked[row * cell + 2 : (row + 1) * cell] for row in range(3)]
    assert [row.sum() > 5 for row in rows] == [True, False, True]
    for row in (rows[0], rows[2]):  # At the middle of the images.
        assert abs(np.nonzero(row)[0].mean() - 28) < 5
    # Neither cut at the left nor touching the images.
    assert (labelled[:, [0, 1, width - 1]] == 255).all()
    # The longer text is the wider one.
    columns = labelled[:, :width, 0] < 128
    assert columns[:cell].any(axis=0).sum() < columns[2 * cell :].any(axis=0).sum()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 3, 3, 1)), {}, r"uint8 images .* float64 \(2, 3, 3, 1\)"),
        (np.zeros((2, 3, 3), np.uint8), {}, r"\[N, H, W, C\], got uint8 \(2, 3, 3\)"),
        (np.zeros((0, 3, 3, 1), np.uint8), {}, r"got uint8 \(0, 3, 3, 1\)"),
        (np.zeros((2, 3, 3, 1), np.uint8), {"columns": 0}, "columns .* not 0"),
        (
            np.zeros((3, 3, 3, 1), np.uint8),
            {"row_labels": ["a"]},
            "1 row labels for 2 rows",
        ),
    ],
)
def test_bad_input(images, options, message):
    with pytest.raises(ValueError, match=message):
        image_grid(images, **({"columns": 2} | options))


def test_splitting_by_hand():
    grid = np.full((4, 8, 1), 255, np.uint8)
    # A column of labels; then two cells of 2 x 2 pixels with 1 between and around.
    grid[1:3, 2:4], grid[1:3, 5:7], grid[:, 0] = 10, 20, 0

    images = split_grid(
        grid, image_shape=(1, 1, 1), rows=1, columns=2, scale=2, padding=1
    )

    np.testing.assert_array_equal(images.reshape(1, 2), [[10, 20]])


@pytest.mark.parametrize("row_labels", [None, ["bag", "", "ankle boot"]])
@pytest.mark.parametrize("options", [{}, {"scale": 1, "padding": 0}, {"padding": 5}])
def test_splitting_gives_the_images_back(row_labels, options):
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 3, 3), np.uint8)
    grid = image_grid(images, columns=2, row_labels=row_labels, **options)

    split = split_grid(grid, image_shape=(20, 3, 3), rows=3, columns=2, **options)

    np.testing.assert_array_equal(split.reshape(images.shape), images)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3)])
def test_png_holds_the_pixels(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = tmp_path / "samples" / "step_00000001.png"
    save_png(path, np.zeros_like(array))
    save_png(path, array)
    loaded = np.asarray(Image.open(path))
    np.testing.assert_array_equal(loaded, array.reshape(loaded.shape))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(path, np.zeros((2, 2), np.uint8))
    before = path.read_bytes()

    def fail(self, target, **options):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left on device: .*a.png'") as error:
        save_png(path, np.ones((2, 2), np.uint8))
    assert error.value.errno == 28
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
