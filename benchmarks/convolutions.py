"""Times a CPU's formulations of the convolutions of this project's GANs.

    python -m benchmarks.convolutions [--only=TEXT] [--rounds=5] [--output=FILE.json]

Each layer runs forward and both gradients, inside a loop as in training, by matrix
products of patches and by Fourier transforms in turns. The table has what the two take
by the estimate of `gan_jax.networks.cpu.choice` and by the clock, in milliseconds, and
which the layer chooses; the last lines are that estimate's constants as these timings
give them (least squares of relative errors). On a machine or with a jax where they come
out otherwise the constants there should be changed.
"""

import argparse
import json
import pathlib
import statistics
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.networks import convolution
from gan_jax.networks.cpu import choice
from gan_jax.networks.cpu.patches import Grid

STEPS = 4  # of the loop, in one round
FORMULATIONS = ("patches", "fourier")


class Layer(NamedTuple):
    """A convolution, or a transposed one, with the batch that it has in training."""

    name: str
    transposed: bool
    size: int
    kernel_size: int
    strides: int
    channels: int
    features: int
    batch: int


LAYERS = (
    Layer("dcgan_mnist G 0", True, 7, 5, 1, 256, 128, 128),
    Layer("dcgan_mnist G 1", True, 7, 5, 2, 128, 64, 128),
    Layer("dcgan_mnist G 2", True, 14, 5, 2, 64, 1, 128),
    Layer("dcgan_mnist D 0", False, 28, 5, 2, 1, 64, 256),
    Layer("dcgan_mnist D 1", False, 14, 5, 2, 64, 128, 256),
    Layer("dcgan_mnist D 2", False, 7, 5, 2, 128, 256, 256),
    Layer("cgan_mnist G latents", True, 7, 3, 1, 256, 256, 32),
    Layer("cgan_mnist G 0", True, 7, 5, 1, 256, 128, 32),
    Layer("cgan_mnist D images", False, 28, 5, 1, 1, 64, 64),
    Layer("cgan_mnist D labels", False, 28, 5, 1, 64, 64, 10),
    Layer("cgan_mnist D 0", False, 28, 5, 2, 64, 64, 64),
    Layer("cgan_mnist D 0 labels", False, 28, 5, 2, 64, 64, 10),
    Layer("dcgan_svhn D 0", False, 32, 7, 1, 1, 32, 256),
    Layer("dcgan_svhn D 1", False, 16, 5, 1, 32, 64, 256),
    Layer("dcgan_svhn D 2", False, 8, 3, 1, 64, 128, 256),
    Layer("small_kernel_svhn G 0", True, 8, 3, 1, 256, 128, 256),
    Layer("small_kernel_svhn G 1", True, 8, 3, 2, 128, 64, 256),
    Layer("acgan_cifar G 0", True, 2, 5, 2, 512, 256, 100),
    Layer("acgan_cifar G 1", True, 4, 5, 2, 256, 128, 100),
    Layer("acgan_cifar G 2", True, 8, 5, 2, 128, 64, 100),
    Layer("acgan_cifar G 3", True, 16, 5, 2, 64, 3, 100),
    Layer("acgan_cifar D 0", False, 32, 5, 2, 3, 16, 100),
    Layer("acgan_cifar D 1", False, 16, 5, 1, 16, 32, 100),
    Layer("acgan_cifar D 2", False, 16, 3, 2, 32, 64, 100),
    Layer("acgan_cifar D 3", False, 8, 5, 1, 64, 128, 100),
    Layer("acgan_cifar D 4", False, 8, 3, 2, 128, 256, 100),
    Layer("acgan_cifar D 5", False, 4, 3, 1, 256, 512, 100),
    Layer("upsample_gan_mnist G 2", False, 14, 3, 1, 64, 64, 100),
    Layer("dcgan_dropout_mnist G 0", True, 7, 5, 2, 128, 64, 100),
)


def main() -> None:
    arguments = parse_arguments()
    layers = [layer for layer in LAYERS if arguments.only in layer.name]
    print(
        f"{'layer':24} " + "".join(f"{name:>20}" for name in FORMULATIONS) + "  chosen"
    )
    print(f"{'':24} " + f"{'estimate    ms':>20}" * len(FORMULATIONS))
    rows = []
    for layer in layers:
        costs = costs_of(layer)
        estimates = choice.estimated_milliseconds(*costs)
        measured = milliseconds(layer, arguments.rounds)
        chosen = min(estimates, key=estimates.get)
        figures = "".join(
            f"{estimates[name]:13.1f} {measured[name]:6.1f}" for name in FORMULATIONS
        )
        print(f"{layer.name:24} {figures}  {chosen}", flush=True)
        rows.append(
            layer._asdict()
            | {"estimates": estimates, "milliseconds": measured, "chosen": chosen}
        )
    best = sum(min(row["milliseconds"].values()) for row in rows)
    taken = sum(row["milliseconds"][row["chosen"]] for row in rows)
    patches = sum(row["milliseconds"]["patches"] for row in rows)
    print(f"all: {patches:.0f} ms by patches, {taken:.0f} chosen, {best:.0f} at best")
    if len(rows) > 2:
        for name, constants in fitted(layers, rows).items():
            print(f"{name}: " + ", ".join(f"{value:.2g}" for value in constants))
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="layers whose names contain this")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5")
    parser.add_argument("--output", type=pathlib.Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error(f"--rounds is {arguments.rounds}; it must be >= 5")
    return arguments


def costs_of(layer: Layer) -> tuple[Grid, int, int, int]:
    """What the estimate takes: grid, channels, features, batch."""
    size, kernel_size = (layer.size,) * 2, (layer.kernel_size,) * 2
    if layer.transposed:
        grid = convolution.conv_transpose_grid(size, kernel_size, layer.strides)
        return grid, layer.features, layer.channels, layer.batch
    grid = convolution.conv_grid(size, kernel_size, layer.strides)
    return grid, layer.channels, layer.features, layer.batch


def milliseconds(layer: Layer, rounds: int) -> dict[str, float]:
    """Medians over the rounds, of one forward pass with both gradients."""
    function = convolution.conv_transpose if layer.transposed else convolution.conv
    random = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    images = normal(layer.channels, layer.size, layer.size, layer.batch)
    kernel = normal(*(layer.kernel_size,) * 2, layer.channels, layer.features)
    outputs = jax.eval_shape(
        lambda *operands: function(*operands, layer.strides), images, kernel
    )
    operands = images, kernel, normal(*outputs.shape)

    def program(formulation):
        def step(_, operands):
            # Each step needs the one before, and nothing can be left out.
            images, kernel, cotangents = operands
            outputs, pull_back = jax.vjp(
                lambda images, kernel: function(
                    images, kernel, layer.strides, formulation=formulation
                ),
                images,
                kernel,
            )
            changes = *pull_back(cotangents), outputs
            return tuple(
                operand + 1e-6 * change
                for operand, change in zip(operands, changes, strict=True)
            )

        return jax.jit(lambda *operands: jax.lax.fori_loop(0, STEPS, step, operands))

    programs = {name: program(name) for name in FORMULATIONS}
    times = {name: [] for name in FORMULATIONS}
    for _ in range(rounds + 1):
        for name, compiled in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(compiled(*operands))
            times[name].append((time.perf_counter() - start) / STEPS * 1e3)
    return {name: statistics.median(times[name][1:]) for name in FORMULATIONS}


def fitted(layers: list[Layer], rows: list[dict]) -> dict[str, np.ndarray]:
    """The estimate's two constants of each formulation that fit the times best."""
    constants = {}
    for name in FORMULATIONS:
        counts = np.array([choice.counts(*costs_of(layer))[name] for layer in layers])
        times = np.array([row["milliseconds"][name] for row in rows])
        relative = counts / times[:, None]
        constants[name] = np.linalg.lstsq(relative, np.ones(len(times)), rcond=None)[0]
    return constants


if __name__ == "__main__":
    main()
