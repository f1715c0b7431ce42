"""What the loop writes, and when; through the real entry point: test_main.py."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import build
from gan_jax.data.batches import fixed_order
from gan_jax.generator import load_generator, open_checkpoints
from gan_jax.train import TrainingDivergedError, train
from gan_jax.types import Batch


@pytest.fixture(scope="module")
def rows(tiny_run):
    lines = (tiny_run[1] / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_metrics_are_logged_when_due(rows):
    assert [row["step"] for row in rows] == [4, 8, 12]
    test_losses = {
        f"test_{name}"
        for name in (
            "discriminator_loss",
            "generator_loss",
            "real_accuracy",
            "fake_accuracy",
        )
    }
    for row in rows:
        # An epoch is longer than the run: these are due at its end alone.
        assert set(row) - test_losses == {
            "step",
            "discriminator_loss",
            "generator_loss",
            "real_accuracy",
            "fake_accuracy",
            "steps_per_second",
            "seconds_per_epoch",
            "inception_score",  # a checkpoint is due at each
        }
        assert set(row) & test_losses == (test_losses if row["step"] == 12 else set())
        assert all(math.isfinite(value) for value in row.values())
        # Means over 4 batches of 6: whole 24ths.
        for name in ("real_accuracy", "fake_accuracy"):
            assert row[name] * 24 == pytest.approx(round(row[name] * 24), abs=1e-4)
        # 400 examples make 66 batches of 6.
        epochs_per_second = 1 / row["seconds_per_epoch"]
        assert epochs_per_second * 66 == pytest.approx(row["steps_per_second"])


def test_rows_are_means_since_the_row_before(rows, tiny_run, tiny_world):
    config, _ = tiny_run
    gan = build.build_gan(config, tiny_world.spec)
    run_steps, state = build.build_training(config, gan, 12)
    data = Batch(
        jnp.asarray(tiny_world.train_images), jnp.asarray(tiny_world.train_labels)
    )
    order, sums = build.initial_order(config, 400), []
    for _ in range(2):
        state, order = run_steps(state, order, data, jnp.int32(4))
        sums.append(jax.device_get(state.metric_sums))

    # Sums here run on; the loop's start anew at every row.
    for name in ("discriminator_loss", "generator_loss"):
        first, second = (float(total[name]) for total in sums)
        assert rows[0][name] == pytest.approx(first / 4, rel=1e-6)
        assert rows[1][name] == pytest.approx((second - first) / 4, rel=1e-5)


def test_pictures_and_checkpoints_when_due(tiny_run):
    _, workdir = tiny_run

    grids = sorted(path.name for path in (workdir / "samples").iterdir())
    assert grids == ["step_00000000.png", "step_00000012.png"]
    with Image.open(workdir / "samples" / grids[0]) as picture:
        assert picture.height == 10 * (2 * 28 + 2) + 2
    with Image.open(workdir / "curves.png") as picture:
        picture.verify()
    steps = {int(path.name) for path in (workdir / "checkpoints").iterdir()}
    assert {8, 12} <= steps <= {4, 8, 12}  # the latest two, and the best
    assert list(workdir.glob("**/events.out.tfevents*"))


def test_a_finished_run_is_left_as_it_is(tiny_run, tiny_world, monkeypatch, rows):
    config, workdir = tiny_run

    def forbidden(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(build, "make_run_steps", lambda *a, **k: forbidden)
    assert train(config, workdir)

    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_divergence_ends_the_run(tiny_run, tiny_world, monkeypatch, tmp_path):
    config, _ = tiny_run
    _, state = build.build_training(
        config, build.build_gan(config, tiny_world.spec), 12
    )

    @jax.jit
    def run_steps(state, order, data, num_steps):
        gan = state.gan.replace(step=state.gan.step + num_steps)
        lost = jnp.where(gan.step > 4, jnp.nan, 1.0)
        sums = jax.tree.map(lambda value: value + lost, state.metric_sums)
        return state.replace(
            gan=gan, metric_sums=sums, metric_count=state.metric_count + num_steps
        ), order

    monkeypatch.setattr(build, "build_training", lambda *args: (run_steps, state))
    with pytest.raises(
        TrainingDivergedError, match="became nan between steps 5 and 7.*step 4 is kept"
    ):
        train(config, tmp_path)

    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["4"]


def test_losses_on_test_images(rows, tiny_run, tiny_world):
    """Means of the whole batches of 6 in the 200 test images, batch by batch.

    In an order that is not the file's, in which classes may be sorted.
    """
    config, workdir = tiny_run
    gan = build.build_gan(config, tiny_world.spec)
    template = jax.eval_shape(lambda: build.build_training(config, gan, 12)[1])
    with open_checkpoints(config, workdir) as checkpoints:
        state, _ = checkpoints.restore(template)
    state = state.gan
    key = jax.random.fold_in(build.random_keys(config.seed)["test"], 12)
    one_batch = jax.jit(gan.test_losses)

    losses = []
    order = np.asarray(fixed_order(200))
    assert sorted(order) == list(range(200)) and (order[:5] != np.arange(5)).any()
    for number in range(33):
        rows_of_batch = order[6 * number : 6 * number + 6]
        batch = Batch(
            jnp.asarray(tiny_world.test_images[rows_of_batch]),
            jnp.asarray(tiny_world.test_labels[rows_of_batch]),
        )
        batch_key = jax.random.fold_in(key, number)
        losses.append(
            one_batch(state.ema, state.discriminator.variables, batch, batch_key)
        )

    for name in losses[0]:
        mean = np.mean([batch[name] for batch in losses])
        assert rows[-1][f"test_{name}"] == pytest.approx(mean, rel=1e-5)


def test_a_reference_batch_is_kept_with_the_run(tiny_world, small_config, tmp_path):
    """Through training, checkpoint and sampling of a convolutional GAN."""
    config = small_config(
        {
            "num_steps": 2,
            "log_every": 1,
            "conditional": True,
            "ema_decay": 0.5,
            "checkpoints.best_metric": "",
            "data.source": "embedded",
        },
        name="dcgan_vbn_mnist",
    )

    assert train(config, tmp_path)

    generator = load_generator(tmp_path)
    first, _ = build.build_gan(config, tiny_world.spec).init(
        build.random_keys(config.seed)["init"],
        build.reference_examples(config, generator.sampler.gan, tiny_world)[0],
    )
    reference = generator.variables["reference"]
    jax.tree.map(np.testing.assert_array_equal, reference, first["reference"])
    # An image depends on it and on nothing else in its batch.
    latents = generator.latents(jax.random.key(0), 6)
    labels = np.array([0, 1, 2, 3, 4, 5])
    together = generator.generate(latents, labels, jax.random.key(1))
    others = generator.generate(
        latents.at[1:].multiply(-1.0), labels, jax.random.key(1)
    )
    np.testing.assert_array_equal(together[0], others[0])
    assert not np.array_equal(together[1], others[1])
