"""A table of a GAN's layers and its numbers of parameters, without training."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.gan import Gan, count_params

_WIDTH = 120  # columns of the table


def describe(gan: Gan) -> str:
    """Layers of both networks; the last two lines count their parameters.

    `total` counts every variable, moving statistics included, `trainable` the params.
    """
    labels = jnp.zeros(1, jnp.int32) if gan.conditional else None
    latents = jnp.zeros((1, gan.latent_size))
    images = jnp.zeros((1, *gan.image_shape))
    tables = [
        _table(gan.generator, latents, labels),
        _table(gan.discriminator, images, gan.seen_labels(jnp.zeros(1, jnp.int32))),
    ]
    variables = jax.eval_shape(gan.init, jax.random.key(0), gan.no_examples())
    counts = []
    for name, player in zip(("generator", "discriminator"), variables, strict=True):
        total, trainable = count_params(player)
        counts.append(f"{name}: total {total}, trainable {trainable}")
    return "\n".join([*tables, *counts])


def _table(module: nn.Module, inputs: jax.Array, labels: jax.Array | None) -> str:
    return module.tabulate(
        jax.random.key(0),
        inputs,
        labels,
        train=False,
        depth=2,
        console_kwargs={"width": _WIDTH, "force_terminal": False},
    ).strip()
