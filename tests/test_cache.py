"""Where caches lie, and that compiled programs are kept there."""

import jax
import jax.numpy as jnp
import pytest

from gan_jax.cache import cache_dir, keep_compiled_programs

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture(autouse=True)
def settings():
    """JAX's settings as they were, afterwards."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_cache_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "gan_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "gan_jax"


@pytest.mark.parametrize(
    ("given", "already", "expected"),
    [
        ("chosen", None, "chosen"),
        ("chosen", "other", "chosen"),
        (None, "other", "other"),
        (None, None, "cache/gan_jax/programs"),
    ],
)
def test_folder_of_programs(given, already, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    already = already and str(tmp_path / already)
    jax.config.update("jax_compilation_cache_dir", already)

    keep_compiled_programs(given and str(tmp_path / given))

    assert jax.config.jax_enable_compilation_cache
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / expected)


def test_nothing_is_kept_if_told_so():
    keep_compiled_programs("")

    assert not jax.config.jax_enable_compilation_cache
    assert jax.jit(lambda x: x + 1)(jnp.float32(1)) == 2
