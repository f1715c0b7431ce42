"""Generative adversarial networks for small images, in JAX, Flax and optax."""

import importlib
import sys
from types import ModuleType  # not `import types`: gan_jax.types takes that name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax.evaluate import evaluate_run as evaluate
    from gan_jax.export import export
    from gan_jax.generator import Generator, load_generator
    from gan_jax.score import score_images as score
    from gan_jax.train import train

__all__ = ["Generator", "evaluate", "export", "load_generator", "score", "train"]

_HOMES = {
    "Generator": ("gan_jax.generator", "Generator"),
    "evaluate": ("gan_jax.evaluate", "evaluate_run"),
    "export": ("gan_jax.export", "export"),
    "load_generator": ("gan_jax.generator", "load_generator"),
    "score": ("gan_jax.score", "score_images"),
    "train": ("gan_jax.train", "train"),
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `import gan_jax` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


class _Package(ModuleType):
    """Keeps the functions of these names in front of their modules.

    Whoever imports gan_jax.train has Python set gan_jax's attribute of that name.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
