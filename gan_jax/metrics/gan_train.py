"""GAN-train: what does a classifier of generated images know of real ones?"""

from typing import Any

import numpy as np

from gan_jax.metrics.metric import Metric, Scoring
from gan_jax.metrics.spread import mean_and_sample_std


def _report(metric: Metric, name: str, scoring: Scoring) -> dict[str, Any]:
    """Accuracies of `gan_train_runs` classifiers, each of its own generated images."""
    sets = [
        scoring.training_set(run) for run in range(scoring.settings["gan_train_runs"])
    ]
    accuracies = [scoring.train_and_test(samples) for samples in sets]
    result = {name: float(np.mean(accuracies))}
    if len(accuracies) > 1:
        result[f"{name}_std"] = mean_and_sample_std(accuracies)[1]
    return result | {
        f"{name}_accuracies": accuracies,
        f"{name}_samples": len(sets[0].labels),
    }


# Accuracy on real test images of a classifier trained on generated images alone
# (Shmelkov et al. 2018, section 3).
GAN_TRAIN = Metric(
    title="GAN-train",
    value=None,
    unit="%",
    digits=2,
    needs_labels=True,
    real="real_accuracy",
    report=_report,
    sees="judge",
)
