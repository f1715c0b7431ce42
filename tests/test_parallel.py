"""Training on several devices gives what one device gives."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import parallel
from gan_jax.build import ConfigError, build_devices
from gan_jax.checks import check_config
from gan_jax.networks.dcgan import DCGANDiscriminator
from gan_jax.parallel import Devices, MappedDevices, batch_devices
from gan_jax.report.metric_log import read_metrics

ROOT = pathlib.Path(__file__).parents[1]
# Nothing is drawn inside the networks: pmap would draw it otherwise.
NO_DROPOUT = {"generator.dropout_rate": 0.0, "discriminator.dropout_rate": 0.0}
# Adam makes whole steps of gradients that are nothing but rounding, such as that of a
# critic's last bias; and in VT-GAN rounding grows to 1e-3 with larger steps, see below.
SGD = {
    f"{player}_optimizer.{field}": value
    for player in ("generator", "discriminator")
    for field, value in (
        ("name", "sgd"),
        ("learning_rate", 1e-5),
        ("arguments.b1", None),
        ("arguments.b2", None),
    )
}
SMALL_MLP = NO_DROPOUT | {
    "generator.hidden_sizes": [16],
    "generator.label_width": 5,
    "discriminator.hidden_sizes": [14],
    "discriminator.label_width": 4,
    "terms.r1_penalty.gamma": 0.5,
}
SMALL_DCGAN = NO_DROPOUT | {
    "generator.projection_filters": 6,
    "generator.filters": [5, 4],
    "generator.kernel_size": 3,
    "generator.dense_sizes": [12],
    "generator.reference_examples": 6,
    "discriminator.filters": [3, 4, 5],
    "discriminator.kernel_sizes": [3, 3, 3],
    "discriminator.reference_examples": 6,
}
SMALL_VTGAN = NO_DROPOUT | {
    "generator.projection_filters": 8,
    "generator.filters": [6, 5, 4],
    "generator.kernel_size": 3,
    "discriminator.filters": [3, 3, 4, 4, 5, 5],
    "discriminator.kernel_sizes": [3] * 6,
}

SMALL_SNGAN = NO_DROPOUT | {
    "generator.projection_filters": 4,
    "generator.filters": [4, 3],
    "discriminator.filters": [3, 4, 4, 5],
    "discriminator.dense_sizes": [6],
}
SMALL_R3GAN = {
    "generator.widths": [6, 4, 3],
    "discriminator.widths": [3, 4, 6],
    "generator.embedding_size": 5,
    "discriminator.embedding_size": 5,
    "terms.penalty.every": 2,
}


def differences(config, num_steps, batch_size, fields, *spreads):
    """{spread: largest difference from one device}, found by another program."""
    command = [sys.executable, "tests/spread_training.py", config, str(num_steps)]
    command += [str(batch_size), json.dumps(fields), *spreads]
    # As users' programs are compiled.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.slow
def test_four_devices_train_as_one():
    """Batch norm, R1, label smoothing, two discriminator updates a step."""
    found = differences(
        "mlp_cgan_mnist", 20, 12, SMALL_MLP, "jit:4", "pmap:4", "population:4"
    )

    assert set(found) == {"jit:4", "pmap:4", "population:4"}
    assert max(found.values()) < 1e-5


@pytest.mark.slow
def test_four_devices_fed_by_their_host_train_as_one():
    fields = SMALL_MLP | {"data.feed": "host"}
    fed = differences("mlp_cgan_mnist", 20, 12, fields, "jit:4", "pmap:4")
    resident = differences("mlp_cgan_mnist", 20, 12, SMALL_MLP, "jit:4", "pmap:4")

    assert max(fed.values()) < 1e-5
    assert fed == resident  # to the bit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "num_steps", "batch_size", "fields"),
    [
        ("mlp_cgan_mnist", 50, 12, SMALL_MLP),
        (
            "mlp_cgan_mnist",
            50,
            12,
            SMALL_MLP | {"d_steps": 1, "simultaneous_updates": True},
        ),
        ("dcgan_mnist", 50, 12, SMALL_DCGAN),
        (
            "dcgan_mnist",
            50,
            12,
            SMALL_DCGAN | SGD | {"modes.discriminator_in_generator_step": "train"},
        ),
        ("dcgan_vbn_mnist", 50, 12, SMALL_DCGAN),
        ("wgan_gp_mnist", 10, 12, NO_DROPOUT | SGD),
        ("vtgan_cifar", 50, 20, SMALL_VTGAN | SGD),
        ("sngan_mnist", 20, 12, SMALL_SNGAN | SGD),
        ("r3gan_mnist", 20, 12, SMALL_R3GAN),
    ],
)
def test_devices_train_as_one_in_every_system(config, num_steps, batch_size, fields):
    spreads = ["jit:2", "jit:4", "pmap:2", "pmap:4"]
    found = differences(config, num_steps, batch_size, fields, *spreads)

    assert set(found) == set(spreads)
    assert max(found.values()) < 1e-5, found


@pytest.mark.slow
def test_devices_differ_by_rounding_where_training_magnifies_it():
    """VT-GAN with its own Adam: some of its gradients jump, as |x|'s does at 0."""
    spreads = ["jit:2", "jit:4", "pmap:2", "pmap:4"]
    roundings = ["perturbed:0", "perturbed:1", "perturbed:2"]
    found = differences("vtgan_cifar", 50, 20, SMALL_VTGAN, *roundings, *spreads)

    assert set(found) == {*roundings, *spreads}
    of_rounding = max(found[name] for name in roundings)
    assert max(found[name] for name in spreads) < 3 * of_rounding, found


def free_port():
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return taken.getsockname()[1]


def processes(number, workdir, *arguments, num_devices=1):
    """A run of so many processes on this machine, started."""
    together = []
    if number > 1:
        together = [
            "--distributed",
            f"--coordinator=localhost:{free_port()}",
            f"--num_processes={number}",
        ]
    return [
        subprocess.Popen(
            [
                sys.executable,
                "main.py",
                "--config=configs/mlp_cgan_mnist.py",
                f"--workdir={workdir}",
                *arguments,
                *together,
                *([f"--process_id={process}"] if together else []),
            ],
            cwd=ROOT,
            env={**os.environ, "JAX_NUM_CPU_DEVICES": str(num_devices)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(number)
    ]


def finish(run):
    """Waits for the processes of a run; returns what each has printed."""
    outputs = []
    for process in run:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stderr
        outputs.append(stdout)
    return outputs


def kill_at_checkpoint(run, workdir, step):
    """Kills all processes of a run once it has saved that step."""
    while not (workdir / "checkpoints" / str(step)).exists():
        assert all(process.poll() is None for process in run)
        time.sleep(0.05)
    for process in run:
        process.kill()
    for process in run:
        process.communicate()
    assert not (workdir / "checkpoints" / "400").exists()  # the last step


ARGUMENTS = [
    "--config.data.source=embedded",
    "--config.generator.hidden_sizes=(16,)",
    "--config.generator.label_width=4",
    "--config.discriminator.hidden_sizes=(16,)",
    "--config.discriminator.label_width=4",
    "--config.steps_per_dispatch=5",
    "--config.log_every=10",
    "--config.eval.num_samples=100",
    "--config.eval.num_runs=2",
    "--config.eval.scores=('gan_test',)",
    "--config.checkpoints.best_metric=gan_test",
    "--config.checkpoints.best_num_samples=100",
    "--config.num_steps=400",
    "--config.checkpoint_every=100",
]


def metrics_of(workdir):
    return [
        {name: value for name, value in row.items() if "second" not in name}
        for row in read_metrics(workdir)
    ]


def assert_same_run(workdir, expected_workdir, first_steps):
    """Of the same steps, the first with the same metrics: rounding grows later."""
    given, expected = metrics_of(workdir), metrics_of(expected_workdir)
    assert [row["step"] for row in given] == [row["step"] for row in expected]
    for row, expected_row in zip(given, expected, strict=True):
        if row["step"] <= first_steps:
            assert row == pytest.approx(expected_row, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("feed", ["device", "host"])
def test_two_processes_killed_and_resumed_train_as_one(tmp_path, feed):
    finish(processes(1, tmp_path / "one", *ARGUMENTS))
    arguments = (*ARGUMENTS, f"--config.data.feed={feed}")
    pair = processes(2, tmp_path / "two", *arguments)
    kill_at_checkpoint(pair, tmp_path / "two", 100)

    main, other = finish(processes(2, tmp_path / "two", *arguments))

    assert "Resuming" in main and "2 x cpu" in main
    assert "GAN-test" in main and "GAN-test" not in other
    assert_same_run(tmp_path / "two", tmp_path / "one", first_steps=50)
    scored = [row["step"] for row in metrics_of(tmp_path / "two") if "gan_test" in row]
    assert scored == [100, 200, 300, 400]


@pytest.mark.slow
def test_a_run_begun_on_two_devices_goes_on_with_four(tmp_path):
    # Small steps, lest rounding grow before the resumption.
    arguments = [
        *ARGUMENTS,
        "--config.generator_optimizer.learning_rate=1e-5",
        "--config.discriminator_optimizer.learning_rate=1e-5",
        "--config.generator.dropout_rate=0.0",
        "--config.discriminator.dropout_rate=0.0",
    ]
    finish(processes(1, tmp_path / "one", *arguments))
    begun = processes(1, tmp_path / "more", *arguments, num_devices=2)
    kill_at_checkpoint(begun, tmp_path / "more", 100)

    (output,) = finish(processes(1, tmp_path / "more", *arguments, num_devices=4))

    assert "Resuming" in output and "4 x cpu" in output
    assert_same_run(tmp_path / "more", tmp_path / "one", first_steps=400)


@pytest.mark.slow
def test_parts_see_the_whole_batch_and_the_reference_once():
    """Minibatch discrimination with virtual batch norm, on four parts of two."""
    whole = DCGANDiscriminator(
        image_shape=(8, 8, 1),
        filters=(2, 3),
        kernel_sizes=(3, 3),
        strides=(2, 2),
        norm_layers=(True, True),
        pool_layers=(False, False),
        norm="virtual",
        reference_examples=3,
        minibatch_kernels=4,
        kernel_init="xavier_uniform",
    )
    images = jax.random.normal(jax.random.key(0), (8, 8, 8, 1))
    variables = whole.init(jax.random.key(1), images, None, train=False)
    variables["reference"] = {
        "inputs": jax.random.normal(jax.random.key(2), (3, 8, 8, 1))
    }
    part = whole.clone(axis_name="batch")

    logits = jax.vmap(
        lambda images: part.apply(variables, images, None, train=False).logits,
        axis_name="batch",
    )(images.reshape(4, 2, 8, 8, 1))

    expected = whole.apply(variables, images, None, train=False).logits
    np.testing.assert_allclose(logits.reshape(-1), expected, atol=1e-5)


def test_batches_that_do_not_divide_are_refused(small_config, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [object()] * 8)

    with pytest.raises(ConfigError, match=r"batch_size is 100.*8 devices.*96 or 104"):
        build_devices(small_config({"batch_size": 100}))
    with pytest.raises(ConfigError, match=r"batch_size is 6.*: 8 they can"):
        build_devices(small_config({"batch_size": 6}))
    with pytest.raises(ConfigError, match=r"population is 3.*leave config.parallel"):
        check_config(small_config({"population": 3, "parallel": "pmap"}))


def test_one_device_needs_no_mesh():
    assert batch_devices("jit", 7) == Devices() == batch_devices("pmap", 7)
    assert parallel.any_process(True) and not parallel.any_process(False)
    assert parallel.of_main(0.1) == 0.1 and parallel.is_main()


def test_what_is_drawn_is_drawn_for_the_whole_batch():
    """Each mapped device has its rows of the draw that one device would have."""

    def uniform(key, size):
        return jax.random.uniform(key, (size, 3))

    key = jax.random.key(3)
    whole = uniform(key, 8)
    mapped = MappedDevices(4, "batch", mesh=None)
    parts = jax.vmap(lambda number: mapped.draw(uniform, key, 2), axis_name="batch")(
        jnp.arange(4)
    )
    np.testing.assert_array_equal(parts.reshape(8, 3), whole)
