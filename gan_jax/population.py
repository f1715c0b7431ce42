"""Independent GANs of several seeds, trained by one program.

The states of the members are stacked along a new first axis; the number of their step,
which they have in common, is not.
"""

import operator
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


def variables_of_members(variables: PyTree, size: int) -> list[PyTree]:
    """A network's variables of each of `size` members; with one as they are."""
    if size == 1:
        return [variables]
    return [
        jax.tree.map(operator.itemgetter(number), variables) for number in range(size)
    ]


def run_members(run_steps: Callable) -> Callable:
    """`run_steps` of `steps.make_run_steps` for the states of a population.

    On CPUs, whose cores one GAN keeps busy, one member after the other: of 8 fully
    connected GANs each took 0.96 times as long as a single one, and 1.00 times
    vectorised (`python -m benchmarks.population`). Elsewhere vectorised, unmeasured.
    """
    way = in_turn if jax.default_backend() == "cpu" else vectorised
    return way(run_steps)


def in_turn(run_steps: Callable) -> Callable:
    """All steps of one member, then all of the next."""

    def run(states, orders, data, num_steps):
        def run_member(number):
            return run_steps(
                member(states, number), member(orders, number), data, num_steps
            )

        results = jax.lax.map(run_member, jnp.arange(len(orders.indices)))
        return tuple(
            jax.tree.map(lambda own, leaf: leaf if own else leaf[0], _own(tree), tree)
            for tree in results
        )

    return run


def vectorised(run_steps: Callable) -> Callable:
    """Every step of all members at once."""
    axes = jax.tree.map(lambda own: 0 if own else None, OWN)
    return jax.vmap(run_steps, in_axes=(*axes, None, None), out_axes=axes)


def _own(tree: LoopState | EpochOrder) -> PyTree:
    """For every leaf, whether members differ in it."""
    own_of_states, own_of_orders = OWN
    return jax.tree.broadcast(
        own_of_orders if isinstance(tree, EpochOrder) else own_of_states, tree
    )
