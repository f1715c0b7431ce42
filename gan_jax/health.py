"""What is wrong with a run, by its log and its images, and what people do about it.

Each rule is a function that gives one line, or None where nothing is wrong. Thresholds
are set so that runs of this project that ended well are silent.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gan_jax.data.batches import fixed_order, some_of
from gan_jax.metrics import nearest_neighbours

Row = dict[str, Any]

# Rows of the log that a rule needs, and the part of the log, at its end, that it reads.
_MIN_ROWS = 8
_RECENT = 0.25
_MAX_COMPARED = 500  # images that are compared with the training images
_MAX_LOOKED_AT = 10_000  # training images behind a share of blank ones or of pixels


def unhealthy_log(rows: Sequence[Row], *, is_critic: bool = False) -> list[str]:
    """What metrics.jsonl says is wrong, a line each.

    Args:
      rows: of `read_metrics`: `step`, both players' losses and D's accuracies.
      is_critic: as a game's; rules on accuracies are left out.
    """
    rows = [row for row in rows if "discriminator_loss" in row]
    if len(rows) < _MIN_ROWS:
        return []
    rules = _LOSS_RULES if is_critic else _LOSS_RULES + _ACCURACY_RULES
    return _told(rule(rows) for rule in rules)


def unhealthy_images(
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    training_images: np.ndarray,
    training_labels: np.ndarray,
    test_images: np.ndarray,
) -> list[str]:
    """What generated images say is wrong, a line each.

    Args:
      images: uint8 [N, H, W, C], generated.
      labels: [N] ints, their classes; None: not known.
      training_images: uint8 [M, H, W, C], of the data set.
      training_labels: [M] ints.
      test_images: uint8 [K, H, W, C], of the data set.
    """
    return _told(
        (
            _blank(images, training_images),
            _saturated(images, training_images),
            _alike(images, labels, training_images, training_labels),
            # Blank images are near to whatever is nearly blank.
            _memorised(images[~_are_blank(images)], training_images, test_images),
        )
    )


def _told(lines) -> list[str]:
    return [line for line in lines if line]


def _recent(rows: Sequence[Row]) -> Sequence[Row]:
    return rows[-max(_MIN_ROWS // 2, int(_RECENT * len(rows))) :]


def _column(rows: Sequence[Row], name: str) -> np.ndarray:
    """float64 [rows]; NaN where a row has none."""
    return np.array([row.get(name, np.nan) for row in rows], np.float64)


def _perfect_discriminator(rows: Sequence[Row]) -> str | None:
    recent = _recent(rows)
    right = [_column(recent, f"{kind}_accuracy") for kind in ("real", "fake")]
    if not np.min(right) >= 0.99:
        return None
    return (
        "the discriminator has been right on 99 % and more of real and of generated "
        f"images since step {recent[0]['step']:,}: the generator may learn nothing; "
        "lower the discriminator's learning rate, or add an R1 penalty or dropout"
    )


def _fooled_discriminator(rows: Sequence[Row]) -> str | None:
    recent = _recent(rows)
    if not np.max(_column(recent, "fake_accuracy")) <= 0.01:
        return None
    return (
        "the discriminator has taken every generated image for real since step "
        f"{recent[0]['step']:,}: it teaches nothing; raise its learning rate or d_steps"
    )


def _rising_generator_loss(rows: Sequence[Row]) -> str | None:
    quarters = np.array_split(_column(rows, "generator_loss"), 4)
    _, second, third, last = (quarter.mean() for quarter in quarters)
    # 4 is -log of a verdict of 2 %.
    discriminator_wins = _column(_recent(rows), "fake_accuracy").mean() >= 0.95
    if not (discriminator_wins and last > 4 and second < third < last > 1.5 * second):
        return None
    return (
        f"the generator's loss keeps rising, to {last:.1f} on average lately: the "
        "discriminator wins; lower its learning rate, or add an R1 penalty or dropout"
    )


def _dead_critic(rows: Sequence[Row]) -> str | None:
    recent = _recent(rows)
    if not np.max(np.abs(_column(recent, "discriminator_loss"))) < 1e-3:
        return None
    return (
        f"the discriminator's loss has been 0.000 since step {recent[0]['step']:,}: it "
        "tells nothing apart; widen discriminator_optimizer.weight_clip, or take a "
        "gradient penalty in its place"
    )


def _not_finite(rows: Sequence[Row]) -> str | None:
    for row in rows:
        for name in ("discriminator_loss", "generator_loss"):
            if not np.isfinite(row.get(name, 0.0)):
                return (
                    f"{name} is not finite at step {row['step']:,}: lower the learning "
                    "rates"
                )
    return None


_Rule = Callable[[Sequence[Row]], str | None]
_LOSS_RULES: tuple[_Rule, ...] = (_not_finite, _dead_critic)
_ACCURACY_RULES: tuple[_Rule, ...] = (
    _perfect_discriminator,
    _fooled_discriminator,
    _rising_generator_loss,
)


def _blank(images: np.ndarray, training_images: np.ndarray) -> str | None:
    """Images of one grey level, such as all black ones."""
    blank = _are_blank(images).mean()
    real = some_of(training_images, _MAX_LOOKED_AT)
    if blank <= 0.02 + 2 * _are_blank(real).mean():
        return None
    return (
        f"{blank:.0%} of the generated images are blank: with averaged weights or in "
        "eval mode batch norm's statistics may not fit (sampling.standing_batches); "
        "else the generator's output is saturated"
    )


def _are_blank(images: np.ndarray) -> np.ndarray:
    """bool [N]."""
    flat = images.reshape(len(images), -1).astype(np.int16)
    return flat.max(axis=1) - flat.min(axis=1) <= 32


def _saturated(images: np.ndarray, training_images: np.ndarray) -> str | None:
    """Pixels at both ends of the range, far more often than in real images."""

    def share(array):
        return np.mean((array == 0) | (array == 255), axis=(1, 2, 3))

    # Of black backgrounds real images have many too.
    real_images = some_of(training_images, _MAX_LOOKED_AT)
    ours, real = share(images).mean(), share(real_images).mean()
    if 1 - ours >= 0.25 * (1 - real):
        return None
    return (
        f"{ours:.0%} of the generated pixels are 0 or 255 ({real:.0%} of real ones): "
        "the output is saturated; lower the generator's learning rate or its "
        "initialisation's scale"
    )


def _alike(
    images: np.ndarray,
    labels: np.ndarray | None,
    training_images: np.ndarray,
    training_labels: np.ndarray,
) -> str | None:
    """The variance of pixels within a class, against that of real images."""
    if labels is None:
        labels, training_labels = (
            np.zeros(len(images), int),
            np.zeros_like(training_labels),
        )
    ours = _variances(images, labels)
    real = _variances(training_images, training_labels)
    ratios = {
        label: ours[label] / max(real[label], 1e-9) for label in ours if label in real
    }
    alike = [label for label, ratio in ratios.items() if ratio < 0.3]
    if not alike:
        return None
    of_classes = f" of class {', '.join(map(str, alike))}" if len(ratios) > 1 else ""
    least = min(ratios.values())
    return (
        f"generated images{of_classes} are nearly alike (down to {least:.0%} of the "
        "variance of real ones): mode collapse; try terms.mode_seeking, minibatch "
        "discrimination, an R1 penalty, or a lower generator learning rate"
    )


def _variances(images: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """The variance of pixels within each class that has images enough."""
    order = np.asarray(fixed_order(len(images)))
    variances = {}
    for label in np.unique(labels):
        of_class = images[order[labels[order] == label][:_MAX_COMPARED]]
        if len(of_class) >= 10:
            variances[int(label)] = float(
                of_class.astype(np.float32).var(axis=0).mean()
            )
    return variances


def _memorised(
    images: np.ndarray, training_images: np.ndarray, test_images: np.ndarray
) -> str | None:
    """How near samples are to training images, against how near test images are."""
    if not len(images):
        return None
    ours, real = (
        float(np.median(nearest_neighbours(compared, training_images)[0]))
        for compared in (
            some_of(images, _MAX_COMPARED),
            some_of(test_images, _MAX_COMPARED),
        )
    )
    if ours >= 0.5 * real:
        return None
    return (
        f"generated images are nearer to training images ({ours:.2f} in the median) "
        f"than test images are ({real:.2f}): they may be copies; train on more images, "
        "or for fewer steps, or with augmentations"
    )
