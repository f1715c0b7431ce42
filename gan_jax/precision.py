"""64-bit mode (`JAX_ENABLE_X64`), in which other people's programs may call us."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")


def in_32_bits(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function compute in JAX's 32-bit types, whatever mode its caller is in.

    For functions that are never traced. What may be called inside somebody's jit names
    its types instead.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(False):
            return function(*args, **kwargs)

    return wrapper
