"""Steps leak nothing, are counted exactly, and go on exactly where they stopped."""

from typing import ClassVar

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ONE_HIDDEN_LAYER, stack

from gan_jax import build, steps
from gan_jax.data.batches import EpochOrder
from gan_jax.gan import Gan
from gan_jax.parallel import Devices
from gan_jax.schedules import Averaging
from gan_jax.steps import (
    init_loop_state,
    init_state,
    make_discriminator_step,
    make_generator_step,
    make_run_steps,
    make_simultaneous_step,
    make_train_step,
)
from gan_jax.training import build_train_step, build_training
from gan_jax.types import Batch, GanState, PlayerState

KEY = jax.random.key(2)
OPTIMIZER = optax.adam(1e-3)
AVERAGING = Averaging(0.75)
NUM_EXAMPLES = 18
DATA = Batch(
    jax.random.randint(
        jax.random.key(1), (NUM_EXAMPLES, 4, 3, 1), 0, 256, dtype=jnp.int32
    ).astype(jnp.uint8),
    jnp.arange(NUM_EXAMPLES, dtype=jnp.int32) % 3,
)
REAL = Batch(DATA.images[:6], DATA.labels[:6])


def without_keys(tree):
    def data(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(data, tree)


def assert_same_bits(one, other):
    chex.assert_trees_all_equal(without_keys(one), without_keys(other))


def all_leaves_differ(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(not np.array_equal(*pair) for pair in pairs)


class Watched(Gan):
    """Notes every trace of a loss; eager calls would count as well."""

    calls: ClassVar[list[str]] = []

    def discriminator_loss(self, *arguments, **options):
        self.calls.append("discriminator")
        return super().discriminator_loss(*arguments, **options)

    def generator_loss(self, *arguments, **options):
        self.calls.append("generator")
        return super().generator_loss(*arguments, **options)


@pytest.fixture(scope="module")
def gan(small_config, tiny_spec):
    gan = build.build_gan(small_config(ONE_HIDDEN_LAYER), tiny_spec)
    return Watched(**{name: getattr(gan, name) for name in gan.__dataclass_fields__})


@pytest.fixture(scope="module")
def before(gan):
    """A state to take one step from."""
    return jax.jit(
        lambda: init_state(
            gan,
            init_key=jax.random.key(0),
            train_key=jax.random.key(1),
            generator_optimizer=OPTIMIZER,
            discriminator_optimizer=OPTIMIZER,
            keeps_ema=True,
        )
    )()


@pytest.fixture(scope="module")
def discriminator_step(gan):
    return jax.jit(make_discriminator_step(gan, OPTIMIZER, num_steps=20))


@pytest.fixture(scope="module")
def generator_step(gan):
    return jax.jit(
        make_generator_step(gan, OPTIMIZER, averaging=AVERAGING, num_steps=20)
    )


@pytest.fixture(scope="module")
def training(gan, small_config):
    """() -> (run_steps, loop state) as the program builds them, compiled once."""
    config = small_config(ONE_HIDDEN_LAYER | {"d_steps": 2, "ema_decay": 0.75})
    run_steps, state = build_training(config, gan, num_steps=8)
    # Copies, since they are donated.
    return lambda: (run_steps, jax.tree.map(jnp.copy, state))


def run(run_steps, state, counts):
    """The loop state after dispatches of so many steps each."""
    order = EpochOrder.empty(KEY, NUM_EXAMPLES)
    for count in counts:
        state, order = run_steps(state, order, DATA, jnp.int32(count))
    return state


def count_of_updates(state):
    """What Adam counted, of both players."""
    return {
        player: int(optax.tree.get(getattr(state, player).opt_state, "count"))
        for player in ("discriminator", "generator")
    }


def test_initial_state(gan, before):
    generator, discriminator = jax.jit(gan.init)(jax.random.key(0))

    assert before.step == 0
    assert_same_bits(before.key, jax.random.key(1))
    assert_same_bits(before.generator.variables, generator)
    assert_same_bits(before.discriminator.variables, discriminator)
    assert_same_bits(before.ema, generator)
    assert count_of_updates(before) == {"discriminator": 0, "generator": 0}


def test_no_average_is_kept_without_a_decay(gan):
    state = jax.eval_shape(
        lambda key: init_state(
            gan,
            init_key=key,
            train_key=key,
            generator_optimizer=OPTIMIZER,
            discriminator_optimizer=OPTIMIZER,
            keeps_ema=False,
        ),
        jax.random.key(0),
    )

    assert state.ema is None


def test_discriminator_step_changes_the_discriminator_alone(before, discriminator_step):
    after, metrics = discriminator_step(before, REAL, KEY)

    # Its whole state: params, batch statistics, optimiser; and the average.
    assert_same_bits(after.generator, before.generator)
    assert_same_bits(after.ema, before.ema)
    assert_same_bits((after.step, after.key), (before.step, before.key))
    assert all_leaves_differ(after.discriminator, before.discriminator)
    assert set(metrics) == {"discriminator_loss", "real_accuracy", "fake_accuracy"}


def test_generator_step_changes_the_generator_alone(before, generator_step):
    after, metrics = generator_step(before, REAL, KEY)

    assert_same_bits(after.discriminator, before.discriminator)
    assert_same_bits((after.step, after.key), (before.step, before.key))
    assert all_leaves_differ(after.generator, before.generator)
    assert set(metrics) == {"generator_loss"}


def test_each_step_lowers_its_own_loss(before, discriminator_step, generator_step):
    # The same key means the same latents, dropout and targets.
    state, metrics = discriminator_step(before, REAL, KEY)
    again = discriminator_step(state, REAL, KEY)[1]
    assert again["discriminator_loss"] < metrics["discriminator_loss"]

    state, metrics = generator_step(before, REAL, KEY)
    assert (
        generator_step(state, REAL, KEY)[1]["generator_loss"]
        < metrics["generator_loss"]
    )


@pytest.mark.slow
def test_simultaneous_updates_are_those_of_both_steps(gan, before, generator_step):
    """From the same state; with the same key both steps generate the same images."""
    discriminator_step = jax.jit(make_discriminator_step(gan, OPTIMIZER, num_steps=20))
    simultaneous_step = jax.jit(
        make_simultaneous_step(
            gan,
            generator_optimizer=OPTIMIZER,
            discriminator_optimizer=OPTIMIZER,
            averaging=AVERAGING,
            num_steps=20,
        )
    )

    after, metrics = simultaneous_step(before, REAL, KEY, KEY)

    of_discriminator, discriminator_metrics = discriminator_step(before, REAL, KEY)
    of_generator, generator_metrics = generator_step(before, REAL, KEY)
    expected = before.replace(
        discriminator=of_discriminator.discriminator,
        generator=of_generator.generator,
        ema=of_generator.ema,
    )
    expected_metrics = discriminator_metrics | generator_metrics
    jax.tree.map(
        lambda given, wanted: np.testing.assert_allclose(given, wanted, atol=2e-6),
        without_keys((after, metrics)),
        without_keys((expected, expected_metrics)),
    )
    # The discriminator's images are those of the generator's key.
    _, other_metrics = simultaneous_step(before, REAL, KEY, jax.random.key(3))
    assert other_metrics["discriminator_loss"] != metrics["discriminator_loss"]


@pytest.mark.slow
def test_simultaneous_train_step(gan, small_config):
    """Counts one step, an update of each player, and generates once."""
    config = small_config(ONE_HIDDEN_LAYER | {"simultaneous_updates": True})
    train_step, _ = build_train_step(config, gan, num_steps=4)
    state = jax.jit(
        lambda: init_state(
            gan,
            init_key=jax.random.key(0),
            train_key=jax.random.key(1),
            generator_optimizer=build.build_optimizer(config, "generator", 4),
            discriminator_optimizer=build.build_optimizer(config, "discriminator", 4),
            keeps_ema=False,
        )
    )()
    batches = stack([REAL])

    num_generated = str(jax.make_jaxpr(train_step)(state, batches)).count("tanh")
    after, metrics = jax.jit(train_step)(state, batches)

    assert num_generated == 1
    assert after.step == 1
    assert count_of_updates(after) == {"discriminator": 1, "generator": 1}
    assert {"discriminator_loss", "generator_loss"} < set(metrics)


def test_average_of_the_generator(before, generator_step):
    states = [before]
    for i in range(2):
        states.append(generator_step(states[-1], REAL, jax.random.key(i))[0])

    # 0.75 of the average before and a quarter of the new, twice.
    jax.tree.map(
        lambda averaged, *values: np.testing.assert_allclose(
            averaged, np.tensordot([0.5625, 0.1875, 0.25], values, 1), atol=1e-6
        ),
        states[2].ema,
        *(state.generator.variables for state in states),
    )
    assert set(states[2].ema) == {"params", "batch_stats"}
    assert all_leaves_differ(states[2].ema, before.ema)


class RecordingGan:
    """Losses of one parameter; its metrics tell which batch and key they were given."""

    devices = Devices()

    def discriminator_loss(self, params, discriminator, generator, real, key, progress):
        seen = {
            f"example_{number}": jnp.sum(real.labels == number) * 1.0
            for number in range(NUM_EXAMPLES)
        }
        seen["draw"] = jax.random.uniform(key)
        return params, (discriminator.model_state, seen)

    def generator_loss(self, params, generator, discriminator, real, key, progress):
        metrics = {"other_draw": jax.random.uniform(key)}
        return params, (generator.model_state, metrics, real)


def times_seen(metrics):
    return [metrics[f"example_{number}"] for number in range(NUM_EXAMPLES)]


def recording_step(d_steps, g_steps=1):
    player = PlayerState(jnp.float32(0), {}, OPTIMIZER.init(jnp.float32(0)))
    state = GanState(jnp.int32(0), jax.random.key(4), player, player, None)
    train_step = make_train_step(
        RecordingGan(),
        generator_optimizer=OPTIMIZER,
        discriminator_optimizer=OPTIMIZER,
        d_steps=d_steps,
        g_steps=g_steps,
        averaging=Averaging(),
        num_steps=20,
    )
    return train_step, state


def test_every_discriminator_update_has_a_real_batch_of_its_own():
    # Three updates of six: a step is an epoch of the 18 examples.
    train_step, state = recording_step(d_steps=3)
    numbered = Batch(DATA.images, jnp.arange(NUM_EXAMPLES, dtype=jnp.int32))
    loop_state = init_loop_state(train_step, state, stack([REAL] * 3))
    run_steps = make_run_steps(train_step, devices=Devices(), batch_size=6, d_steps=3)

    loop_state, _ = jax.jit(run_steps)(
        loop_state, EpochOrder.empty(KEY, NUM_EXAMPLES), numbered, jnp.int32(4)
    )

    # Sums over 4 steps of means over 3 updates: 4/3 if every example came 4 times.
    seen = times_seen(loop_state.metric_sums)
    np.testing.assert_allclose(seen, np.full(NUM_EXAMPLES, 4 / 3), rtol=1e-6)


def test_every_update_has_a_key_of_its_own():
    draws = set()
    for d_steps, g_steps in ((1, 1), (2, 2)):
        train_step, state = recording_step(d_steps, g_steps)
        for _ in range(3):
            state, metrics = train_step(state, stack([REAL] * d_steps))
            draws |= {float(metrics["draw"]), float(metrics["other_draw"])}

    # 6 of single updates, and 6 means over two of them: none is met twice.
    assert len(draws) == 12


def test_metrics_are_means_over_the_updates():
    train_step, state = recording_step(d_steps=3)
    batches = [REAL._replace(labels=jnp.full(6, i)) for i in range(3)]

    _, metrics = train_step(state, stack(batches))

    expected = np.zeros(NUM_EXAMPLES)
    expected[:3] = 6 / 3  # six examples of one number in one of three batches
    np.testing.assert_allclose(times_seen(metrics), expected, rtol=1e-6)


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (2, 1), (1, 5)])
def test_updates_per_step_are_exact(d_steps, g_steps):
    train_step, state = recording_step(d_steps, g_steps)
    run_steps = make_run_steps(
        train_step, devices=Devices(), batch_size=6, d_steps=d_steps
    )

    state, _ = jax.jit(run_steps)(
        init_loop_state(train_step, state, stack([REAL] * d_steps)),
        EpochOrder.empty(KEY, NUM_EXAMPLES),
        DATA,
        jnp.int32(7),
    )

    expected = {"discriminator": 7 * d_steps, "generator": 7 * g_steps}
    assert count_of_updates(state.gan) == expected
    assert state.gan.step == 7 and state.metric_count == 7


def test_dispatches_of_any_length_give_the_same_bits(training):
    # Two batches of 6 a step from 18 examples: step 5 ends within an epoch.
    run_steps, state = training()
    key = np.asarray(without_keys(state.gan.key))
    at_once = run(run_steps, state, [8])
    in_two = run(run_steps, training()[1], [5, 3])

    assert_same_bits(at_once, in_two)
    np.testing.assert_array_equal(without_keys(at_once.gan.key), key)
    assert at_once.gan.step == 8 and at_once.metric_count == 8
    assert count_of_updates(at_once.gan) == {"discriminator": 16, "generator": 8}
    assert all_leaves_differ(at_once.gan.ema, training()[1].gan.ema)
    for total in at_once.metric_sums.values():
        assert np.isfinite(total)


def test_going_on_needs_no_memory_of_the_order(training):
    run_steps, state = training()
    at_once = run(run_steps, state, [8])
    # As after a restart: the order of the epoch is not there any more.
    halfway = run(run_steps, training()[1], [4])
    resumed = run(run_steps, halfway, [4])

    assert_same_bits(at_once, resumed)


@pytest.mark.slow
def test_flipped_batches_are_the_same_after_a_restart(gan, small_config, training):
    fields = ONE_HIDDEN_LAYER | {"d_steps": 2, "ema_decay": 0.75, "data.flip": True}
    run_steps, state = build_training(small_config(fields), gan, num_steps=8)
    at_once = run(run_steps, jax.tree.map(jnp.copy, state), [4])
    resumed = run(run_steps, run(run_steps, state, [3]), [1])

    assert_same_bits(at_once, resumed)
    run_unflipped, state = training()
    unflipped = run(run_unflipped, state, [4])
    assert all_leaves_differ(
        at_once.gan.discriminator.params, unflipped.gan.discriminator.params
    )


def test_no_steps_change_nothing(training):
    run_steps, state = training()
    expected = jax.tree.map(np.asarray, without_keys(state))

    assert_same_bits(run(run_steps, state, [0]), expected)


def test_one_trace_for_dispatches_of_any_length(training):
    run_steps, state = training()
    jax.clear_caches()
    Watched.calls.clear()
    order = EpochOrder.empty(KEY, NUM_EXAMPLES)
    for count in (1, 3, 1, 2):
        state, order = run_steps(state, order, DATA, jnp.int32(count))
        # As after a logged line: the sums start anew.
        state = state.replace(
            metric_sums=jax.tree.map(jnp.zeros_like, state.metric_sums),
            metric_count=jnp.zeros_like(state.metric_count),
        )

    assert state.gan.step == 7
    # Each is traced once, however many updates and steps there are.
    assert Watched.calls == ["discriminator", "generator"]


def test_a_reference_batch_is_not_averaged():
    variables = {
        "params": {"weight": jnp.float32(4.0)},
        "reference": {"inputs": jnp.float32(0.1), "labels": jnp.int32(3)},
    }
    ema = {
        "params": {"weight": jnp.float32(2.0)},
        "reference": variables["reference"],
    }

    averaged = steps._averaged(variables, ema, 0.75)

    assert averaged["params"]["weight"] == 2.5
    assert_same_bits(averaged["reference"], variables["reference"])
