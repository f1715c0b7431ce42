"""Inception Score: are the images clearly of some class, and the classes diverse?"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_logits
from gan_jax.metrics.metric import Metric, Scoring

# exp(-1e4) is 0 in float32, so a log probability may be raised to this without changing
# any term p log p, and 0 * infinity cannot arise.
_LOG_PROBABILITY_FLOOR = -1e4


@functools.partial(jax.jit, static_argnames="num_splits")
def split_inception_scores(logits: jax.Array, num_splits: int) -> jax.Array:
    """The score of each split, float32 [num_splits], of logits [N, C]; unchecked."""
    num_images = logits.shape[0]
    sizes = np.full(num_splits, num_images // num_splits)
    sizes[: num_images % num_splits] += 1
    starts = np.cumsum(sizes) - sizes
    positions = np.arange(sizes.max())[None, :]
    present = (positions < sizes[:, None])[:, :, None]  # [splits, largest size, 1]
    rows = np.minimum(starts[:, None] + positions, num_images - 1)
    sizes = jnp.asarray(sizes, jnp.float32)[:, None]

    log_p = jax.nn.log_softmax(logits.astype(jnp.float32))
    log_p = jnp.maximum(log_p, _LOG_PROBABILITY_FLOOR)[rows]  # [splits, size, C]
    log_marginal = jax.nn.logsumexp(log_p, axis=1, where=present) - jnp.log(sizes)
    divergences = jnp.exp(log_p) * (log_p - log_marginal[:, None, :])
    totals = jnp.sum(divergences, axis=(1, 2), where=present)
    return jnp.exp(totals / sizes[:, 0])


def inception_score(
    logits: jax.Array | np.ndarray, num_splits: int
) -> tuple[float, float]:
    """Inception Score, exp E KL(p(y|x) || p(y)), as mean and spread over splits.

    The images are taken in order and cut into splits as `np.array_split` does: where
    num_splits does not divide N, the first N mod num_splits splits hold one image more.
    Natural logarithm, float32; any finite logits are safe, and -inf stands for a class
    of probability 0.

    Args:
      logits: [N, C], a classifier's outputs before the softmax.
      num_splits: number of splits, 1 to N.

    Returns:
      (mean, std) of the splits' scores, each between 1 and C; the standard deviation is
      that of the population (divided by num_splits), 0 for one split.

    Raises:
      ValueError: if the logits are not of rank 2, are empty, or give an image no
        distribution (NaN, +inf, or -inf for all classes), or if num_splits is below 1
        or above N.

    Source: Salimans et al. 2016, Improved Techniques for Training GANs, section 4.
    """
    logits = checked_logits(logits)
    if not 1 <= num_splits <= len(logits):
        raise ValueError(
            f"num_splits must be between 1 and the number of images, {len(logits)}, "
            f"not {num_splits}"
        )
    scores = np.asarray(split_inception_scores(logits, num_splits), np.float64)
    if np.isnan(scores).any():
        raise ValueError(
            "logits give an image no distribution: +inf, or -inf for all classes"
        )
    return float(scores.mean()), float(scores.std())


def _report(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """Mean and deviation over splits; of `inception_sizes` images too, as `NAME_of`."""
    num_splits = scoring.settings["num_splits"]

    def score(logits):
        mean, std = inception_score(logits, num_splits)
        return {"mean": mean, "std": std, "num_splits": num_splits}

    first = scoring.generated(0).inception_logits
    result = {name: score(first)}
    if sizes := scoring.settings["inception_sizes"]:
        num_runs = -(-max(sizes) // len(first))
        logits = np.concatenate(
            [scoring.generated(run).inception_logits for run in range(num_runs)]
        )
        result[f"{name}_of"] = {str(size): score(logits[:size]) for size in sizes}
    return result


def _check(settings: dict[str, Any], num_images: int) -> str | None:
    """The Inception Score of a single image is 1, whatever it shows."""
    num_splits = settings["num_splits"]
    if num_images >= 2 * num_splits:
        return None
    return (
        f"has {num_images} images for config.eval.num_splits, {num_splits}; it takes 2 "
        f"in each, {2 * num_splits}"
    )


INCEPTION_SCORE = Metric(
    title="Inception Score",
    value=lambda generated, real, settings: inception_score(
        generated.inception_logits, settings["num_splits"]
    )[0],
    report=_report,
    check=_check,
    sees="logits",
    inception_title="Inception Score (Inception logits)",
)
