"""How a score varies over independent runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean_and_sample_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (ddof = 1) of independent runs' scores.

    Args:
      values: one finite number for each run, at least two.

    Returns:
      (mean, std) in the unit of the values, computed in float64.

    Raises:
      ValueError: if there are fewer than two values or one is not finite.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size < 2:
        raise ValueError(
            "a sample standard deviation needs a list of two runs or more, "
            f"not values of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"the runs' values must be finite, not {array.tolist()}")
    return float(array.mean()), float(array.std(ddof=1))
