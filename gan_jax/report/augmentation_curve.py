"""Accuracy over the number of real images, with and without generated ones."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#AA4499")
_LINES = ("-", "--", "-.", ":")


def augmentation_curve(
    accuracies: np.ndarray, real_sizes: Sequence[int], generated_sizes: Sequence[int]
) -> np.ndarray:
    """A curve for each number of generated images, with bands of one deviation.

    Args:
      accuracies: [real sizes, generated sizes, runs], in [0, 1].

    Returns:
      uint8 [H, W, 3].
    """
    figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    means = 100 * accuracies.mean(axis=2)
    spreads = 100 * accuracies.std(axis=2, ddof=1 if accuracies.shape[2] > 1 else 0)
    for column, size in enumerate(generated_sizes):
        look = {
            "color": _COLORS[column % len(_COLORS)],
            "linestyle": _LINES[column % len(_LINES)],
        }
        mean, spread = means[:, column], spreads[:, column]
        label = f"and {size:,} generated" if size else "real images alone"
        axes.plot(real_sizes, mean, label=label, marker="o", markersize=4, **look)
        axes.fill_between(
            real_sizes, mean - spread, mean + spread, color=look["color"], alpha=0.2
        )
    axes.set_xscale("log")
    axes.set_xticks(real_sizes, [f"{size:,}" for size in real_sizes])
    axes.minorticks_off()
    axes.set_xlabel("real training images")
    axes.set_ylabel("accuracy on real test images (%)")
    axes.legend(frameon=False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
