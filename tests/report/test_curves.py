"""Curves: the numbers behind the lines, and pictures that hold them."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.report.curves import group_means, moving_average, plot_curves

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)  # discriminator, generator


def colored_rows(path, color) -> np.ndarray:
    """Heights (from the top) of the pixels of one colour, legend left out."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    near = np.abs(picture - color).sum(axis=-1) < 30
    return np.nonzero(near[80:].any(axis=1))[0] + 80


def test_moving_average_by_hand():
    values = np.array([0.0, 3.0, 6.0, np.nan, 2.0])
    np.testing.assert_allclose(moving_average(values, 3), [1.5, 3.0, 4.5, 4.0, 2.0])
    values = np.array([1.0, np.nan, np.inf, np.nan, 5.0])
    np.testing.assert_allclose(moving_average(values, 3), [1.0, 1.0, np.nan, 5.0, 5.0])
    np.testing.assert_allclose(moving_average(np.full(7, 2.0), 5), np.full(7, 2.0))


def test_group_means_by_hand():
    values = np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 4.0, 8.0])
    np.testing.assert_allclose(group_means(values, 4), [2.0, 5.0, np.nan, 6.0])
    # Seven into three: groups [0:2], [2:4], [4:7].
    np.testing.assert_allclose(group_means(np.arange(7.0), 3), [0.5, 2.5, 5.0])
    np.testing.assert_array_equal(group_means(np.arange(3.0), 5), [0.0, 1.0, 2.0])


@pytest.mark.parametrize("upper", ["discriminator_loss", "generator_loss"])
def test_the_larger_loss_is_drawn_above(tmp_path, upper):
    losses = {"discriminator_loss": 1.0, "generator_loss": 1.0} | {upper: 3.0}
    rows = [{"step": step, **losses} for step in range(10, 110, 10)]
    plot_curves(rows, tmp_path / "curves.png", title="t")
    blue = colored_rows(tmp_path / "curves.png", BLUE).mean()
    orange = colored_rows(tmp_path / "curves.png", ORANGE).mean()
    assert (blue < orange) == (upper == "discriminator_loss")


def test_a_panel_for_every_score_that_is_there(tmp_path):
    row = {"step": 1, "discriminator_loss": 1.0}
    heights = []
    for scores in ({}, {"gan_test": 0.9}, {"gan_test": 0.9, "inception_score": 9.0}):
        plot_curves([row, {"step": 2} | scores], tmp_path / "c.png", title="t")
        with Image.open(tmp_path / "c.png") as picture:
            heights.append(picture.height)
    # 1.6 inches of 150 dots each.
    assert np.diff(heights).tolist() == [240, 240]


def test_rare_peaks_of_a_long_run_do_not_flatten_the_curves(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {
            "step": step,
            "discriminator_loss": generator.normal(0.5, 0.01),
            "generator_loss": generator.normal(1.0, 0.01),
        }
        for step in range(1, 501)
    ]
    plot_curves(rows, tmp_path / "without.png", title="t")
    rows[250]["generator_loss"] = 3.0
    plot_curves(rows, tmp_path / "with.png", title="t")

    def distance(name):
        path = tmp_path / name
        return colored_rows(path, ORANGE).mean() - colored_rows(path, BLUE).mean()

    assert distance("without.png") < -100
    assert distance("with.png") < 0.7 * distance("without.png")


def test_long_and_short_and_broken_runs(tmp_path):
    plot_curves([{"step": 5, "generator_loss": 1.0}], tmp_path / "one.png", title="t")
    assert len(colored_rows(tmp_path / "one.png", ORANGE)) > 3
    assert len(colored_rows(tmp_path / "one.png", BLUE)) == 0

    nan = float("nan")
    rows = [{"step": step, "generator_loss": nan} for step in range(300)]
    plot_curves(rows, tmp_path / "nan.png", title="t")
    assert len(colored_rows(tmp_path / "nan.png", ORANGE)) == 0

    rows = [{"step": step, "generator_loss": step * 1e-5} for step in range(100_000)]
    plot_curves(rows, tmp_path / "long.png", title="t")
    assert len(colored_rows(tmp_path / "long.png", ORANGE)) > 200


def test_no_rows(tmp_path):
    with pytest.raises(ValueError, match="no metrics to draw in .*curves.png"):
        plot_curves([], tmp_path / "curves.png", title="t")
    assert list(tmp_path.iterdir()) == []
