"""The package as pip installs it from a checkout."""

import subprocess
import sys

import pytest

# A program.
pytestmark = pytest.mark.slow


def test_import_from_the_folder_that_holds_the_checkout(tmp_path):
    """Where a notebook is started: its gan_jax/ is the checkout, not the package."""
    (tmp_path / "gan_jax").mkdir()

    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import gan_jax; print(gan_jax.load_generator.__name__)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert (found.stdout, found.stderr) == ("load_generator\n", "")
