"""Named streams of random numbers: every key has a name and one use."""

import zlib

import jax

_ROOTS = (
    "init",
    "data",
    "train",
    "samples",
    "selection",
    "gan_test",
    "gan_train",
    "reference",
    "test",
    "further_gan_train",
)


def root_keys(seed: int) -> dict[str, jax.Array]:
    """The named roots of everything random in a run."""
    return named_keys(jax.random.key(seed), *_ROOTS)


def named_keys(key: jax.Array, *names: str) -> dict[str, jax.Array]:
    """Independent keys, one for each name; they depend on the order of the names."""
    return dict(zip(names, jax.random.split(key, len(names)), strict=True))


def stream(key: jax.Array, name: str) -> jax.Array:
    """The key of a name, which depends on no other name in use."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
