"""What must hold on an accelerator too.

    JAX_PLATFORMS=cuda,cpu XLA_FLAGS= python -m pytest -m gpu -n 0 tests/test_gpu.py

With JAX_PLATFORMS=cpu it is a rehearsal: the accelerator is the CPU.
"""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from test_configs import EVERY, one_step
from test_main import assert_killed_run_is_the_whole_one

import gan_jax

pytestmark = pytest.mark.gpu

ROOT = pathlib.Path(__file__).parents[1]
# A program that is compiled again must have the same kernels.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"


@pytest.mark.parametrize(("name", "model"), EVERY, ids=str)
def test_one_step_is_that_of_the_cpu(name, model, small_config, tiny_spec):
    with jax.default_matmul_precision("highest"):
        _, after, metrics = one_step(name, model, small_config, tiny_spec)
        with jax.default_device(jax.devices("cpu")[0]):
            _, _, expected = one_step(name, model, small_config, tiny_spec)

    (device,) = after.step.devices()
    assert device.platform == jax.default_backend()
    for metric in expected:
        np.testing.assert_allclose(
            metrics[metric], expected[metric], rtol=1e-3, atol=1e-4, err_msg=metric
        )


def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    assert_killed_run_is_the_whole_one(tmp_path, {"XLA_FLAGS": DETERMINISTIC})


SAMPLE = """
import sys, gan_jax, jax, numpy
images = gan_jax.load_generator(sys.argv[1]).sample(jax.random.key(1), 50)
numpy.save(sys.argv[2], images)
"""


def test_a_machine_without_the_accelerator_generates_the_same_images(
    tiny_run, tmp_path
):
    _, workdir = tiny_run
    file = tmp_path / "images.npy"
    subprocess.run(
        [sys.executable, "-c", SAMPLE, workdir, file],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )

    with jax.default_matmul_precision("highest"):
        here = gan_jax.load_generator(workdir).sample(jax.random.key(1), 50)

    differences = np.abs(here.astype(int) - np.load(file).astype(int))
    # Where a value lies between two of the 256, rounding decides.
    assert differences.max() <= 1 and (differences > 0).mean() < 0.01
