"""Values over training by hand, and what may not change."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ONE_HIDDEN_LAYER
from ml_collections import ConfigDict

from gan_jax import build, checks, sections, training
from gan_jax.build import ConfigError
from gan_jax.schedules import Averaging, Progress, Schedule, half_life
from gan_jax.types import Batch


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ("linear", [2.0, 3.5, 5.0, 8.0, 8.0]),
        # (1 - cos(pi / 4)) / 2 = 0.14645
        ("cosine", [2.0, 2.878680, 5.0, 8.0, 8.0]),
        ("step", [2.0, 2.0, 2.0, 8.0, 8.0]),
    ],
)
def test_shapes_by_hand(shape, values):
    schedule = Schedule(8.0, until=0.5, shape=shape)

    shares = jnp.array([0, 0.125, 0.25, 0.5, 0.9], jnp.float32)
    found = [schedule(2.0, share) for share in shares]

    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_a_moving_average_changes_by_its_half_life():
    np.testing.assert_allclose(half_life(0.5), 1)
    np.testing.assert_allclose(half_life(0.999), 692.8, rtol=1e-4)
    schedule = Schedule(0.5 ** (1 / 8), shape="linear")  # a half-life of 8

    def decay(start, share):
        return Averaging(start, schedule)(Progress(share=jnp.float32(share)))

    # From a half-life of 2 on half of the way: 5.
    np.testing.assert_allclose(decay(0.5**0.5, 0.5), 0.5 ** (1 / 5), rtol=1e-6)
    # From none, which keeps nothing of the average.
    assert decay(0.0, 0.0) == 0
    np.testing.assert_allclose(decay(0.0, 0.25), 0.5 ** (1 / 2), rtol=1e-6)
    assert Averaging(0.9)(Progress(share=jnp.float32(0.3))) == 0.9


def test_a_moving_average_is_short_at_first():
    averaging = Averaging(0.5 ** (1 / 8), rampup=0.25)

    steps = jnp.array([0, 4, 16, 32, 1000])
    found = [averaging(Progress(step)) for step in steps]

    # Half-lives of 0, 1, 4 and 8, which is its own.
    expected = [0, 0.5, 0.5 ** (1 / 4), 0.5 ** (1 / 8), 0.5 ** (1 / 8)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def scheduled(small_config, schedules, fields=None):
    config = small_config(ONE_HIDDEN_LAYER | (fields or {}))
    with config.unlocked():
        for field, schedule in schedules.items():
            section = config.schedules
            *path, last = field.split(".")
            for part in path:
                if part not in section:
                    section[part] = ConfigDict()
                section = section[part]
            section[last] = schedule
    return config


def test_adams_arguments_change_with_the_updates(small_config):
    config = scheduled(
        small_config,
        {
            "generator_optimizer.learning_rate": sections.schedule(0.0, shape="linear"),
            "generator_optimizer.arguments.b2": sections.schedule(
                0.5, until=0.5, shape="step"
            ),
        },
        {"generator_optimizer.arguments.b1": 0.0},
    )
    optimizer = build.build_optimizer(config, "generator", num_steps=2)
    params, gradients = {"w": jnp.array([1.0])}, [2.0, 3.0, 4.0]
    state = optimizer.init(params)

    # As in Adam's paper, with b1 = 0: each rate and b2 for its own update.
    moment, expected = 0.0, 1.0
    for count, gradient in enumerate(gradients):
        rate = 2e-4 * (1 - min(count / 2, 1))
        b2 = 0.999 if count < 1 else 0.5
        moment = b2 * moment + (1 - b2) * gradient**2
        corrected = moment / (1 - b2 ** (count + 1))
        expected -= rate * gradient / (np.sqrt(corrected) + 1e-8)
        updates, state = optimizer.update({"w": jnp.array([gradient])}, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params["w"], [expected], rtol=1e-6)


@pytest.mark.parametrize("g_steps", [1, 2])
def test_the_train_step_has_the_configs_rampup(small_config, tiny_spec, g_steps):
    """After 20 steps the half-life is 2 of them, 2 or 4 updates."""
    fields = {"ema_decay": 0.9, "ema_rampup": 0.1, "g_steps": g_steps}
    # So small that the weights stay as they are.
    fields["generator_optimizer.learning_rate"] = 1e-12
    config = small_config(ONE_HIDDEN_LAYER | fields)
    gan = build.build_gan(config, tiny_spec)
    step, initial = training.build_train_step(config, gan, num_steps=40)
    state = jax.jit(initial)()
    ones = jax.tree.map(jnp.ones_like, state.ema)
    state = state.replace(step=jnp.int32(20), ema=ones)
    images = np.random.default_rng(0).integers(256, size=(1, 6, 4, 3, 1))
    batch = Batch(jnp.asarray(images, jnp.uint8), jnp.array([[0, 1, 2, 0, 1, 2]]))

    after, _ = jax.jit(step)(state, batch)

    def kernel(variables):
        return variables["params"]["output"]["kernel"]

    np.testing.assert_allclose(
        kernel(after.ema),
        0.5**0.5 * kernel(state.ema)
        + (1 - 0.5**0.5) * kernel(after.generator.variables),
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.parametrize("shape", ["linear", "step"])
def test_the_average_follows_its_schedule_in_the_train_step(
    shape, small_config, tiny_spec
):
    config = scheduled(
        small_config, {"ema_decay": sections.schedule(0.75, until=0.5, shape=shape)}
    )
    gan = build.build_gan(config, tiny_spec)
    step, initial = training.build_train_step(config, gan, num_steps=4)
    state = jax.jit(initial)()
    random = np.random.default_rng(0)
    batch = Batch(
        jnp.asarray(random.integers(256, size=(1, 6, 4, 3, 1)), jnp.uint8),
        jnp.array([[0, 1, 2, 0, 1, 2]]),
    )
    half = 0.75**2 if shape == "linear" else 0.0  # half of the half-life

    for decay in (0.0, half, 0.75, 0.75):
        before = jax.device_get(state.ema["params"]["output"]["kernel"])
        state, _ = jax.jit(step)(state, batch)
        now = state.generator.params["output"]["kernel"]
        np.testing.assert_allclose(
            state.ema["params"]["output"]["kernel"],
            decay * before + (1 - decay) * now,
            rtol=1e-5,
            atol=1e-7,
        )


@pytest.mark.parametrize(
    ("field", "schedule", "message"),
    [
        ("batch_size", {}, "schedules.batch_size is of a field that cannot change"),
        ("ema", {}, "schedules.ema is of a field that cannot change"),
        (
            "ema_decay",
            {"end": 1.0},
            r"schedules.ema_decay.end is 1.0; it must be in \[0, 0.999999\]",
        ),
        ("ema_decay", {"end": -0.1}, r"ema_decay.end is -0.1; it must be in \[0, 0.99"),
        ("ema_decay", {"until": 0.0}, r"ema_decay.until is 0.0.*in \(0, 1\]"),
        ("ema_decay", {"shape": "sine"}, "ema_decay.shape is 'sine'; known: 'linear'"),
        (
            "augmentation_probability",
            {"end": 1.5},
            r"end is 1.5; it must be in \[0, 1.0\]",
        ),
        (
            "generator_optimizer.arguments.b2",
            {"end": 1.0},
            r"generator_optimizer.arguments.b2 is 1.0; it must be in \[0, 1\)",
        ),
        (
            "generator_optimizer.arguments.b3",
            {},
            "schedules.generator_optimizer.arguments.b3 is of a field that cannot",
        ),
        ("terms.l1.weight", {}, "schedules.terms.l1.weight is of a field that cannot"),
    ],
)
def test_what_cannot_change_is_named(small_config, field, schedule, message):
    section = sections.schedule(0.5)
    section.update(schedule)

    with pytest.raises(ConfigError, match=message):
        checks.check_config(scheduled(small_config, {field: section}))


def test_a_rate_has_one_schedule(small_config):
    config = scheduled(
        small_config,
        {"generator_optimizer.learning_rate": sections.schedule(0.0)},
        {"generator_optimizer.schedule": "cosine"},
    )

    with pytest.raises(ConfigError, match="schedules has the learning rate too"):
        checks.check_config(config)
