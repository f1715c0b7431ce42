"""A console that fails does not end the program."""

import pathlib
import subprocess
import sys

import pytest

# Programs.
pytestmark = pytest.mark.slow

MODULE = pathlib.Path(__file__).parents[1] / "gan_jax" / "console.py"
# Without the package, whose imports take longer than the test.
BEGIN = f"""
import runpy, sys

runpy.run_path({str(MODULE)!r})["make_steadfast"]()
"""
PROGRAM = f"""{BEGIN}
print("first", flush=True)
for line in range(20000):
    print("some text, again and again")
print("error output goes on", file=sys.stderr)
sys.exit(7)
"""


def test_a_closed_pipe():
    """As of `| head -1`."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout.readline() == "first\n"
        program.stdout.close()

        assert program.stderr.read() == "error output goes on\n"
        assert program.wait() == 7


def test_a_full_disk():
    with open("/dev/full", "w") as full:
        program = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert program.stderr == "error output goes on\n"
    assert program.returncode == 7


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", b"9.37 +- 0.07, 2 x cpu, ?"), ("utf-8", "9.37 ± 0.07, 2 × cpu, é")],
)
def test_characters_that_the_console_lacks(encoding, expected):
    program = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}\nprint('9.37 ± 0.07, 2 × cpu, é')"],
        env={"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )

    if isinstance(expected, str):
        expected = expected.encode()
    assert program.stdout == expected + b"\n"
