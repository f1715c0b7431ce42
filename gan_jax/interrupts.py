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


class Interrupts:
    """Whether the first signal has come, and what is in progress until it has effect.

    The second one ends the process on the spot.
    """

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
            f"Interrupted: finishing {self._doing}, then saving; once more to end at "
            "once, unsaved.",
            flush=True,
        )


@contextlib.contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """The first SIGINT or SIGTERM of the block sets what it yields."""
    interrupts = Interrupts()
    numbers = (signal.SIGINT, signal.SIGTERM)
    with _watched(numbers, lambda number, frame: None, interrupts._set):
        yield interrupts


@contextlib.contextmanager
def announced_interrupts() -> Iterator[None]:
    """The first SIGINT of the block is told at once; then it acts as usual."""

    def tell() -> None:
        print(
            "Interrupted: waiting for the device; once more to end at once.", flush=True
        )

    with _watched((signal.SIGINT,), signal.default_int_handler, tell):
        yield


@contextlib.contextmanager
def _watched(
    numbers: tuple[int, ...], handler: Callable, answer: Callable[[], None]
) -> Iterator[None]:
    """Calls `answer` at the first of these signals and ends the process at the second.

    `handler` is what Python calls for them, as soon as it can.
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
                if number not in numbers:
                    continue
                if answered:
                    os._exit(128 + number)
                answered = True
                answer()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old_handler in previous.items():
            signal.signal(number, old_handler)
        signal.set_wakeup_fd(descriptor)
        writer.close()
        watcher.join()
        reader.close()
