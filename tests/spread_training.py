"""A program for tests: trains on one fake device and on several, tells the differences.

    python tests/spread_training.py CONFIG NUM_STEPS BATCH_SIZE FIELDS SPREADS

FIELDS is JSON of {field: value} of the config, SPREADS a list of "jit:2", "pmap:4",
"population:4" and the like: how, and over how many devices. Prints JSON {spread:
largest difference of params and of model state from one device}; of a population the
differences of its members from single runs of their seeds. "perturbed:0" and so on are
one device with another rounding, drawn with that seed: the initial params that are not
0 are wrong by about a relative 1e-7.
"""

import importlib
import json
import sys

import jax
import numpy as np
from ml_collections import ConfigDict

from gan_jax import build, parallel, training
from gan_jax.command_line import update
from gan_jax.data import Dataset, load_dataset
from gan_jax.population import OWN, member
from gan_jax.types import Batch

NUM_EXAMPLES = 203  # no multiple of anything


def main() -> None:
    jax.config.update("jax_num_cpu_devices", 4)
    name, num_steps, batch_size, fields, *spreads = sys.argv[1:]
    config = importlib.import_module(f"configs.{name}").get_config()
    update(config, json.loads(fields))
    config.batch_size, config.num_steps = int(batch_size), int(num_steps)
    alone = {}
    differences = {}
    for spread in spreads:
        how, number = spread.split(":")
        devices = jax.devices()[: int(number)]
        config.population = int(number) if how == "population" else 1
        seed = None
        if how == "perturbed":
            spread_over, seed = parallel.Devices(), int(number)
        elif how == "population":
            spread_over = parallel.member_devices(config.population, OWN, devices)
        else:
            spread_over = parallel.batch_devices(how, config.batch_size, devices)
        trained = train(config, spread_over, seed)
        differences[spread] = 0.0
        for number in range(config.population):
            if number not in alone:
                single = config.copy_and_resolve_references()
                single.population, single.seed = 1, config.seed + number
                alone[number] = train(single, parallel.Devices())
            state = member(trained, number) if how == "population" else trained
            differences[spread] = max(
                differences[spread], largest_difference(alone[number], state)
            )
    print(json.dumps(differences))


def train(
    config: ConfigDict,
    devices: parallel.Devices,
    perturbation_seed: int | None = None,
):
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    data = examples(spec.image_shape)
    reference = jax.tree.map(lambda a: a[: gan.discriminator.reference_size], data)
    references = [reference] * config.population
    run_steps, state = training.build_training(
        config, gan, config.num_steps, references, devices
    )
    if perturbation_seed is not None:
        state = perturbed(state, perturbation_seed)
    order = training.initial_order(config, NUM_EXAMPLES)
    state, order = devices.put((state, order))
    with training.build_feed(
        config,
        Dataset(spec, *data, *data),
        devices,
        dispatches=[(0, config.num_steps)],
        longest=config.num_steps,
    ) as feed:
        state, _ = run_steps(state, order, next(feed), np.int32(config.num_steps))
    return parallel.local(state.replace(gan=state.gan.replace(key=None)))


def perturbed(state, seed: int):
    """The state with another rounding of both players' params."""
    random = np.random.default_rng(seed)

    def change(player):
        return player.replace(
            params=jax.tree.map(
                lambda leaf: np.float32(
                    leaf * (1 + 1e-7 * random.normal(size=leaf.shape))
                ),
                player.params,
            )
        )

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
