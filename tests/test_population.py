"""A population's members are the single runs of their seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import build, load_generator, parallel, training
from gan_jax.build import ConfigError
from gan_jax.evaluate import evaluate
from gan_jax.population import OWN, member, stack_members
from gan_jax.report.metric_log import read_metrics
from gan_jax.train import train
from gan_jax.types import Batch
from tests.conftest import ONE_HIDDEN_LAYER

SIZE = 3


def trained(config, dataset, num_steps):
    gan = build.build_gan(config, dataset.spec)
    run_steps, state = training.build_training(config, gan, num_steps)
    data = Batch(jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels))
    order = training.initial_order(config, len(dataset.train_labels))
    return run_steps(state, order, data, jnp.int32(num_steps))


@pytest.fixture(scope="module")
def singles(small_config, tiny_mnist):
    """(state, order) of a single run of each seed."""
    return [
        trained(small_config(ONE_HIDDEN_LAYER | {"seed": seed}), tiny_mnist, 70)
        for seed in range(5, 5 + SIZE)
    ]


@pytest.mark.parametrize(
    "backend", ["cpu", pytest.param("gpu", marks=pytest.mark.slow)]
)
def test_members_are_the_single_runs(
    backend, singles, small_config, tiny_mnist, monkeypatch
):
    """One after the other, and vectorised as on GPUs; beyond the first epoch."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    config = small_config(ONE_HIDDEN_LAYER | {"seed": 5, "population": SIZE})
    state, order = trained(config, tiny_mnist, 70)

    assert state.gan.step == 70 and state.gan.step.shape == ()
    assert state.metric_count == 70 and order.epoch == 1
    for number, (single, single_order) in enumerate(singles):
        np.testing.assert_array_equal(order.indices[number], single_order.indices)
        jax.tree.map(
            lambda given, expected: np.testing.assert_allclose(
                given, expected, atol=1e-5
            ),
            member(state, number).gan.generator.params,
            single.gan.generator.params,
        )
    first, second = (state.metric_sums["generator_loss"][number] for number in (0, 1))
    assert first != second


def test_stacking_keeps_what_members_share(singles):
    states = [state for state, _ in singles]
    stacked = stack_members(states)

    assert stacked.gan.step.shape == () and stacked.gan.key.shape == (SIZE,)
    assert stacked.gan.ema is None
    for number, state in enumerate(states):
        jax.tree.map(
            np.testing.assert_array_equal,
            member(stacked, number).gan.discriminator,
            state.gan.discriminator,
        )


@pytest.mark.slow
def test_a_run_of_several_seeds(tmp_path, small_config, tiny_world):
    """Files, scores over seeds and of each, and each seed's generator."""
    config = small_config(
        ONE_HIDDEN_LAYER
        | {
            "population": 2,
            "seed": 3,
            "num_steps": 6,
            "log_every": 3,
            "checkpoint_every": 6,
            "sample_every": 6,
            "checkpoints.best_num_samples": 40,
            "eval.num_samples": 40,
            "eval.num_splits": 2,
            "eval.num_runs": 2,
            "eval.gan_train_samples": 60,
            "eval.scores": ("inception_score", "gan_test", "gan_train", "authenticity"),
            "eval.inception_sizes": (50,),
        }
    )
    assert train(config, tmp_path)
    result = evaluate(config, tmp_path)

    rows = read_metrics(tmp_path)
    assert [row["step"] for row in rows] == [3, 6]
    assert all(row["generator_loss_std"] > 0 for row in rows)
    assert "inception_score_std" in rows[-1]
    assert "test_generator_loss_std" in rows[-1]
    for folder in ("samples", "samples_seed_4"):
        names = [path.name for path in (tmp_path / folder).iterdir()]
        assert sorted(names) == ["step_00000000.png", "step_00000006.png"]
    assert result["seeds"] == [3, 4]
    assert [scores["seed"] for scores in result["members"]] == [3, 4]
    for name, of in (("inception_score", "mean"), ("gan_test", "mean")):
        one, other = (scores[name][of] for scores in result["members"])
        assert result[name]["mean"] == pytest.approx((one + other) / 2)
        # Of two values, with ddof 1.
        assert result[name]["std"] == pytest.approx(abs(one - other) / 2**0.5)
        assert result["over_seeds"][name] == result[name]
    one, other = (scores["gan_train"] for scores in result["members"])
    assert result["gan_train"] == pytest.approx((one + other) / 2)
    assert result["gan_train_std"] == pytest.approx(abs(one - other) / 2**0.5)
    assert result["over_seeds"]["gan_train"] == {
        "mean": result["gan_train"],
        "std": result["gan_train_std"],
        "num_seeds": 2,
    }
    assert result["inception_score_of"]["50"]["num_seeds"] == 2
    # The same for each seed.
    assert result["gan_train_samples"] == result["members"][0]["gan_train_samples"]
    assert result["authenticity_real"] == result["members"][1]["authenticity_real"]
    np.testing.assert_array_equal(
        result["confusion_matrix"],
        sum(np.array(scores["confusion_matrix"]) for scores in result["members"]),
    )

    generators = [load_generator(tmp_path, seed=seed) for seed in (3, 4)]
    key = jax.random.key(0)
    first, second = (np.asarray(generator.sample(key, 4)) for generator in generators)
    assert (first != second).any()
    np.testing.assert_array_equal(load_generator(tmp_path).sample(key, 4), first)
    with pytest.raises(ConfigError, match=r"no seed 5; it has \[3, 4\]"):
        load_generator(tmp_path, seed=5)


@pytest.mark.parametrize(
    ("population", "num_devices", "used"),
    [(10, 8, 5), (3, 4, 3), (6, 4, 3), (8, 8, 8), (16, 8, 8), (7, 4, 1)],
)
def test_members_are_on_as_many_devices_as_can_have_equally_many(
    monkeypatch, population, num_devices, used
):
    monkeypatch.setattr(parallel, "_mesh", lambda devices: None)

    devices = parallel.member_devices(population, OWN, list(range(num_devices)))

    assert devices.num_devices == used
