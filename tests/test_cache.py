"""Where caches lie, and that compiled programs are found there again."""

import os
import pathlib
import subprocess
import sys

import pytest

from gan_jax.cache import cache_dir

# Compiles one program, and says whether JAX found it in the cache.
PROGRAM = """
import jax
from gan_jax.cache import keep_compiled_programs

keep_compiled_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
jax.jit(lambda x: x * 2 + 1)(1.0)
print("/jax/compilation_cache/cache_hits" in hits)
"""


def test_cache_is_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "gan_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "gan_jax"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "cache/gan_jax/programs"),
        ({"JAX_COMPILATION_CACHE_DIR": "{tmp_path}/other"}, "other"),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false"}, None),
    ],
    ids=["default", "another folder", "off"],
)
def test_programs_are_compiled_once(variables, folder, tmp_path):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("JAX_")
    }
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    for name, value in variables.items():
        environment[name] = value.format(tmp_path=tmp_path)

    def run():
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=pathlib.Path(__file__).parents[1],
            env=environment,
            text=True,
            capture_output=True,
            check=True,
        )

    assert run().stdout.strip() == "False"
    second = run()

    assert second.stdout.strip() == str(folder is not None)
    assert not second.stderr
    if folder is None:
        assert not list(tmp_path.rglob("*"))
    else:
        assert any((tmp_path / folder).iterdir())
