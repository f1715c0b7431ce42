"""Batches from host memory are those from the device's, and are ready one ahead."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.batches import EpochOrder, take_batch
from gan_jax.data.feed import fed_from_host, resident
from gan_jax.parallel import Devices
from gan_jax.types import Batch

KEY = jax.random.key(5)
NUM_EXAMPLES = 14  # three batches of 4 and a rest
SIZE = 4
EXAMPLES = Batch(
    np.random.default_rng(0).integers(256, size=(NUM_EXAMPLES, 3, 5, 1), dtype="uint8"),
    np.arange(NUM_EXAMPLES, dtype=np.int32),
)
# First batches and numbers of batches: across epochs, and of several lengths.
DISPATCHES = [(1, 3), (4, 3), (7, 1), (8, 2)]


def feed(examples=EXAMPLES, dispatches=DISPATCHES):
    return fed_from_host(
        Devices(),
        examples,
        EpochOrder.empty(KEY, NUM_EXAMPLES),
        dispatches=dispatches,
        capacity=3,
        batch_size=SIZE,
    )


def threads_of_feeds():
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("gan_jax_feed")]


@pytest.mark.parametrize("flip", [False, True])
def test_fed_batches_are_those_of_data_on_the_device(flip):
    take = jax.jit(take_batch, static_argnames=("batch_size", "flip"))

    def taken(data, order, number):
        number = jnp.int32(number)
        return take(data, order, batch_number=number, batch_size=SIZE, flip=flip)

    order, no_order = EpochOrder.empty(KEY, NUM_EXAMPLES), EpochOrder.empty(KEY, 0)
    seen = []
    with resident(Devices(), EXAMPLES) as device, feed() as host:
        for (first, count), fed in zip(DISPATCHES, host, strict=True):
            for number in range(first, first + count):
                expected, order = taken(next(device), order, number)
                batch, no_order = taken(fed, no_order, number)
                np.testing.assert_array_equal(batch.images, expected.images)
                np.testing.assert_array_equal(batch.labels, expected.labels)
                seen.append(batch.labels)
    # Batches 3 to 5, and 6 to 8, are an epoch: 12 different examples.
    for epoch in (seen[2:5], seen[5:8]):
        assert len(set(np.concatenate(epoch).tolist())) == 12


class Recorded(np.ndarray):
    """Images that note when rows of them are taken."""

    gathered: list

    def __getitem__(self, rows):
        self.gathered.append(threading.current_thread().name)
        return np.asarray(super().__getitem__(rows))


def test_the_next_dispatch_is_gathered_while_one_runs():
    images = EXAMPLES.images.view(Recorded)
    images.gathered = []
    with feed(EXAMPLES._replace(images=images)) as host:
        for number in range(len(DISPATCHES)):
            next(host)
            wait_for(images.gathered, min(number + 2, len(DISPATCHES)))
        assert next(host, None) is None
    assert all(name.startswith("gan_jax_feed") for name in images.gathered)


def wait_for(gathered, number):
    end = time.monotonic() + 20
    while len(gathered) < number:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(gathered) == number


def test_what_the_thread_raises_reaches_who_asks_and_it_ends():
    too_few = EXAMPLES._replace(images=EXAMPLES.images[:2])

    with pytest.raises(IndexError, match="out of bounds"), feed(too_few) as host:
        assert threads_of_feeds() == []  # begins when it is asked
        next(host)

    assert threads_of_feeds() == []


def test_the_thread_ends_with_a_feed_that_is_left():
    with feed() as host:
        next(host)
        assert len(threads_of_feeds()) == 1

    assert threads_of_feeds() == []
