"""Ctrl-C and SIGTERM: answered at once, also while the device is at work.

Python runs signal handlers between its own instructions, which can be minutes apart
while XLA computes. A thread waits for the signals' numbers instead.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# Whether the second signal ends the process at once, even where Python cannot: right
# for a program, wrong for a notebook that calls it.
_ends_process = False


def let_second_signal_end_process() -> None:
    """For programs: from now on the second signal does not wait for the device."""
    global _ends_process
    _ends_process = True


class Interrupts:
    """Whether the first signal has come, and what must be finished first."""

    def __init__(self):
        self._event = threading.Event()
        self._doing = "the steps in progress"

    def is_set(self) -> bool:
        return self._event.is_set()

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Names what would have to be finished first."""
        before, self._doing = self._doing, what
        try:
            yield
        finally:
            self._doing = before

    def _set(self) -> None:
        self._event.set()
        print(
            f"Interrupted: finishing {self._doing}, then saving; once more to end "
            "unsaved.",
            flush=True,
        )


@contextlib.contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """The first SIGINT, SIGTERM or SIGHUP of the block sets what it yields.

    The second one acts as usual. Signals that are ignored (SIGHUP after nohup) stay so.
    """
    interrupts = Interrupts()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with _watched(numbers, lambda number, frame: None, interrupts._set):
        yield interrupts


@contextlib.contextmanager
def announced_interrupts() -> Iterator[None]:
    """The first SIGINT of the block is told at once; then it acts as usual."""

    def tell() -> None:
        print("Interrupted: waiting for the device; once more to end.", flush=True)

    with _watched((signal.SIGINT,), signal.default_int_handler, tell):
        yield


@contextlib.contextmanager
def _watched(
    numbers: tuple[int, ...], handler: Callable, answer: Callable[[], None]
) -> Iterator[None]:
    """Calls `answer` at the first of these signals; the second one acts as usual.

    `handler` is what Python calls for the first one, as soon as it can.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only.
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def watch() -> None:
        answered = False
        while received := reader.recv(64):
            for number in received:
                if number not in previous:
                    continue
                if answered and _ends_process:
                    os._exit(128 + number)
                if answered:
                    continue
                answered = True
                answer()

    def handle(number: int, frame: FrameType | None) -> None:
        for each, before in previous.items():
            signal.signal(each, before)
        handler(number, frame)

    previous = {
        number: signal.getsignal(number)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, old_handler in previous.items():
            signal.signal(number, old_handler)
        signal.set_wakeup_fd(descriptor)
        writer.close()
        watcher.join()
        reader.close()
