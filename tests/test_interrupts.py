"""Signals are answered at once, the second one ends the process."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

# Programs and signals.
pytestmark = pytest.mark.slow

MODULE = pathlib.Path(__file__).parents[1] / "gan_jax" / "interrupts.py"
# Without the package, whose imports take longer than the test. As XLA does, `work`
# computes for seconds, lets other threads go on and looks at no signals.
PROGRAM = f"""
import hashlib, runpy, signal, threading

globals().update(runpy.run_path({str(MODULE)!r}))

def work(seconds):
    print("working", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", seconds * 1_500_000)
"""
CAUGHT = """
with caught_interrupts() as interrupts:
    with interrupts.during("the judge's training"):
        work(SECONDS)
    print("then", interrupts.is_set())
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
ANNOUNCED = """
try:
    with announced_interrupts():
        work(SECONDS)
        print("not reached")
except KeyboardInterrupt:
    print("stopped")
"""
FINISHING = (
    "Interrupted: finishing the judge's training, then saving; once more to end "
    "unsaved.\n"
)
WAITING = "Interrupted: waiting for the device; once more to end.\n"


@pytest.fixture
def start():
    """start(code, seconds of work) -> a program that is at work."""
    running = []

    def start(code, seconds):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM + code.replace("SECONDS", str(seconds))],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(program)
        assert program.stdout.readline() == "working\n"
        return program

    yield start
    for program in running:
        program.kill()
        program.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_finished_first_is_told_at_once(start, number):
    program = start(CAUGHT, 2)
    sent = time.monotonic()

    program.send_signal(number)

    assert program.stdout.readline() == FINISHING
    assert time.monotonic() - sent < 1
    assert program.stdout.read() == "then True\nTrue\n"
    assert program.wait() == 0


def test_the_second_signal_ends_a_program_at_once(start):
    program = start("let_second_signal_end_process()\n" + CAUGHT, 60)
    program.send_signal(signal.SIGINT)
    assert program.stdout.readline() == FINISHING

    program.send_signal(signal.SIGINT)

    assert program.wait(timeout=5) == 128 + signal.SIGINT
    assert program.stdout.read() == ""


def test_the_second_signal_acts_as_usual_in_somebodys_process(start):
    program = start(CAUGHT.replace("SECONDS", "1") + "print('not reached')", 1)
    program.send_signal(signal.SIGINT)
    assert program.stdout.readline() == FINISHING
    time.sleep(0.1)

    program.send_signal(signal.SIGINT)

    output = program.stdout.read()
    assert program.wait() != 0 or "then True" in output


def test_an_interrupt_that_ends_is_announced(start):
    program = start(ANNOUNCED, 1)

    program.send_signal(signal.SIGINT)

    assert program.stdout.read() == f"{WAITING}stopped\n"
    assert program.wait() == 0


def test_outside_the_main_thread_nothing_is_caught():
    code = """
def train():
    with caught_interrupts() as interrupts:
        print(interrupts.is_set())

thread = threading.Thread(target=train)
thread.start()
thread.join()
"""
    output = subprocess.check_output([sys.executable, "-c", PROGRAM + code], text=True)

    assert output == "False\n"
