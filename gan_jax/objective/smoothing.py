"""Label smoothing: what a discriminator should say of its images."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

LABEL_SMOOTHING_KINDS = ("none", "fixed", "random", "two_sided")


class Targets(NamedTuple):
    """What a discriminator should say of its images; 1 and 0 without smoothing."""

    real: jax.Array  # [B] in [0, 1]
    fake: jax.Array  # [B] in [0, 1]


def make_targets(
    key: jax.Array, batch_size: int, *, kind: str, amount: float
) -> Targets:
    """Targets [B] for real and for generated images under label smoothing.

    Real images: `none`: 1. `fixed`: 1 - amount. `random`: 1 - amount * U(0, 1), drawn
    anew for every image. These leave 0 for generated images; `two_sided` is k-way
    smoothing with k = 2: 1 - amount / 2 and amount / 2.

    Raises:
      ValueError: unknown kind, or amount outside [0, 1].

    Source: Dittrich, "soft label"; Salimans et al. 2016, section 3.4; Sridhar.
    """
    if kind not in LABEL_SMOOTHING_KINDS:
        raise ValueError(
            f"unknown label smoothing {kind!r}; known: {LABEL_SMOOTHING_KINDS}"
        )
    if not 0 <= amount <= 1:
        raise ValueError(f"label smoothing amount {amount} is outside [0, 1]")
    ones = jnp.ones(batch_size, jnp.float32)
    zeros = jnp.zeros(batch_size, jnp.float32)
    match kind:
        case "none":
            return Targets(ones, zeros)
        case "fixed":
            return Targets(ones - amount, zeros)
        case "random":
            draws = jax.random.uniform(key, (batch_size,), jnp.float32)
            return Targets(1 - amount * draws, zeros)
        case "two_sided":
            return Targets(ones - amount / 2, zeros + amount / 2)
