"""The benchmark for accelerators, small and on the CPU; it needs no PyTorch."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.slow
def test_every_part_of_the_accelerators_benchmark_measures(tmp_path):
    result = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.gpu", "--small", "--jobs=2"),
            *("--seconds=500", "--configs=mlp_cgan_mnist"),
        ],
        cwd=ROOT,
        env=os.environ | {"OUT": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert {name: part.get("error") for name, part in parts.items()} == dict.fromkeys(
        (
            "peak",
            "steps:mlp_cgan_mnist",
            "numerics:mlp_cgan_mnist",
            "convolutions",
            "population",
        )
    )
    assert min(parts["steps:mlp_cgan_mnist"]["times"]["gan_jax"]) > 0
    errors = parts["numerics:mlp_cgan_mnist"]["errors"]
    # Half precision is coarser, by how much its 16 bits lack.
    for field in ("images", "logits", "discriminator_gradient", "generator_gradient"):
        assert errors["float32 CPU"][field] < 1e-5
        assert 1e-4 < errors["bfloat16"][field] < 0.1
    for text in ("mlp_cgan_mnist", "ms per step", "relative errors", "in turn"):
        assert text in result.stdout
