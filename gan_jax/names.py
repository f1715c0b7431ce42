"""Names in configs: of the package's own objects, or `package.module:attribute`."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import Any


def lookup(name: str, known: Mapping[str, Any]) -> Any:
    """What a name stands for: an entry of `known`, or an attribute of a module.

    `package.module:attribute` is imported from the Python path, so that an object of
    a user's own file can stand wherever a name can.

    Raises:
      ValueError: the name is unknown (the message lists the known ones), or the module
        cannot be imported or lacks the attribute, or the attribute is of another kind
        than the known ones.
    """
    if not isinstance(name, str) or ":" not in name:
        if name in known:
            return known[name]
        names = ", ".join(repr(each) for each in known)
        raise ValueError(f"is {name!r}; known: {names}, or package.module:attribute")
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(
            f"is {name!r}, but {module_name} cannot be imported ({error}); it must be "
            "on the Python path (PYTHONPATH) or beside the config file"
        ) from error
    if not hasattr(module, attribute):
        raise ValueError(f"is {name!r}, but {module.__file__} has no {attribute!r}")
    found = getattr(module, attribute)
    if problem := _other_kind(found, list(known.values())):
        raise ValueError(f"is {name!r}, which is {problem}")
    return found


def _other_kind(found: Any, examples: Sequence[Any]) -> str:
    """What an object lacks of a kind that all examples are of; '' if nothing."""
    if not examples:
        return ""
    if all(map(_is_component, examples)):
        return "" if _is_component(found) else "no dataclass"
    if all(map(callable, examples)):
        return "" if callable(found) else "no function"
    kind = type(examples[0])
    if kind is type(None) or any(type(each) is not kind for each in examples):
        return ""
    return "" if isinstance(found, kind) else f"no {kind.__name__}"


def _is_component(value: Any) -> bool:
    return isinstance(value, type) and dataclasses.is_dataclass(value)
