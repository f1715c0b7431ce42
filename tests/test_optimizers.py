"""Optimisers: what they refuse, and weights that stay in their box."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.optimizers import make_optimizer

PARAMS = {"kernel": jnp.array([0.029, -0.01, 0.5]), "bias": jnp.array([-0.03])}
GRADIENTS = {"kernel": jnp.array([-1.0, 1.0, -1.0]), "bias": jnp.array([1.0])}


def make(**changes):
    settings = {
        "name": "sgd",
        "learning_rate": 0.004,
        "schedule": "constant",
        "arguments": {},
        "weight_clip": 0.0,
        "num_updates": 10,
    }
    settings |= changes
    return make_optimizer(settings.pop("name"), **settings)


def updated(optimizer):
    updates, _ = optimizer.update(GRADIENTS, optimizer.init(PARAMS), PARAMS)
    return optax.apply_updates(PARAMS, updates)


def test_weights_are_clipped_after_the_update():
    clipped = updated(make(weight_clip=0.03))

    # 0.029 + 0.004 is cut, -0.01 - 0.004 is not; 0.5 comes back, -0.034 is cut.
    np.testing.assert_allclose(clipped["kernel"], [0.03, -0.014, 0.03], rtol=1e-6)
    np.testing.assert_allclose(clipped["bias"], [-0.03], rtol=1e-6)
    free = updated(make())
    np.testing.assert_allclose(free["kernel"], [0.033, -0.014, 0.504], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_clip": -0.1}, "weight_clip is -0.1; it must be >= 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be > 0"),
        ({"schedule": "step"}, "schedule is 'step'; known: 'constant', 'cosine'"),
        ({"name": "adamm"}, "name is 'adamm', which is no optimiser of optax"),
        ({"name": "adam", "arguments": {"b1": 1.5}}, r"arguments.b1 is 1.5.*\[0, 1\)"),
        ({"name": "nowhere_at_all:x"}, "nowhere_at_all cannot be imported"),
    ],
)
def test_what_cannot_be_used_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)
