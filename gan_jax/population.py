"""Independent GANs of several seeds, trained by one program.

The states of the members are stacked along a new first axis; the number of their step,
which they have in common, is not.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from gan_jax.data.batches import EpochOrder
from gan_jax.steps import LoopState
from gan_jax.types import GanState, PyTree

# Which parts of the loop's state and of the data's order every member has of its own.
OWN = (
    LoopState(
        GanState(step=False, key=True, generator=True, discriminator=True, ema=True),
        metric_sums=True,
        metric_count=False,
    ),
    EpochOrder(key=True, epoch=False, indices=True),
)


def stack_members(members: Sequence[PyTree]) -> PyTree:
    """Loop states, or orders, of single runs as one of a population."""
    return jax.tree.map(
        lambda own, *leaves: jnp.stack(leaves) if own else leaves[0],
        _own(members[0]),
        *members,
    )


def member(population: PyTree, number: int | jax.Array) -> PyTree:
    """That of one member, as of a single run."""
    return jax.tree.map(
        lambda own, leaf: leaf[number] if own else leaf, _own(population), population
    )


def run_members(run_steps: Callable) -> Callable:
    """`run_steps` of `steps.make_run_steps` for the states of a population.

    On CPUs, whose cores one GAN keeps busy, one member after the other: of 8 fully
    connected GANs each took 0.96 times as long as a single one, and 1.00 times
    vectorised (`python -m benchmarks.population`). Elsewhere vectorised, unmeasured.
    """

    def in_turn(states, orders, data, num_steps):
        def run_member(number):
            return run_steps(
                member(states, number), member(orders, number), data, num_steps
            )

        size = len(orders.indices)
        results = jax.lax.map(run_member, jnp.arange(size))
        return jax.tree.map(
            lambda own, leaf: leaf if own else leaf[0], _own(results), results
        )

    if jax.default_backend() == "cpu":
        return in_turn
    axes = jax.tree.map(lambda own: 0 if own else None, OWN)
    return jax.vmap(run_steps, in_axes=(*axes, None, None), out_axes=axes)


def _own(tree: PyTree) -> PyTree:
    """For every leaf of a state, of an order or of both, whether members differ."""
    if isinstance(tree, tuple) and not isinstance(tree, EpochOrder):
        return jax.tree.broadcast(OWN, tree)
    return jax.tree.broadcast(OWN[isinstance(tree, EpochOrder)], tree)
