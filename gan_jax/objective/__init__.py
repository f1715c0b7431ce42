"""What the players minimise: adversarial games, and terms beside them."""

from gan_jax.objective.games import GAMES
from gan_jax.objective.objective import Objective
from gan_jax.objective.terms import TERMS

__all__ = ["GAMES", "TERMS", "Objective"]
