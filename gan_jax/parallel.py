"""How a train step is spread over devices; the sole owner of mesh, sharding and pmap.

One step source serves all classes here. A step asks them for what is drawn for every
example of a batch, and for means over it:

- `Devices` (config.parallel 'jit'): the program is that of one device, on arrays of the
  whole batch, which the compiler divides among the devices; one device is one of them.
- `MappedDevices` ('pmap'): each device runs the program on its part of the batch; means
  over the batch are taken explicitly, inside networks over the axis `axis_name`.
- `MemberDevices` (config.population): each device has its share of the members, whose
  batches are where they are.

Everything random is drawn for the whole batch and then divided, so that all see the
same latents, classes and real images. Only the discriminator's augmentations and what
networks draw inside (dropout) differ under 'pmap'.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.types import PyTree

Number = TypeVar("Number", int, float)
AXIS = "batch"
PARALLEL = ("jit", "pmap")


@dataclasses.dataclass(frozen=True)
class Devices:
    """Those that share each batch: one program, which the compiler divides (GSPMD).

    The base of the others.

    Attributes:
      num_devices: of this host, or of all that run this program.
      axis_name: of the mapped axis, inside networks and steps.
      mesh: None: the batch is where it is, on one device.
    """

    num_devices: int = 1
    axis_name: str | None = None
    mesh: Mesh | None = None

    def draw(
        self, function: Callable[[jax.Array, int], PyTree], key: jax.Array, size: int
    ) -> PyTree:
        """`function(key, number)` for the examples that this program works on.

        Args:
          function: draws arrays [number, ...].
          size: number of examples that this program works on.
        """
        return self.part(function(key, size))

    def part(self, examples: PyTree) -> PyTree:
        """Of arrays [B, ...] of the whole batch, what this program works on."""
        if self.mesh is None:
            return examples
        return jax.lax.with_sharding_constraint(examples, self._sharding(AXIS))

    def own_key(self, key: jax.Array) -> jax.Array:
        """The key for what is drawn inside networks."""
        return key

    def mean(self, tree: PyTree) -> PyTree:
        """Means over the devices of what each computed from its part."""
        return tree

    def jit(self, run_steps: Callable) -> Callable:
        """`run_steps(state, order, data, num_steps)`, its first two donated.

        They are to be what `put` made of them, the data what `put_data` did.
        """
        if self.mesh is None:
            return jax.jit(run_steps, donate_argnums=(0, 1))
        return jax.jit(run_steps, donate_argnums=(0, 1), out_shardings=self._sharding())

    def put(self, state_and_order: tuple[PyTree, PyTree]) -> tuple[PyTree, PyTree]:
        """The state and the order, on the devices."""
        if self.mesh is None:
            return state_and_order
        return self._replicate(state_and_order)

    def put_data(self, examples: PyTree) -> PyTree:
        """The training set, on the devices.

        With several hosts each keeps its share, filled up to equal sizes.
        """
        if self.mesh is None:
            return jax.device_put(examples)
        if jax.process_count() == 1:
            return self._replicate(examples)

        def share(array):
            length = -(-len(array) // self.num_devices) * self.num_devices

            def rows(index):
                wanted = np.arange(length)[index[0]]
                # What fills up is never drawn: no order of an epoch has it.
                return array[np.minimum(wanted, len(array) - 1)]

            shape = (length, *array.shape[1:])
            return jax.make_array_from_callback(shape, self._sharding(AXIS), rows)

        return jax.tree.map(share, examples)

    def put_rows(self, array: np.ndarray, rows: np.ndarray) -> jax.Array:
        """`array[rows]`, K batches [K, B, ...], each divided among the devices.

        Each host gathers the share of its own devices. `rows` is [K, B].
        """
        if self.mesh is None:
            return jax.device_put(array[rows])
        return jax.make_array_from_callback(
            (*rows.shape, *array.shape[1:]),
            self._sharding(None, AXIS),
            lambda index: array[rows[index[:2]]],
        )

    def _sharding(self, *axes: str | None) -> NamedSharding:
        """Of arrays whose first axes are divided so; without axes of whole ones."""
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def _replicate(self, tree: PyTree) -> PyTree:
        sharding = self._sharding()
        if jax.process_count() == 1:
            return jax.device_put(tree, sharding)
        return jax.tree.map(lambda array: _put_global(array, sharding), tree)


class MappedDevices(Devices):
    """The program of one device on every device, with explicit means (pmap)."""

    def draw(self, function, key, size):
        return self.part(function(key, size * self.num_devices))

    def part(self, examples):
        number = jax.lax.axis_index(AXIS)

        def rows(array):
            size = len(array) // self.num_devices
            return jax.lax.dynamic_slice_in_dim(array, number * size, size)

        return jax.tree.map(rows, examples)

    def put_rows(self, array, rows):
        # Whole, since each device takes its part inside the step.
        return self._replicate(array[rows])

    def own_key(self, key):
        return jax.random.fold_in(key, jax.lax.axis_index(AXIS))

    def mean(self, tree):
        return jax.lax.pmean(tree, AXIS)

    def jit(self, run_steps):
        # pmap wants something mapped; what a device has of its own is its number.
        mapped = jax.pmap(
            lambda number, *arguments: run_steps(*arguments),
            axis_name=AXIS,
            in_axes=(0, None, None, None, None),
            out_axes=None,
            devices=list(self.mesh.devices.flat),
        )
        numbers = np.arange(self.num_devices)
        return jax.jit(
            lambda *arguments: mapped(numbers, *arguments), donate_argnums=(0, 1)
        )


@dataclasses.dataclass(frozen=True)
class MemberDevices(Devices):
    """A population's members divided among the devices, which then share nothing.

    `own` says, as a prefix of (state, order), what has an axis of members in front.
    """

    own: PyTree = dataclasses.field(kw_only=True)

    def part(self, examples):
        return examples

    def put(self, state_and_order):
        shardings = jax.tree.map(
            lambda spec: NamedSharding(self.mesh, spec), self._specs
        )
        return jax.device_put(state_and_order, shardings)

    def jit(self, run_steps):
        return jax.jit(
            jax.shard_map(
                run_steps,
                mesh=self.mesh,
                in_specs=(*self._specs, PartitionSpec(), PartitionSpec()),
                out_specs=self._specs,
                check_vma=False,
            ),
            donate_argnums=(0, 1),
        )

    @property
    def _specs(self) -> PyTree:
        return jax.tree.map(lambda own: PartitionSpec(*[AXIS] * own), self.own)


def batch_devices(
    parallel: str, batch_size: int, devices: Sequence[jax.Device] | None = None
) -> Devices:
    """Devices, all there are if none are given, over which a batch is spread.

    Raises:
      ValueError: they cannot have equal parts of it.
    """
    devices = devices or jax.devices()
    number = len(devices)
    if number == 1:
        return Devices()
    if batch_size % number:
        lower = batch_size // number * number
        fitting = [size for size in (lower, lower + number) if size]
        raise ValueError(
            f"batch_size is {batch_size}, which {number} devices cannot share equally: "
            f"{' or '.join(map(str, fitting))} they can (CUDA_VISIBLE_DEVICES=0 leaves "
            "one GPU)"
        )
    if parallel == "pmap":
        if jax.process_count() > 1:
            raise ValueError("parallel is 'pmap', which is for one process; use 'jit'")
        return MappedDevices(number, AXIS, mesh=_mesh(devices))
    return Devices(number, mesh=_mesh(devices))


def member_devices(
    population: int, own: PyTree, devices: Sequence[jax.Device] | None = None
) -> Devices:
    """Devices, of those given or of all, over which a population is spread.

    As many as can have equally many members.

    Raises:
      ValueError: they belong to several processes.
    """
    devices = devices or jax.devices()
    number = max(n for n in range(1, len(devices) + 1) if population % n == 0)
    if jax.process_count() > 1:
        raise ValueError(
            f"population is {population}: its members are spread over the devices of "
            f"one process, and this run has {jax.process_count()} (a sweep shares runs)"
        )
    if number == 1:
        return Devices()
    return MemberDevices(number, mesh=_mesh(devices[:number]), own=own)


def local(tree: PyTree) -> PyTree:
    """Whole arrays on one device of this host, of arrays on any devices."""

    def on_one(array):
        if len(array.devices()) == 1:
            return array
        if array.is_fully_addressable:
            return jax.device_put(array, jax.local_devices()[0])
        return array.addressable_data(0)

    return jax.tree.map(on_one, tree)


def connect(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Joins this process with the others of its run, on the same or on other hosts.

    To be called before anything else of JAX's. Arguments that are None are found in
    what SLURM, Open MPI or Kubernetes tell their processes.

    Args:
      coordinator: "HOST:PORT" of process 0.

    Raises:
      ConnectionError: no or not all of these are known, or the others do not answer.
    """
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        raise ConnectionError(f"cannot join the other processes: {error}") from error


def check_devices() -> None:
    """Finds the devices.

    Raises:
      ConnectionError: there are none of the kind that JAX is told to use.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = jax.config.jax_platforms  # type: ignore[attr-defined]
        asked = f" (JAX_PLATFORMS is {wanted!r})" if wanted else ""
        reason = f": {error}" if str(error) else ""
        raise ConnectionError(f"JAX finds no device{asked}{reason}") from error


def disconnect() -> None:
    """Waits for the other processes to come here too; then each is on its own."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def end(message: str) -> NoReturn:
    """Ends this process with a line, and with it the others that wait for it."""
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        # An orderly exit would wait for the others, which wait for this one.
        print(message, file=sys.stderr, flush=True)
        os._exit(1)
    sys.exit(message)


def is_main() -> bool:
    """Whether this process is the one that writes what people read."""
    return jax.process_index() == 0


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process; all must ask."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.asarray(flag)).any())


def of_main(value: Number) -> Number:
    """The main process's value, in all processes; all must ask.

    Floats are rounded to float32.
    """
    if jax.process_count() == 1:
        return value
    kind = type(value)
    array = np.asarray(value, np.int32 if kind is int else np.float32)
    return kind(multihost_utils.broadcast_one_to_all(array))


def _put_global(array: jax.Array, sharding: NamedSharding) -> jax.Array:
    """An array of this host, equal on all, on the devices of all hosts."""
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        data = _put_global(jax.random.key_data(array), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
    values = np.asarray(array)
    return jax.make_array_from_callback(
        values.shape, sharding, lambda index: values[index]
    )


def _mesh(devices: Sequence[jax.Device]) -> Mesh:
    # Explicit axes, make_mesh's default, fail in `nn.Embed`.
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(AxisType.Auto,))
