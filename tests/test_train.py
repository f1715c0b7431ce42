"""What the loop writes, and when; through the real entry point: test_main.py."""

import contextlib
import json
import math
import os
import shutil
import signal
import sys
import threading
import time

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import build, training
from gan_jax.build import ConfigError
from gan_jax.data.batches import fixed_order
from gan_jax.generator import load_generator, open_checkpoints
from gan_jax.interrupts import Interrupts, caught_interrupts
from gan_jax.judge import Judge
from gan_jax.lock import BusyError
from gan_jax.random import root_keys
from gan_jax.report.grids import save_png
from gan_jax.report.metric_log import MetricLog
from gan_jax.train import TrainingDivergedError, train
from gan_jax.types import Batch
from gan_jax.workdir import locked_workdir

TRAIN = sys.modules["gan_jax.train"]  # gan_jax.train is the function


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
    run_steps, state = training.build_training(config, gan, 12)
    data = Batch(
        jnp.asarray(tiny_world.train_images), jnp.asarray(tiny_world.train_labels)
    )
    order, sums = training.initial_order(config, 400), []
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

    monkeypatch.setattr(training, "make_run_steps", lambda *a, **k: forbidden)
    assert train(config, workdir)

    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_divergence_ends_the_run(tiny_run, tiny_world, monkeypatch, tmp_path):
    config, _ = tiny_run
    _, state = training.build_training(
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

    monkeypatch.setattr(training, "build_training", lambda *args: (run_steps, state))
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
    template = jax.eval_shape(lambda: training.build_training(config, gan, 12)[1])
    with open_checkpoints(config, workdir) as checkpoints:
        state, _ = checkpoints.restore(template)
    state = state.gan
    key = jax.random.fold_in(root_keys(config.seed)["test"], 12)
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


@pytest.mark.slow
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
    first, _ = jax.jit(build.build_gan(config, tiny_world.spec).init)(
        root_keys(config.seed)["init"],
        training.reference_examples(config, generator.sampler.gan, tiny_world)[0],
    )
    reference = generator.variables["reference"]
    chex.assert_trees_all_equal(reference, first["reference"])
    # An image depends on it and on nothing else in its batch.
    latents = generator.latents(jax.random.key(0), 6)
    labels = np.array([0, 1, 2, 3, 4, 5])
    together = generator.generate(latents, labels, jax.random.key(1))
    others = generator.generate(
        latents.at[1:].multiply(-1.0), labels, jax.random.key(1)
    )
    np.testing.assert_array_equal(together[0], others[0])
    assert not np.array_equal(together[1], others[1])


TIMED = ("steps_per_second", "seconds_per_epoch")


def logged(workdir):
    """The rows of metrics.jsonl without the times."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        {name: value for name, value in row.items() if name not in TIMED}
        for row in rows
    ]


def saved_state(config, workdir, spec, step=None):
    """Everything in a checkpoint, as NumPy arrays."""
    gan = build.build_gan(config, spec)
    template = jax.eval_shape(lambda: training.build_training(config, gan, 1)[1])
    with open_checkpoints(config, workdir) as checkpoints:
        state, _ = checkpoints.restore(template, step)
    state = state.replace(gan=state.gan.replace(key=jax.random.key_data(state.gan.key)))
    return jax.tree.map(np.asarray, state)


def assert_same_run(config, workdir, expected, spec):
    assert logged(workdir) == logged(expected)
    chex.assert_trees_all_equal(
        saved_state(config, workdir, spec),
        saved_state(config, expected, spec),
    )


def changed(config, fields):
    other = config.copy_and_resolve_references()
    other.update_from_flattened_dict(fields)
    return other


@pytest.fixture
def run(tiny_run, tiny_world, tmp_path):
    """(config, workdir): a copy of the finished run, to be written in."""
    shutil.copytree(tiny_run[1], tmp_path / "run")
    return tiny_run[0], tmp_path / "run"


@pytest.mark.slow
def test_a_judge_that_fails_costs_no_checkpoint(
    tiny_run, tiny_world, tmp_path, monkeypatch
):
    """It is saved before it is scored; what then lacks is made when the run goes on."""
    config, finished = tiny_run

    def fail(config, dataset):
        raise OSError("no judge today")

    with monkeypatch.context() as patch:
        patch.setattr(Judge, "load_or_train", fail)
        with pytest.raises(OSError, match="no judge today"):
            train(config, tmp_path)
    steps = [path.name for path in (tmp_path / "checkpoints").iterdir()]
    assert steps == ["4"] and logged(tmp_path) == []

    assert train(config, tmp_path)

    assert_same_run(config, tmp_path, finished, tiny_world.spec)
    # How fast the steps were that the first process made is not known.
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert (first["step"], first["steps_per_second"]) == (4, None)


@pytest.mark.slow
def test_a_run_killed_between_checkpoint_and_pictures_makes_them_later(
    tiny_run, tiny_world, tmp_path, monkeypatch
):
    config, finished = tiny_run
    config = changed(config, {"sample_every": 4})

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # At step 0, and then not any more.
        calls = iter([save_png])
        patch.setattr(TRAIN, "save_png", lambda *args: next(calls, killed)(*args))
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path)
    assert [row["step"] for row in logged(tmp_path)] == [4]

    assert train(config, tmp_path)

    grids = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert grids == [f"step_{step:08d}.png" for step in (0, 4, 8, 12)]
    assert_same_run(config, tmp_path, finished, tiny_world.spec)


@pytest.mark.slow
def test_the_best_is_known_after_a_resumption(tiny_run, tiny_world, tmp_path):
    """Of scores 4: low, 8: high, 12: low the checkpoint of 8 stays."""
    config = changed(tiny_run[0], {"checkpoints.keep_latest": 1})
    scores = {4: 0.1, 8: 0.9, 12: 0.2}

    class Stop(Exception):
        pass

    def score(stop_at):
        def of_step(judge, metric, generator, key, **kwargs):
            if generator.step == stop_at:
                raise Stop
            return scores[generator.step]

        return of_step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "score", score(12))
        with pytest.raises(Stop):
            train(config, tmp_path)
        patch.setattr(Judge, "score", score(None))
        assert train(config, tmp_path)

    steps = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    assert steps == {8, 12}
    assert [row["inception_score"] for row in logged(tmp_path)] == [0.1, 0.9, 0.2]


def names_of_threads():
    return [thread.name for thread in threading.enumerate()]


@pytest.mark.slow
def test_a_run_fed_by_the_host_is_the_same_and_goes_on_with_either_feed(
    tiny_run, tiny_world, monkeypatch, tmp_path
):
    config, expected = tiny_run
    fed = changed(config, {"data.feed": "host"})
    threads = []

    def after_three_dispatches(interrupts):
        threads.append(names_of_threads())
        return len(threads) > 3

    with monkeypatch.context() as patch:
        patch.setattr(Interrupts, "is_set", after_three_dispatches)
        assert not train(fed, tmp_path / "run")
    assert "gan_jax_feed_0" in threads[3]
    assert "gan_jax_feed_0" not in names_of_threads()
    shutil.copytree(tmp_path / "run", tmp_path / "other")

    for each, workdir in ((fed, "run"), (config, "other")):
        assert saved_state(config, tmp_path / workdir, tiny_world.spec).gan.step == 7
        assert train(each, tmp_path / workdir)
        assert_same_run(config, tmp_path / workdir, expected, tiny_world.spec)


@pytest.mark.slow
def test_a_run_interrupted_before_its_first_step_goes_on(
    tiny_run, tiny_world, monkeypatch, tmp_path
):
    config, expected = tiny_run
    with monkeypatch.context() as patch:
        patch.setattr(Interrupts, "is_set", lambda interrupts: True)
        assert not train(config, tmp_path / "run")
    assert saved_state(config, tmp_path / "run", tiny_world.spec).gan.step == 0

    assert train(config, tmp_path / "run")
    assert_same_run(config, tmp_path / "run", expected, tiny_world.spec)


@pytest.mark.slow
def test_two_processes_do_not_train_in_one_folder(run):
    config, workdir = run
    before = {path: path.read_bytes() for path in workdir.glob("*.json*")}

    with locked_workdir(workdir), pytest.raises(BusyError) as caught:
        train(changed(config, {"num_steps": 20}), workdir)

    assert str(caught.value) == f"another process is at the run in {workdir}"
    assert {path: path.read_bytes() for path in workdir.glob("*.json*")} == before
    assert train(config, workdir)


def test_an_interrupt_in_the_last_moments_is_one(run, monkeypatch):
    """A sweep must not go on with its next run."""
    config, workdir = run

    @contextlib.contextmanager
    def interrupted():
        interrupts = Interrupts()
        interrupts._set()
        yield interrupts

    monkeypatch.setattr(TRAIN, "caught_interrupts", interrupted)

    assert not train(config, workdir)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_run_whose_checkpoints_are_gone_is_not_begun_anew(run, left):
    config, workdir = run
    shutil.rmtree(workdir / "checkpoints")
    if left == "an empty folder":
        (workdir / "checkpoints").mkdir()
    before = (workdir / "metrics.jsonl").read_bytes()

    with pytest.raises(
        ConfigError, match="come to step 12, but .*is (empty|missing): put"
    ):
        train(config, workdir)

    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_a_judged_run_had_checkpoints(run):
    """Also if its log is gone too."""
    config, workdir = run
    shutil.rmtree(workdir / "checkpoints")
    (workdir / "metrics.jsonl").unlink()
    (workdir / "evaluation.json").write_text("{}")

    with pytest.raises(ConfigError, match="checkpoints is missing: put it back, or tr"):
        train(config, workdir)


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", ["before the first save", "in the first save"])
def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    tiny_run, tiny_world, tmp_path, killed_at
):
    config, finished = tiny_run
    shutil.copy(finished / "config.json", tmp_path)
    rows = (finished / "metrics.jsonl").read_text().splitlines(keepends=True)
    if killed_at == "in the first save":
        (tmp_path / "checkpoints" / "4.orbax-checkpoint-tmp-1").mkdir(parents=True)
        (tmp_path / "metrics.jsonl").write_text(rows[0])
    else:
        (tmp_path / "metrics.jsonl").write_text(
            rows[0].replace('"step": 4', '"step": 3')
        )

    assert train(config, tmp_path)

    assert_same_run(config, tmp_path, finished, tiny_world.spec)


@pytest.fixture(scope="module")
def first_state(tiny_run, tiny_mnist):
    """The loop's state before the first step of the tiny run."""
    config, _ = tiny_run
    return training.build_training(config, build.build_gan(config, tiny_mnist.spec), 1)[
        1
    ]


@pytest.fixture
def counting(first_state, monkeypatch):
    """Train steps now do nothing but count: each metric of step n is n."""

    @jax.jit
    def run_steps(state, order, data, num_steps):
        step = state.gan.step
        total = (num_steps * (2 * step + num_steps + 1) / 2).astype(jnp.float32)
        return state.replace(
            gan=state.gan.replace(step=step + num_steps),
            metric_sums=jax.tree.map(lambda sums: sums + total, state.metric_sums),
            metric_count=state.metric_count + num_steps,
        ), order

    monkeypatch.setattr(
        training,
        "build_training",
        lambda *args: (run_steps, jax.tree.map(jnp.copy, first_state)),
    )


def means(workdir):
    """{step: the mean number of the steps in its row} of metrics.jsonl."""
    return {row["step"]: row["generator_loss"] for row in logged(workdir)}


def having(workdir, name):
    """The steps whose rows have this metric."""
    return [row["step"] for row in logged(workdir) if name in row]


def test_a_log_that_is_gone_is_told(run, counting, capsys):
    config, workdir = run
    (workdir / "metrics.jsonl").unlink()

    assert train(changed(config, {"num_steps": 16}), workdir)

    path = workdir / "metrics.jsonl"
    assert (
        f"warning: {path} is gone, and with it the scores of earlier checkpoints; it "
        "begins anew after step 12\n"
    ) in capsys.readouterr().out
    # The steps up to 12 were those of the real run.
    assert having(workdir, "step") == [12, 16]
    assert means(workdir)[16] == (13 + 14 + 15 + 16) / 4


LONGER = {"log_every": 3, "sample_every": 5, "checkpoint_every": 8}


@pytest.mark.slow
def test_an_extended_run_is_the_longer_one(tiny_run, tiny_world, tmp_path, capsys):
    """Bit for bit, with a constant learning rate; its end was due for nothing else."""
    config = changed(tiny_run[0], LONGER | {"num_steps": 13})
    longer = changed(config, {"num_steps": 26})
    assert train(config, tmp_path / "extended")
    assert train(longer, tmp_path / "whole")
    capsys.readouterr()

    assert train(longer, tmp_path / "extended")

    output = capsys.readouterr().out
    assert f"Resuming {tmp_path / 'extended'} at step 13 of 26" in output
    assert "learning rates" not in output
    assert_same_run(longer, tmp_path / "extended", tmp_path / "whole", tiny_world.spec)
    values = json.loads((tmp_path / "extended" / "config.json").read_text())
    assert values.pop("history") == [
        {"step": 13, "changed": {"num_steps": [13, 26]}, "steps": [13, 26]}
    ]
    assert values == json.loads((tmp_path / "whole" / "config.json").read_text())
    # The old command asks for less now.
    with pytest.raises(ConfigError, match="can be extended, not shortened"):
        train(config, tmp_path / "extended")


@pytest.mark.slow
def test_an_extended_population_is_the_longer_one(tiny_run, tiny_world, tmp_path):
    fields = LONGER | {"population": 2, "batch_size": 40, "num_steps": 0}
    config = changed(tiny_run[0], fields | {"num_epochs": 1})
    longer = changed(config, {"num_epochs": 2})
    assert train(config, tmp_path / "extended")
    assert train(longer, tmp_path / "extended")
    assert train(longer, tmp_path / "whole")

    assert_same_run(longer, tmp_path / "extended", tmp_path / "whole", tiny_world.spec)


@pytest.mark.slow
def test_the_end_of_a_shorter_run_is_a_step_like_others(
    tiny_run, tiny_world, counting, tmp_path
):
    """Extended in epochs of 66 steps; nothing but the tests was due at step 66."""
    fields = {"num_steps": 0, "log_every": 50, "checkpoint_every": 60}
    config = changed(tiny_run[0], fields | {"num_epochs": 1})
    assert train(config, tmp_path)
    assert means(tmp_path) == {50: 25.5, 60: 55.5, 66: 63.5}
    assert having(tmp_path, "inception_score") == [60, 66]

    assert train(changed(config, {"num_epochs": 2}), tmp_path)

    assert means(tmp_path) == {
        50: 25.5,
        60: 55.5,
        66: 63.5,
        100: (67 + 100) / 2,
        120: 110.5,
        132: (121 + 132) / 2,
    }
    assert having(tmp_path, "inception_score") == [60, 120, 132]
    assert having(tmp_path, "test_generator_loss") == [66, 132]


@pytest.mark.slow
def test_the_best_of_an_extended_run_is_that_of_the_longer_one(
    tiny_run, tiny_world, counting, tmp_path, monkeypatch
):
    """The end of the shorter one was scored just because it was the end."""
    scores = {8: 3.0, 13: 9.0, 16: 1.0, 20: 2.0, 24: 2.5}
    monkeypatch.setattr(
        Judge,
        "score",
        lambda judge, metric, generator, key, **kwargs: scores[generator.step],
    )
    fields = {"checkpoint_every": 8, "checkpoints.keep_latest": 1}
    config = changed(tiny_run[0], fields | {"num_steps": 13})

    assert train(config, tmp_path)
    assert train(changed(config, {"num_steps": 20}), tmp_path)
    assert train(changed(config, {"num_steps": 24}), tmp_path)

    steps = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    assert steps == {8, 24}


@pytest.mark.slow
def test_steps_and_epochs_are_compared_by_the_data(
    tiny_run, tiny_world, counting, tmp_path
):
    """An epoch has 66 steps."""
    rare = {"log_every": 100, "checkpoint_every": 100, "checkpoints.best_metric": ""}
    config = changed(tiny_run[0], rare | {"num_steps": 70})
    assert train(config, tmp_path)

    with pytest.raises(ConfigError, match="num_steps is 66 here, 70 there; a run can"):
        train(changed(config, {"num_steps": 0, "num_epochs": 1}), tmp_path)
    assert train(changed(config, {"num_steps": 0, "num_epochs": 2}), tmp_path)

    assert having(tmp_path, "step")[-1] == 132


@pytest.mark.slow
def test_an_extension_of_a_schedule_is_told_and_marked(
    tiny_run, tiny_world, counting, tmp_path, capsys
):
    config = changed(tiny_run[0], {"generator_optimizer.schedule": "cosine"})
    assert train(config, tmp_path)
    first = logged(tmp_path)
    capsys.readouterr()

    assert train(changed(config, {"num_steps": 20}), tmp_path)
    assert (
        "What changes over training (generator_optimizer.learning_rate) is in steps 1 "
        "to 12 as in a run of 12 steps, from step 13 on as in one of 20: it differs "
        "from a run of that length from step 1 on\n"
    ) in capsys.readouterr().out
    assert train(changed(config, {"num_steps": 24}), tmp_path)

    rows = logged(tmp_path)
    assert [row["step"] for row in rows] == [4, 8, 12, 16, 20, 24]
    assert [row.get("segment") for row in rows] == [None, None, None, 1, 1, 2]
    # The rows of the first segment are as they were, but for what its end alone had.
    without_tests = {
        name: value for name, value in first[2].items() if "test_" not in name
    }
    assert rows[:3] == [*first[:2], without_tests]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sngan_mnist", "r3gan_mnist"])
def test_modern_gans_go_on_bit_for_bit(name, small_config, tiny_world, tmp_path):
    """With vectors of spectral norm, averaged weights, schedules and lazy penalties."""
    fields = {
        "num_steps": 8,
        "log_every": 2,
        "checkpoint_every": 4,
        "sample_every": 8,
        "checkpoints.best_metric": "",
        "checkpoints.keep_latest": 2,
        "augmentations": ("translation", "color", "cutout"),
        "augmentation_probability": 0.5,
    }
    if name == "r3gan_mnist":
        fields["terms.penalty.every"] = 3
    config = small_config(fields, name=name)
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert train(config, whole)
    shutil.copytree(whole, again)
    shutil.rmtree(again / "checkpoints" / "8")

    assert train(config, again)

    assert_same_run(config, again, whole, tiny_world.spec)


@pytest.mark.slow
def test_what_is_logged_may_change_while_a_run_goes_on(
    tiny_run, tiny_world, counting, tmp_path
):
    config = changed(tiny_run[0], {"num_steps": 12})
    fields = {"log_every": 7, "sample_every": 6, "checkpoint_every": 6, "test_every": 5}
    other = changed(config, fields | {"checkpoints.keep_latest": 1, "num_steps": 21})
    assert train(config, tmp_path)

    assert train(other, tmp_path)

    # Rows from before stay as they are; later ones are as the run is now.
    assert means(tmp_path) == {
        4: 2.5,
        8: 6.5,
        12: 10.5,
        14: 13.5,
        15: 15.0,
        18: 17.0,
        20: 19.5,
        21: 21.0,
    }
    assert having(tmp_path, "inception_score") == [4, 8, 12, 18, 21]
    assert having(tmp_path, "test_generator_loss") == [15, 20, 21]
    (entry,) = json.loads((tmp_path / "config.json").read_text())["history"]
    assert entry == {
        "step": 12,
        "changed": {
            "num_steps": [12, 21],
            "log_every": [4, 7],
            "sample_every": [12, 6],
            "checkpoint_every": [4, 6],
            "test_every": [0, 5],
            "checkpoints.keep_latest": [2, 1],
        },
        "steps": [12, 21],
    }


@pytest.mark.slow
def test_a_run_that_was_interrupted_keeps_its_row(
    tiny_run, tiny_world, counting, tmp_path, monkeypatch
):
    """Logged, then saved at an interrupt: also if rows are due elsewhere afterwards."""
    config = changed(tiny_run[0], {"checkpoint_every": 100, "num_steps": 20})
    with monkeypatch.context() as patch:
        # Set after the row of step 8 is written.
        write = MetricLog.write

        def write_and_interrupt(log, step, metrics):
            write(log, step, metrics)
            if step == 8:
                os.kill(os.getpid(), signal.SIGINT)
                while not interrupts[0].is_set():
                    time.sleep(0.01)

        interrupts = []

        @contextlib.contextmanager
        def kept():
            with caught_interrupts() as caught:
                interrupts.append(caught)
                yield caught

        patch.setattr(TRAIN, "caught_interrupts", kept)
        patch.setattr(MetricLog, "write", write_and_interrupt)
        assert not train(config, tmp_path)
    assert means(tmp_path) == {4: 2.5, 8: 6.5}

    assert train(changed(config, {"log_every": 5}), tmp_path)

    assert means(tmp_path) == {4: 2.5, 8: 6.5, 10: 9.5, 15: 13.0, 20: 18.0}
