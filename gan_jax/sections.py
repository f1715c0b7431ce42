"""Sections of a config that stand for a component: its `name`, and its fields.

Fields and their defaults stand once, in the component's dataclass.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from gan_jax.names import lookup
from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.objective import GAMES, TERMS
from gan_jax.schedules import Schedule

# Where the components of a section are listed; each of `terms` has its own section.
_TABLES: dict[str, Mapping[str, type]] = {
    "generator": GENERATORS,
    "discriminator": DISCRIMINATORS,
    "loss": GAMES,
}


def generator(name: str, **values: Any) -> ConfigDict:
    """The section `generator` of a network, with other values than its defaults."""
    return section(GENERATORS, name, **values)


def discriminator(name: str, **values: Any) -> ConfigDict:
    """The section `discriminator` of a network, likewise."""
    return section(DISCRIMINATORS, name, **values)


def game(name: str, **values: Any) -> ConfigDict:
    """The section `loss` of a game, with other values than its defaults."""
    return section(GAMES, name, **values)


def term(name: str, **values: Any) -> ConfigDict:
    """A section of `terms`, with other values than its defaults."""
    return section(TERMS, name, **values)


def schedule(end: float, **values: Any) -> ConfigDict:
    """A section of `schedules`: see `schedules.Schedule` for its fields."""
    return ConfigDict(dataclasses.asdict(Schedule(float(end), **values)))


def section(known: Mapping[str, type], name: str, **values: Any) -> ConfigDict:
    """A component's section, with other values than its defaults.

    Raises:
      ValueError: there is no such component, or it has no such field.
    """
    fields = defaults(lookup(name, known))
    for field, value in values.items():
        if field not in fields:
            raise ValueError(f"{name} has no field {field!r}; it has {list(fields)}")
        # Later values must have the type of this one.
        is_float = isinstance(fields[field], float) and isinstance(value, int)
        fields[field] = float(value) if is_float else value
    return ConfigDict({"name": name} | fields)


def defaults(component: type) -> dict[str, Any]:
    """What a config may set of a component, and its defaults."""
    given = getattr(component, "GIVEN", ())  # by the data set, not by the config
    return {
        field.name: field.default
        for field in dataclasses.fields(component)
        if field.init and field.name not in given
    }


def table_of(section_name: str) -> Mapping[str, type] | None:
    """The components that a section of the config may name; None if it has none."""
    if section_name.startswith("terms."):
        return TERMS
    return _TABLES.get(section_name)


def choose(config: ConfigDict, section_name: str, name: str) -> None:
    """Puts another component in a section; fields that both have keep their values.

    But for a way of conditioning that the new network cannot do.

    Raises:
      ValueError: there is no such component.
    """
    *path, last = section_name.split(".")
    for part in path:
        config = config[part]
    known = table_of(section_name)
    new = section(known, name)
    old = config.get(last, ConfigDict())
    conditionings = getattr(lookup(name, known), "CONDITIONINGS", ())
    for field in new:
        if field == "name" or type(old.get(field)) is not type(new[field]):
            continue
        if field == "conditioning" and old[field] not in conditionings:
            continue
        new[field] = old[field]
    with config.unlocked(), config.ignore_type():
        config[last] = new
