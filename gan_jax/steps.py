"""The discriminator step, the generator step, and the train step made of them."""

import dataclasses
from collections.abc import Callable

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.data.batches import EpochOrder, fixed_order, take_batch
from gan_jax.gan import Gan
from gan_jax.host_memory import return_freed_memory
from gan_jax.networks.reference import REFERENCE
from gan_jax.parallel import Devices
from gan_jax.schedules import Averaging, Progress
from gan_jax.types import Batch, GanState, PlayerState, PyTree

Metrics = dict[str, jax.Array]
TrainStep = Callable[[GanState, Batch], tuple[GanState, Metrics]]


@flax.struct.dataclass
class LoopState:
    """What a checkpoint holds: the GAN, and its metrics since the last logged step."""

    gan: GanState
    metric_sums: Metrics
    metric_count: jax.Array  # [] int32, steps in the sums


def init_state(
    gan: Gan,
    *,
    init_key: jax.Array,
    train_key: jax.Array,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    keeps_ema: bool,
    reference: Batch | None = None,
) -> GanState:
    """The state before the first step.

    `reference` holds real examples, see `Gan.init`; `keeps_ema` says whether there is a
    moving average of the generator.
    """
    generator_variables, discriminator_variables = gan.init(init_key, reference)
    return GanState(
        step=jnp.int32(0),
        key=train_key,
        generator=_init_player(generator_variables, generator_optimizer),
        discriminator=_init_player(discriminator_variables, discriminator_optimizer),
        # Copies, since the state is donated and no buffer may be in it twice.
        ema=jax.tree.map(jnp.copy, generator_variables) if keeps_ema else None,
    )


def progress_of(state: GanState, num_steps: int) -> Progress:
    """How far a run of so many train steps is."""
    return Progress(state.step, state.step.astype(jnp.float32) / num_steps)


def make_discriminator_step(
    gan: Gan, optimizer: optax.GradientTransformation, *, num_steps: int
) -> Callable[[GanState, Batch, jax.Array], tuple[GanState, Metrics]]:
    """A function that updates the discriminator alone, on one real batch.

    `num_steps` is the number of train steps of the run, for what is scheduled.
    """

    def discriminator_step(state, real, key):
        gradients, (model_state, metrics) = jax.grad(
            gan.discriminator_loss, has_aux=True
        )(
            state.discriminator.params,
            state.discriminator,
            state.generator,
            real,
            key,
            progress=progress_of(state, num_steps),
        )
        gradients, metrics = gan.devices.mean((gradients, metrics))
        player = _update(state.discriminator, gradients, model_state, optimizer)
        return state.replace(discriminator=player), metrics

    return discriminator_step


def make_generator_step(
    gan: Gan,
    optimizer: optax.GradientTransformation,
    *,
    averaging: Averaging,
    num_steps: int,
) -> Callable[[GanState, Batch, jax.Array], tuple[GanState, Metrics]]:
    """A function that updates the generator alone (and its moving average).

    It generates as many images as its real batch holds; see `Gan.generator_loss`.
    """

    def generator_step(state, real, key):
        progress = progress_of(state, num_steps)
        gradients, (model_state, metrics, _) = jax.grad(
            gan.generator_loss, has_aux=True
        )(
            state.generator.params,
            state.generator,
            state.discriminator,
            real,
            key,
            progress=progress,
        )
        gradients, metrics = gan.devices.mean((gradients, metrics))
        player = _update(state.generator, gradients, model_state, optimizer)
        decay = averaging(progress)
        return _with_generator(state, player, decay), metrics

    return generator_step


def make_simultaneous_step(
    gan: Gan,
    *,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    averaging: Averaging,
    num_steps: int,
) -> Callable[[GanState, Batch, jax.Array, jax.Array], tuple[GanState, Metrics]]:
    """A function that updates both players at once, on one real batch.

    Both gradients are taken at the state before the step. Both losses see the same
    generated images, drawn with the generator's key; separate steps would generate two
    batches.
    """

    def simultaneous_step(state, real, discriminator_key, generator_key):
        progress = progress_of(state, num_steps)
        generator_gradients, (generator_state, generator_metrics, generated) = jax.grad(
            gan.generator_loss, has_aux=True
        )(
            state.generator.params,
            state.generator,
            state.discriminator,
            real,
            generator_key,
            progress=progress,
        )
        discriminator_gradients, (discriminator_state, discriminator_metrics) = (
            jax.grad(gan.discriminator_loss, has_aux=True)(
                state.discriminator.params,
                state.discriminator,
                state.generator,
                real,
                discriminator_key,
                generated,
                progress,
            )
        )
        generator_gradients, discriminator_gradients, metrics = gan.devices.mean(
            (
                generator_gradients,
                discriminator_gradients,
                discriminator_metrics | generator_metrics,
            )
        )
        generator = _update(
            state.generator, generator_gradients, generator_state, generator_optimizer
        )
        discriminator = _update(
            state.discriminator,
            discriminator_gradients,
            discriminator_state,
            discriminator_optimizer,
        )
        decay = averaging(progress)
        state = _with_generator(state, generator, decay)
        return state.replace(discriminator=discriminator), metrics

    return simultaneous_step


def make_train_step(
    gan: Gan,
    *,
    generator_optimizer: optax.GradientTransformation,
    discriminator_optimizer: optax.GradientTransformation,
    d_steps: int,
    g_steps: int,
    averaging: Averaging,
    num_steps: int,
    simultaneous: bool = False,
) -> TrainStep:
    """One train step: `d_steps` discriminator updates, then `g_steps` of the generator.

    Or, if `simultaneous`, one of each at once, see `make_simultaneous_step`; `d_steps`
    and `g_steps` must then be 1. `num_steps` is the number of train steps of the run,
    for what is scheduled over it.

    Returns:
      A function of the state and of `d_steps` real batches, stacked: images
      [d_steps, B, H, W, C]. It returns the new state and metrics, means over updates.
    """
    if simultaneous:
        simultaneous_step = make_simultaneous_step(
            gan,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            averaging=averaging,
            num_steps=num_steps,
        )

        def simultaneous_train_step(state, real_batches):
            keys = jax.random.split(jax.random.fold_in(state.key, state.step))
            real = jax.tree.map(lambda array: array[0], real_batches)
            state, metrics = simultaneous_step(state, real, *keys)
            return state.replace(step=state.step + 1), metrics

        return simultaneous_train_step

    discriminator_step = make_discriminator_step(
        gan, discriminator_optimizer, num_steps=num_steps
    )
    generator_step = make_generator_step(
        gan,
        generator_optimizer,
        averaging=averaging,
        num_steps=num_steps,
    )

    def train_step(state, real_batches):
        key = jax.random.fold_in(state.key, state.step)
        discriminator_key, generator_key = jax.random.split(key)

        def discriminator_update(state, numbered):
            i, real = numbered
            return discriminator_step(
                state, real, jax.random.fold_in(discriminator_key, i)
            )

        def generator_update(state, i):
            # Why the generator has a real batch: see Gan.generator_loss.
            real = jax.tree.map(lambda array: array[-1], real_batches)
            return generator_step(state, real, jax.random.fold_in(generator_key, i))

        state, discriminator_metrics = _scan(
            discriminator_update,
            state,
            (jnp.arange(d_steps, dtype=jnp.int32), real_batches),
        )
        state, generator_metrics = _scan(
            generator_update, state, jnp.arange(g_steps, dtype=jnp.int32)
        )
        metrics = jax.tree.map(
            lambda values: values.mean(axis=0),
            discriminator_metrics | generator_metrics,
        )
        return state.replace(step=state.step + 1), metrics

    return train_step


def init_loop_state(
    train_step: TrainStep, gan_state: GanState, real_batches: Batch
) -> LoopState:
    """The loop state before the first step.

    `real_batches` gives the shapes of what the step takes; its values are not read.
    """
    _, metrics = jax.eval_shape(train_step, gan_state, real_batches)
    sums = jax.tree.map(lambda value: jnp.zeros(value.shape, value.dtype), metrics)
    return LoopState(gan_state, sums, jnp.int32(0))


def make_run_steps(
    train_step: TrainStep,
    *,
    devices: Devices,
    batch_size: int,
    d_steps: int,
    flip: bool = False,
) -> Callable[[LoopState, EpochOrder, Batch, jax.Array], tuple[LoopState, EpochOrder]]:
    """Many train steps in one call to the device.

    `batch_size` is that of the whole batch, spread over `devices`. `flip` mirrors real
    images at random; see `take_batch` for the other arguments.

    Returns:
      run_steps(loop_state, order, data, num_steps) -> (loop_state, order), to be
      jitted; `num_steps` is an array, so that one compiled program serves any number.
    """

    def run_steps(loop_state, order, data, num_steps):
        def body(_, carry):
            loop_state, order = carry
            first_batch = loop_state.gan.step * d_steps

            def take(order, i):
                batch, order = take_batch(
                    data,
                    order,
                    batch_number=first_batch + i,
                    batch_size=batch_size,
                    flip=flip,
                )
                return order, devices.part(batch)

            order, real_batches = _scan(
                take, order, jnp.arange(d_steps, dtype=jnp.int32)
            )
            gan_state, metrics = train_step(loop_state.gan, real_batches)
            sums = jax.tree.map(jnp.add, loop_state.metric_sums, metrics)
            return LoopState(gan_state, sums, loop_state.metric_count + 1), order

        return jax.lax.fori_loop(0, num_steps, body, (loop_state, order))

    return run_steps


def make_test_losses(gan: Gan, batch_size: int) -> Callable[..., Metrics]:
    """The jitted function that gives the means of `Gan.test_losses`.

    It takes the variables of the generator that samples and of the discriminator, test
    examples, a key and the training's progress.

    In whole batches of `batch_size`, in `fixed_order`; a remainder is left out.
    """

    @jax.jit
    def test_losses(generator, discriminator, examples, key, progress):
        num_examples = examples.labels.size
        size = min(batch_size, num_examples)
        num_batches = num_examples // size
        rows = fixed_order(num_examples)[: num_batches * size]
        batches = jax.tree.map(
            lambda array: array[rows.reshape(num_batches, size)], examples
        )
        losses = jax.lax.map(
            lambda numbered: gan.test_losses(
                generator,
                discriminator,
                numbered[1],
                jax.random.fold_in(key, numbered[0]),
                progress,
            ),
            (jnp.arange(num_batches), batches),
        )
        return jax.tree.map(jnp.mean, losses)

    return test_losses


def compile_run_steps(
    run_steps: jax.stages.Wrapped,
    loop_state: LoopState,
    order: EpochOrder,
    data: Batch,
) -> Callable:
    """Compiles a jitted `make_run_steps` function for arguments such as these.

    It is to be called with these and the number of steps, [] int32. The
    hundreds of megabytes that the compiler needed are given back to the system, where
    the C library can.
    """
    compiled = run_steps.lower(loop_state, order, data, np.int32(0)).compile()
    return_freed_memory()
    return compiled


def _init_player(
    variables: dict[str, PyTree], optimizer: optax.GradientTransformation
) -> PlayerState:
    params = variables["params"]
    model_state = {name: variables[name] for name in variables if name != "params"}
    return PlayerState(params, model_state, optimizer.init(params))


def _update(
    player: PlayerState,
    gradients: PyTree,
    model_state: PyTree,
    optimizer: optax.GradientTransformation,
) -> PlayerState:
    updates, opt_state = optimizer.update(gradients, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    return PlayerState(params, model_state, opt_state)


def _with_generator(
    state: GanState, generator: PlayerState, ema_decay: float | jax.Array
) -> GanState:
    """The state with an updated generator, and its moving average if it has one."""
    ema = state.ema
    if ema is not None:
        ema = _averaged(generator.variables, ema, ema_decay)
    return dataclasses.replace(state, generator=generator, ema=ema)


def _averaged(
    variables: dict[str, PyTree], ema: dict[str, PyTree], decay: float | jax.Array
) -> dict[str, PyTree]:
    """The moving average after one more update; a reference batch stays as it is."""
    averaged = {name: ema[name] for name in ema if name != REFERENCE}
    new = {name: variables[name] for name in averaged}
    return ema | optax.incremental_update(new, averaged, 1 - decay)


def _scan(function: Callable, carry: PyTree, inputs: PyTree) -> tuple[PyTree, PyTree]:
    """`jax.lax.scan`; up to two turns are written out, more are compiled once."""
    length = len(jax.tree.leaves(inputs)[0])
    return jax.lax.scan(function, carry, inputs, unroll=length <= 2)
