"""Where judges and compiled programs are kept between runs."""

import os
import pathlib

import jax

from gan_jax.paths import local_path

# Of programs that took less to compile, reading and writing would be no gain.
_MIN_COMPILE_SECONDS = 0.5


def cache_dir() -> pathlib.Path:
    """`gan_jax` in $XDG_CACHE_HOME, or else in ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return local_path(root, "XDG_CACHE_HOME") / "gan_jax"


def keep_compiled_programs() -> None:
    """Keeps what XLA compiles in `programs` in `cache_dir()`, for later processes.

    Unless JAX has been told otherwise: $JAX_COMPILATION_CACHE_DIR is another folder,
    and $JAX_ENABLE_COMPILATION_CACHE=false keeps nothing. To be called before anything
    is compiled. Programs are found again by a hash of themselves, of the compiler's
    version and of its options, so that results are the same; a folder that cannot be
    written costs a warning of JAX's and no more. Nothing is ever deleted.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "programs"))
    jax.config.update(
        "jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS
    )
