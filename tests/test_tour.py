"""docs/tour: the notebook is the program beside it, and the program runs."""

import json
import os
import subprocess
import sys

import pytest
from pages import ROOT

PROGRAM = ROOT / "docs" / "tour.py"
# Each value of the program, and one for a test.
TINY = {
    "num_steps = 1_500": "num_steps = 20",
    "sample_every = 500": "sample_every = 10",
    "gan_train_samples = 5_000": "gan_train_samples = 20",
    "num_samples = 2_000": "num_samples = 40",
}


def cells(program: str) -> list[str]:
    """Sources of the cells, as jupytext's percent format has them."""
    sources = []
    for part in program.split("# %%")[1:]:
        kind, _, source = part.partition("\n")
        if kind.strip() == "[markdown]":
            source = "\n".join(line[2:] for line in source.strip().splitlines())
        sources.append(source.strip())
    return sources


def test_the_notebook_has_the_programs_cells():
    notebook = json.loads(PROGRAM.with_suffix(".ipynb").read_text(encoding="utf-8"))

    found = ["".join(cell["source"]) for cell in notebook["cells"]]

    assert found == cells(PROGRAM.read_text(encoding="utf-8"))


def test_the_notebook_ran_to_its_end():
    notebook = json.loads(PROGRAM.with_suffix(".ipynb").read_text(encoding="utf-8"))

    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]

    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [each for each in outputs if each["output_type"] == "error"]
    assert sum("image/png" in each.get("data", {}) for each in outputs) == 4


@pytest.mark.slow
def test_the_program_runs(tmp_path):
    program = PROGRAM.read_text(encoding="utf-8")
    for value, tiny in TINY.items():
        assert value in program
        program = program.replace(value, tiny)

    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        check=True,
    )

    assert (tmp_path / "runs" / "tour" / "export" / "generator.safetensors").exists()
