"""Where judges and compiled programs are kept between runs."""

import os
import pathlib

import jax

# Of programs that took less to compile, reading and writing would be no gain.
_MIN_COMPILE_SECONDS = 0.5


def cache_dir() -> pathlib.Path:
    """`gan_jax` in $XDG_CACHE_HOME, or else in ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "gan_jax"


def keep_compiled_programs(directory: str | None) -> None:
    """Keeps what XLA compiles in files, for later processes.

    Programs are found again by a hash of themselves, of the compiler's version and of
    its options, so that results are the same. To be called before the first is
    compiled. A folder that cannot be written costs a warning of JAX's and no more.

    Args:
      directory: the folder; '' keeps nothing; None takes JAX's own setting
        ($JAX_COMPILATION_CACHE_DIR), or else `programs` in `cache_dir()`.
    """
    if directory == "":
        jax.config.update("jax_enable_compilation_cache", False)
    elif directory is not None or not jax.config.jax_compilation_cache_dir:
        folder = cache_dir() / "programs" if directory is None else directory
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update(
            "jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS
        )
