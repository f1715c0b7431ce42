"""A console that cannot end a training run."""

import codecs
import os
import sys
from typing import Any, TextIO

# For terminals and files without Unicode.
_PLAIN = {"±": "+-", "×": "x"}


def make_steadfast() -> None:
    """Lets the program go on when its console fails.

    Output after a broken pipe (`| head`), a hang-up or a full disk is dropped.
    Characters that the console's encoding lacks are replaced.
    """
    codecs.register_error("gan_jax.plain", _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="gan_jax.plain")
        setattr(sys, name, _Steadfast(stream))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


class _Steadfast:
    """A text stream that swallows what it cannot write."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Sends the rest, and what others write to this file, nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
