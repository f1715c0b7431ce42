"""GAN-train of chosen images: those of whose class the judge is sure.

Source: Lomurno et al. 2023, "Stable Diffusion Dataset Generation for Downstream
Classification Tasks" and "Improving GAN-generated data (GaFi)": filtering by a
classifier's confidence, and pools of images of several checkpoints. The judge was
trained on the real training images, which plain GAN-train never sees: the two must not
be compared with each other.
"""

from typing import Any

import jax
import numpy as np
from absl import logging

from gan_jax.metrics.metric import Metric, Samples, Scoring

# Sets of images drawn of a checkpoint before a class stays smaller than the others.
MAX_DRAWS = 8


def confidences(logits: jax.Array, labels: np.ndarray) -> np.ndarray:
    """The judge's probability of the class that each image is to show, [N] in [0, 1].

    Args:
      logits: [N, classes].
      labels: [N] integers.
    """
    probabilities = np.asarray(jax.nn.softmax(logits, axis=-1))
    return probabilities[np.arange(len(labels)), labels]


def _report(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """Accuracy of one classifier; how many images it had, and what share was kept."""
    settings = scoring.settings
    checkpoints, threshold = settings["pool_checkpoints"], settings["filter_confidence"]
    chosen, num_drawn = [], 0
    for checkpoint in range(checkpoints):
        rows, drawn = _choose(scoring, checkpoint, checkpoints, threshold)
        chosen.append(rows)
        num_drawn += drawn
    images, labels = map(np.concatenate, zip(*chosen, strict=True))
    samples = Samples(lambda: images, labels, scoring.real.classifier)
    counts = np.bincount(labels, minlength=scoring.pool(0, 0).labels.max() + 1)
    if counts.min() < counts.max():
        logging.warning(
            "%s: the judge is sure (%s) of %d images of class %d and of %d of class %d",
            *(metric.title, threshold, counts.min(), counts.argmin()),
            *(counts.max(), counts.argmax()),
        )
    return {
        # Without any image no classifier knows anything.
        name: scoring.train_and_test(samples) if len(labels) else 0.0,
        f"{name}_samples": len(labels),
        f"{name}_smallest_class": int(counts.min()),
        f"{name}_kept": len(labels) / num_drawn,
        f"{name}_confidence": threshold,
        f"{name}_checkpoints": checkpoints,
    }


def _choose(
    scoring: Scoring, checkpoint: int, checkpoints: int, threshold: float
) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """A checkpoint's share of images and labels, of all classes equally many.

    And how many were looked at until there were enough.
    """
    images, labels, num_drawn, missing = [], [], 0, None
    for draw in range(MAX_DRAWS):
        samples = scoring.pool(checkpoint, draw)
        drawn, wanted = np.asarray(samples.images), samples.labels
        if missing is None:
            classes = int(wanted.max()) + 1
            missing = np.full(classes, max(1, len(wanted) // (checkpoints * classes)))
        sure = confidences(samples.classifier.logits(drawn), wanted) >= threshold
        rows = np.concatenate(
            [
                np.flatnonzero(sure & (wanted == label))[:number]
                for label, number in enumerate(missing)
            ]
        )
        images.append(drawn[rows])
        labels.append(wanted[rows])
        missing = missing - np.bincount(wanted[rows], minlength=len(missing))
        if not missing.any():
            num_drawn += int(rows.max()) + 1
            break
        num_drawn += len(drawn)
    return (np.concatenate(images), np.concatenate(labels)), num_drawn


GAN_TRAIN_FILTERED = Metric(
    title="GAN-train of filtered images",
    value=None,
    unit="%",
    digits=2,
    needs_labels=True,
    real="real_accuracy",
    report=_report,
    sees="judge",
)
