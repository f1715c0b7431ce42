"""The few structures that everything passes around."""

from typing import Any, NamedTuple

import flax
import jax

PyTree = Any


class Batch(NamedTuple):
    """Examples that go through a network together."""

    images: jax.Array  # [B, H, W, C]: uint8 as stored, float as the networks see them
    labels: jax.Array  # [B] int32


class Verdict(NamedTuple):
    """What a discriminator says of images."""

    logits: jax.Array  # [B], positive where it takes the image for real
    class_logits: jax.Array | None = None  # [B, classes] of an auxiliary classifier


@flax.struct.dataclass
class PlayerState:
    """Everything that belongs to one of the two players."""

    params: PyTree
    model_state: PyTree  # Flax collections other than params: batch statistics
    opt_state: PyTree

    @property
    def variables(self) -> dict[str, PyTree]:
        return {"params": self.params, **self.model_state}


@flax.struct.dataclass
class GanState:
    """Everything that training needs to go on, and nothing else."""

    step: jax.Array  # [] int32, finished training steps
    key: jax.Array  # typed key, never changes: a step folds its number into it
    generator: PlayerState
    discriminator: PlayerState
    ema: dict[str, PyTree] | None  # averaged generator variables; None when not kept

    @property
    def sampling_variables(self) -> dict[str, PyTree]:
        """The variables that generate: the averaged ones where they are kept."""
        return self.generator.variables if self.ema is None else self.ema
