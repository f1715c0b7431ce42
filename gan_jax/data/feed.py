"""Where the steps of a run take their batches from: device memory, or the host's."""

import concurrent.futures
import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import jax
import numpy as np

from gan_jax.data.batches import EpochOrder, FedBatches, order_of_epoch
from gan_jax.parallel import Devices
from gan_jax.precision import in_32_bits
from gan_jax.types import Batch

FEEDS = ("device", "host")
Result = TypeVar("Result")


@contextlib.contextmanager
def resident(devices: Devices, examples: Batch) -> Iterator[Iterator[Batch]]:
    """All examples, put on the devices once: the same ones for every dispatch."""
    yield itertools.repeat(devices.put_data(examples))


@contextlib.contextmanager
def fed_from_host(
    devices: Devices,
    examples: Batch,
    order: EpochOrder,
    *,
    dispatches: Iterable[tuple[int, int]],
    capacity: int,
    batch_size: int,
) -> Iterator[Iterator[FedBatches]]:
    """The batches of each dispatch, in the order in which `take_batch` takes them.

    While a dispatch runs, a thread gathers the batches of the next one and puts them on
    the devices. What it raises is raised where the batches are asked for.

    Args:
      examples: all N, arrays of the host, images uint8 [N, H, W, C].
      order: `EpochOrder.empty(key, N)`.
      dispatches: (number of the first batch, number of batches) of each.
      capacity: the most batches of a dispatch. All have so many, since one program
        serves all; what fills them up is never taken.
    """
    gatherer = _Gatherer(devices, examples, order, capacity, batch_size)
    with concurrent.futures.ThreadPoolExecutor(1, "gan_jax_feed") as thread:
        yield _one_ahead(thread, gatherer.gather, dispatches)


class _Gatherer:
    """Makes the batches of dispatches; remembers the order of the epoch."""

    def __init__(
        self,
        devices: Devices,
        examples: Batch,
        order: EpochOrder,
        capacity: int,
        batch_size: int,
    ):
        self.devices = devices
        self.examples = examples
        self.order = order
        self.epoch = -1  # whose order it is
        self.indices = np.asarray(order.indices)  # of the order, on the host
        self.shape = capacity, batch_size
        self.order_of_epoch = jax.jit(order_of_epoch)

    @in_32_bits  # which is of the thread
    def gather(self, first: int, number: int) -> FedBatches:
        rows = np.zeros(self.shape, np.int32)
        for place in range(number):
            rows[place] = self._rows(first + place)
        put = self.devices.put_rows
        return FedBatches(
            put(self.examples.images, rows),
            put(self.examples.labels, rows),
            np.int32(first),
        )

    def _rows(self, batch_number: int) -> np.ndarray:
        _, batch_size = self.shape
        epoch, place = divmod(batch_number, self.indices.size // batch_size)
        if epoch != self.epoch:
            self.order = self.order_of_epoch(self.order, np.int32(epoch))
            self.epoch = epoch
            self.indices = np.asarray(self.order.indices)
        return self.indices[place * batch_size :][:batch_size]


def _one_ahead(
    thread: concurrent.futures.Executor,
    make: Callable[..., Result],
    arguments: Iterable[tuple],
) -> Iterator[Result]:
    """`make(*each)` of the arguments, the next one begun before one is handed out."""
    begun = None
    for each in arguments:
        following = thread.submit(make, *each)
        if begun:
            yield begun.result()
        begun = following
    if begun:
        yield begun.result()
