"""A program for tests: trains on one fake device and on several, tells the differences.

    python tests/spread_training.py CONFIG NUM_STEPS BATCH_SIZE FIELDS SPREADS

FIELDS is JSON of {field: value} of the config, SPREADS a list of "jit:2", "pmap:4",
"population:4" and the like: how, and over how many devices. Prints JSON {spread:
largest difference of params and of model state from one device}; of a population the
differences of its members from single runs of their seeds. "perturbed:1" is one device
with another rounding: all initial params are wrong by a relative 1e-7.
"""

import importlib
import json
import sys

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, parallel
from gan_jax.data import load_dataset
from gan_jax.population import OWN, member
from gan_jax.types import Batch

NUM_EXAMPLES = 203  # no multiple of anything


def main() -> None:
    jax.config.update("jax_num_cpu_devices", 4)
    name, num_steps, batch_size, fields, *spreads = sys.argv[1:]
    config = importlib.import_module(f"configs.{name}").get_config()
    config.update_from_flattened_dict(json.loads(fields))
    config.batch_size, config.num_steps = int(batch_size), int(num_steps)
    alone = {}
    differences = {}
    for spread in spreads:
        how, number = spread.split(":")
        devices = jax.devices()[: int(number)]
        perturbation = 0.0
        if how == "perturbed":
            spread_over, perturbation = parallel.OneDevice(), 1e-7
        elif how == "population":
            config.population = int(number)
            spread_over = parallel.member_devices(config.population, OWN, devices)
        else:
            config.population = 1
            spread_over = parallel.batch_devices(how, config.batch_size, devices)
        trained = train(config, spread_over, perturbation)
        differences[spread] = 0.0
        for number in range(config.population):
            if number not in alone:
                single = config.copy_and_resolve_references()
                single.population, single.seed = 1, config.seed + number
                alone[number] = train(single, parallel.OneDevice())
            state = member(trained, number) if how == "population" else trained
            differences[spread] = max(
                differences[spread], largest_difference(alone[number], state)
            )
    print(json.dumps(differences))


def train(config: ConfigDict, devices: parallel.OneDevice, perturbation: float = 0.0):
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    data = examples(spec.image_shape)
    reference = jax.tree.map(lambda a: a[: gan.discriminator.reference_size], data)
    references = [reference] * config.population
    run_steps, state = build.build_training(
        config, gan, config.num_steps, references, devices
    )
    if perturbation:
        state = perturbed(state, perturbation)
    order = build.initial_order(config, NUM_EXAMPLES)
    state, order = devices.put((state, order))
    state, _ = run_steps(
        state, order, devices.put_data(data), np.int32(config.num_steps)
    )
    return parallel.local(state.replace(gan=state.gan.replace(key=None)))


def perturbed(state, amount: float):
    """The state with both players' params changed by a relative normal error."""
    random = np.random.default_rng(0)

    def change(player):
        params = jax.tree.map(
            lambda leaf: leaf * (1 + amount * random.normal(size=leaf.shape)),
            player.params,
        )
        params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
        return player.replace(params=params)

    gan = state.gan.replace(
        generator=change(state.gan.generator),
        discriminator=change(state.gan.discriminator),
    )
    return state.replace(gan=gan)


def examples(image_shape) -> Batch:
    """Digits, padded and repeated to the wanted shape."""
    digits = load_dataset(name="mnist", source="embedded")
    images = digits.train_images[:NUM_EXAMPLES]
    pad = (image_shape[0] - 28) // 2
    images = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return Batch(
        np.repeat(images, image_shape[-1], axis=-1), digits.train_labels[:NUM_EXAMPLES]
    )


def largest_difference(expected, given) -> float:
    def differences(player):
        one, other = (getattr(state.gan, player) for state in (expected, given))
        yield from jax.tree.leaves(
            jax.tree.map(
                lambda a, b: np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0),
                (one.params, one.model_state),
                (other.params, other.model_state),
            )
        )

    return float(max(*differences("generator"), *differences("discriminator")))


if __name__ == "__main__":
    main()
