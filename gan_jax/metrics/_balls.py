"""Which points lie in which balls: all that four scores need."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.metrics._checks import checked_features, checked_k
from gan_jax.metrics._distances import (
    blocks,
    centred,
    default_block_size,
    squared_distances,
    squared_radii,
)
from gan_jax.metrics.metric import Samples

# Of the papers: for precision and recall, and for density and coverage.
K = 3
COUNT_K = 5


class Membership(NamedTuple):
    """Which points lie in which balls.

    A point's ball reaches to its k-th nearest other point of the same set, and holds
    its sphere. The first two fields are of balls by `k`, the others by `count_k`; None
    if that is None.
    """

    is_precise: np.ndarray | None  # bool [M]: a generated point is in a real one's ball
    is_recalled: np.ndarray | None  # bool [N]: a real point is in a generated one's
    num_balls: np.ndarray | None  # int [M]: real balls that a generated point lies in
    is_covered: np.ndarray | None  # bool [N]: a real point's ball has a generated one


def balls(
    real: jax.Array | np.ndarray,
    fake: jax.Array | np.ndarray,
    *,
    k: int | None = None,
    count_k: int | None = None,
    block_size: int | None = None,
) -> Membership:
    """Compares the points of two sets, floats [N, F] and [M, F], by distance.

    Raises:
      ValueError: if features are not such arrays, are not finite or differ in F, or if
        a set has no point with so many others.
    """
    real, fake = checked_features(real=real, fake=fake)
    if k is not None:
        checked_k(k, real=real, fake=fake)
    if count_k is not None:
        checked_k(count_k, real=real)
    with jax.enable_x64(True):
        found = _balls(real, fake, k=k, count_k=count_k, block_size=block_size)
        return Membership(*jax.device_get(found))


def balls_of_samples(generated: Samples, real: Samples) -> Membership:
    """All that the four scores take, in one pass, though only one may be asked for."""
    return balls(real.features, generated.features, k=K, count_k=COUNT_K)


def enough_images(settings: dict[str, Any], num_images: int) -> str | None:
    """Why so many images have too few neighbours, or None."""
    if num_images > COUNT_K:
        return None
    return f"is {num_images}; scores of neighbours take more than {COUNT_K}"


@functools.partial(jax.jit, static_argnames=("k", "count_k", "block_size"))
def _balls(real, fake, *, k, count_k, block_size):
    real, fake = centred(real, fake)
    given = [each for each in (k, count_k) if each is not None]
    real_radii = dict(zip(given, squared_radii(real, given, block_size), strict=True))
    size = block_size or default_block_size(len(fake), len(real))
    fake_radii = None
    if k is not None:
        fake_radii = blocks(*squared_radii(fake, [k], block_size), size)

    def compare(found_by_real, block):
        rows, radii, is_fake = block
        to_real = squared_distances(rows, real, bound="lower")
        # The padding is far away: in no ball, and no point is in its balls.
        to_real = jnp.where(is_fake[:, None], to_real, jnp.inf)
        is_recalled, is_covered = found_by_real
        is_precise = num_balls = None
        if k is not None:
            is_recalled |= (to_real <= radii[:, None]).any(axis=0)
            is_precise = (to_real <= real_radii[k][None]).any(axis=1)
        if count_k is not None:
            is_within = to_real <= real_radii[count_k][None]
            is_covered |= is_within.any(axis=0)
            num_balls = is_within.sum(axis=1)
        return (is_recalled, is_covered), (is_precise, num_balls)

    (is_recalled, is_covered), of_fake = jax.lax.scan(
        compare,
        tuple(
            None if each is None else jnp.zeros(len(real), bool)
            for each in (k, count_k)
        ),
        (
            blocks(fake, size),
            fake_radii,
            blocks(jnp.ones(len(fake), bool), size, padding=False),
        ),
    )
    is_precise, num_balls = jax.tree.map(
        lambda array: array.reshape(-1)[: len(fake)], of_fake
    )
    return is_precise, is_recalled, num_balls, is_covered
