"""optax's optimisers by name, with a schedule and weight clipping."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.names import lookup
from gan_jax.schedules import Schedule

SCHEDULES = {
    "constant": lambda learning_rate, num_steps: learning_rate,
    "cosine": optax.cosine_decay_schedule,
    "linear": lambda learning_rate, num_steps: optax.linear_schedule(
        learning_rate, 0.0, num_steps
    ),
}
# Ends of the ranges of optax's arguments by name; the upper one is no value itself.
_ARGUMENT_RANGES = dict.fromkeys(("b1", "b2", "b3", "decay", "momentum"), (0, 1)) | (
    dict.fromkeys(
        ("eps", "eps_root", "weight_decay", "initial_accumulator_value"), (0, math.inf)
    )
)


def make_optimizer(
    name: str,
    *,
    learning_rate: float,
    schedule: str,
    arguments: Mapping[str, Any],
    weight_clip: float,
    num_updates: int,
    schedules: Mapping[str, Schedule] | None = None,
) -> optax.GradientTransformation:
    """An optimiser of optax, or `package.module:attribute` of the same interface.

    Args:
      learning_rate: at the start, > 0.
      schedule: of the learning rate, one of SCHEDULES.
      arguments: further ones of the optimiser; None leaves one at its default.
      weight_clip: c > 0 keeps all parameters in [-c, c], see `clip_weights`; 0: not.
      num_updates: of the whole run, over which a schedule decays.
      schedules: others, of `learning_rate` or of `arguments.NAME`.

    Raises:
      ValueError("field ..."): a value that cannot be used.
    """
    factory = lookup(name, vars(optax)) if ":" in name else getattr(optax, name, None)
    parameters = inspect.signature(factory).parameters if callable(factory) else {}
    if "learning_rate" not in parameters:
        raise ValueError(f"name is {name!r}, which is no optimiser of optax")
    if learning_rate <= 0:
        raise ValueError(f"learning_rate is {learning_rate}; it must be > 0")
    if weight_clip < 0:
        raise ValueError(f"weight_clip is {weight_clip}; it must be >= 0")
    try:
        make_schedule = lookup(schedule, SCHEDULES)
    except ValueError as error:
        raise ValueError(f"schedule {error}") from None
    arguments = {
        field: value for field, value in arguments.items() if value is not None
    }
    known = {field: parameters[field] for field in parameters}
    del known["learning_rate"]
    unknown = [field for field in arguments if field not in known]
    if unknown:
        raise ValueError(
            f"arguments has {', '.join(unknown)}, which optax.{name} does not take (it "
            f"takes {', '.join(known)}); None leaves an argument out"
        )
    for field, value in arguments.items():
        _check_argument(field, value, known[field].default)
    values = {"learning_rate": make_schedule(learning_rate, num_updates), **arguments}
    for field, scheduled in (schedules or {}).items():
        argument = field.removeprefix("arguments.")
        start = learning_rate if field == "learning_rate" else arguments.get(argument)
        if start is None:
            raise ValueError(f"{field} has a schedule, but no value to start from")
        if field == "learning_rate" and schedule != "constant":
            raise ValueError(
                f"schedule is {schedule!r}, but schedules has the learning rate too"
            )
        if field != "learning_rate":
            _check_argument(argument, scheduled.end, known[argument].default)
        values[argument] = _of_updates(scheduled, start, num_updates)
    # What changes besides the learning rate is no matter of optax's optimisers.
    if set(schedules or {}) - {"learning_rate"}:
        constant = [field for field in known if not callable(values.get(field))]
        factory = optax.inject_hyperparams(factory, static_args=constant)
    try:
        optimizer = factory(**values)
        # What cannot be used must not show hours later.
        params = {"kernel": jax.ShapeDtypeStruct((2, 2), jnp.float32)}
        jax.eval_shape(
            lambda params: optimizer.update(params, optimizer.init(params), params),
            params,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be used: optax.{name}: {error}") from error
    return (
        optax.chain(optimizer, clip_weights(weight_clip)) if weight_clip else optimizer
    )


def _of_updates(
    schedule: Schedule, start: float, num_updates: int
) -> Callable[[jax.Array], jax.Array]:
    """A schedule as optax takes them, of the number of updates."""
    return lambda count: schedule(start, count.astype(jnp.float32) / num_updates)


def clip_weights(limit: float) -> optax.GradientTransformation:
    """Cuts updates so that updated parameters lie in [-limit, limit], to rounding.

    To stand last in a chain. Source: Arjovsky et al. 2017, algorithm 1.
    """

    def update(updates, state, params):
        def cut(update, param):
            return jnp.clip(param + update, -limit, limit) - param

        return jax.tree.map(cut, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _check_argument(name: str, value: Any, default: Any) -> None:
    """An argument has its default's type, and is in range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ValueError(f"arguments.{name} is {value!r}; it must be True or False")
    numeric = isinstance(default, int | float) and not isinstance(default, bool)
    if (numeric or name in _ARGUMENT_RANGES) and not is_number:
        raise ValueError(f"arguments.{name} is {value!r}; it must be a number")
    low, high = _ARGUMENT_RANGES.get(name, (-math.inf, math.inf))
    if is_number and not low <= value < high:
        raise ValueError(
            f"arguments.{name} is {value}; it must be "
            + (f"in [{low}, {high})" if high < math.inf else f">= {low}")
        )
