"""Turns the many exceptions of damaged files into one clear error."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gan_jax.data.dataset import DataError


@contextlib.contextmanager
def reading(path: Path, expectation: str) -> Iterator[None]:
    """Raises DataError naming `path` and `expectation` when the block fails."""
    try:
        yield
    except DataError:
        raise
    # Decoders of damaged bytes raise almost anything: OSError, EOFError, zlib.error,
    # struct.error, KeyError, UnpicklingError, even MemoryError for an absurd size.
    except Exception as error:
        raise DataError(
            f"{path}: expected {expectation}; {type(error).__name__}: {error}"
        ) from error
