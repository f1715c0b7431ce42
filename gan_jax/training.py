"""What a run trains: the program of many steps, and the state before the first.

Assembled from a config; for a population of all its members, see population.py.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax.build import ConfigError, build_optimizer, build_schedules, seeds
from gan_jax.data import Dataset
from gan_jax.data.batches import EpochOrder, FedBatches
from gan_jax.data.feed import fed_from_host, resident
from gan_jax.gan import Gan
from gan_jax.parallel import Devices
from gan_jax.population import run_members, stack_members
from gan_jax.random import root_keys
from gan_jax.schedules import Averaging
from gan_jax.steps import (
    LoopState,
    TrainStep,
    init_loop_state,
    init_state,
    make_run_steps,
    make_train_step,
)
from gan_jax.types import Batch, GanState


def build_train_step(
    config: ConfigDict, gan: Gan, num_steps: int
) -> tuple[TrainStep, Callable[..., GanState]]:
    """One train step, and the function that makes the state before the first.

    The latter takes real examples for reference batches, see `Gan.init`, and the roots
    of what is random, those of the config's seed if none are given. `num_steps` is the
    number of train steps of the whole run.
    """
    optimizers = {
        "generator_optimizer": build_optimizer(
            config, "generator", num_steps * config.g_steps
        ),
        "discriminator_optimizer": build_optimizer(
            config, "discriminator", num_steps * config.d_steps
        ),
    }
    averaging = Averaging(
        config.ema_decay,
        build_schedules(config).get("ema_decay"),
        # Half-lives count updates, of which a train step has `g_steps`.
        config.ema_rampup * config.g_steps,
    )
    train_step = make_train_step(
        gan,
        d_steps=config.d_steps,
        g_steps=config.g_steps,
        averaging=averaging,
        num_steps=num_steps,
        simultaneous=config.simultaneous_updates,
        **optimizers,
    )

    def initial_state(reference=None, keys=None):
        keys = keys or root_keys(config.seed)
        return init_state(
            gan,
            init_key=keys["init"],
            train_key=keys["train"],
            reference=reference,
            keeps_ema=bool(averaging.decay or averaging.schedule),
            **optimizers,
        )

    return train_step, initial_state


def build_training(
    config: ConfigDict,
    gan: Gan,
    num_steps: int,
    references: Sequence[Batch] | None = None,
    devices: Devices = Devices(),  # noqa: B008
) -> tuple[Callable, LoopState]:
    """The jitted function that runs many train steps, and the state before the first.

    See `steps.make_run_steps` for the function, whose first two arguments are donated,
    and `reference_examples` for the references. With a population both are of all its
    members, see population.py.
    """
    train_step, initial_gan_state = build_train_step(config, gan, num_steps)
    # Traced once for its metrics' names and, on one device, for the program too.
    train_step = jax.jit(train_step)
    shape = (config.d_steps, config.batch_size)
    real_batches = Batch(
        jax.ShapeDtypeStruct((*shape, *gan.image_shape), jnp.uint8),
        jax.ShapeDtypeStruct(shape, jnp.int32),
    )

    @jax.jit
    def initial_state(reference, keys):
        return init_loop_state(
            train_step, initial_gan_state(reference, keys), real_batches
        )

    references = references or [None] * config.population
    states = [
        initial_state(reference, root_keys(seed))
        for reference, seed in zip(references, seeds(config), strict=True)
    ]
    spread_step = train_step
    if devices.num_devices > 1:
        spread_step, _ = build_train_step(config, gan.on(devices), num_steps)
    run_steps = make_run_steps(
        spread_step,
        devices=devices,
        batch_size=config.batch_size,
        d_steps=config.d_steps,
        flip=config.data.flip,
    )
    if config.population > 1:
        return devices.jit(run_members(run_steps)), stack_members(states)
    return devices.jit(run_steps), states[0]


def build_feed(
    config: ConfigDict,
    dataset: Dataset,
    devices: Devices,
    *,
    dispatches: Iterable[tuple[int, int]],
    longest: int,
) -> AbstractContextManager[Iterator[Batch | FedBatches]]:
    """What `build_training`'s function takes as data, for one dispatch after the other.

    As `config.data.feed` says. `dispatches` has (step before, number of steps) of each,
    none more than `longest`.
    """
    examples = Batch(dataset.train_images, dataset.train_labels)
    if config.data.feed == "device":
        return resident(devices, examples)
    return fed_from_host(
        devices,
        examples,
        EpochOrder.empty(root_keys(config.seed)["data"], len(examples.labels)),
        dispatches=(
            (step * config.d_steps, count * config.d_steps)
            for step, count in dispatches
        ),
        capacity=longest * config.d_steps,
        batch_size=config.batch_size,
    )


def initial_order(config: ConfigDict, num_examples: int) -> EpochOrder:
    """What `build_training`'s function takes besides the first state and the data."""
    # The host, if it feeds, has the indices.
    num_indices = num_examples if config.data.feed == "device" else 0
    orders = [
        EpochOrder.empty(root_keys(seed)["data"], num_indices) for seed in seeds(config)
    ]
    return stack_members(orders) if config.population > 1 else orders[0]


def reference_examples(config: ConfigDict, gan: Gan, dataset: Dataset) -> list[Batch]:
    """Training examples for a reference batch, drawn by the seed; none if none is used.

    One batch for each of `seeds(config)`.

    Raises:
      ConfigError: there are fewer training images than that.
    """
    size = gan.discriminator.reference_size
    if not size:
        return []
    num_train = len(dataset.train_labels)
    if size > num_train:
        raise ConfigError(
            f"config.discriminator.reference_examples is {size}, more than the "
            f"{num_train} training images of {config.data.name}"
        )

    def examples(seed: int) -> Batch:
        key = root_keys(seed)["reference"]
        rows = np.asarray(jax.random.permutation(key, num_train))[:size]
        return Batch(
            jnp.asarray(dataset.train_images[rows]),
            jnp.asarray(dataset.train_labels[rows]),
        )

    return [examples(seed) for seed in seeds(config)]
