"""Values that change over training, as functions of the share of it that is done."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Progress(NamedTuple):
    """How far training is when a step begins."""

    step: jax.Array | np.int32 = np.int32(0)  # [] finished train steps
    share: jax.Array | np.float32 = np.float32(0)  # [] of all train steps, in [0, 1)


START = Progress()

# Functions of the share of the way, in [0, 1], from 0 to 1.
SHAPES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda share: share,
    "cosine": lambda share: (1 - jnp.cos(math.pi * share)) / 2,
    "step": lambda share: jnp.where(share < 1, 0.0, 1.0),
}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """From a field's own value to another one, which then stays.

    Attributes:
      end: the last value.
      until: the share of training, in (0, 1], at which it is reached; below 1 for a
        'step'.
      shape: 'linear', 'cosine' (slow at first and at last) or 'step' (all at once).

    Source: the five cosines of R3GAN (Huang et al. 2024, appendix), over 20 of 250
    million images.
    """

    end: float
    until: float = 1.0
    shape: str = "cosine"

    def check(self) -> None:
        """Raises ValueError("field ...") for settings out of range."""
        if not 0 < self.until <= 1:
            raise ValueError(f"until is {self.until}; it must be in (0, 1]")
        if self.shape not in SHAPES:
            known = ", ".join(map(repr, SHAPES))
            raise ValueError(f"shape is {self.shape!r}; known: {known}")
        if self.shape == "step" and self.until == 1:
            raise ValueError(
                "until is 1.0, the end of training, where a 'step' comes too late"
            )

    def __call__(self, start: float, share: jax.Array) -> jax.Array:
        """The value, [], when a share of training in [0, 1] is done."""
        way = SHAPES[self.shape](jnp.minimum(share / jnp.float32(self.until), 1))
        return start + (self.end - start) * way


def half_life(decay: float) -> float:
    """Updates after which half of a moving average is left, of its decay in [0, 1)."""
    return math.log(0.5) / math.log(decay) if decay else 0.0


@dataclasses.dataclass(frozen=True)
class Averaging:
    """How the moving average of the generator's variables is taken.

    Attributes:
      decay: of an update, in [0, 1).
      schedule: changes its half-life over training.
      rampup: the largest half-life, in updates for each train step done so far; 0:
        any. An average over most of a short training has early weights in it, and its
        images are blurred.

    Source: `rampup` is `ema_rampup` of StyleGAN2-ADA (Karras et al. 2020), 0.05 there.
    """

    decay: float = 0.0
    schedule: Schedule | None = None
    rampup: float = 0.0

    def __call__(self, progress: Progress) -> float | jax.Array:
        """The decay of the update in the step that begins, []."""
        if self.schedule is None and not self.rampup:
            return self.decay
        updates = half_life(self.decay)
        if self.schedule is not None:
            of_half_lives = dataclasses.replace(
                self.schedule, end=half_life(self.schedule.end)
            )
            updates = of_half_lives(updates, progress.share)
        if self.rampup:
            updates = jnp.minimum(updates, self.rampup * progress.step)
        # exp(-infinity) where the half-life is 0.
        return jnp.exp(math.log(0.5) / updates)
