"""The reference batch of virtual batch normalisation, kept with a network's state.

It is forwarded with every batch, once per call: its examples stand first along the
batch axis and are cut off the outputs.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.types import PyTree

REFERENCE = "reference"


def reference_batch(inputs: jax.Array, labels: jax.Array | None) -> PyTree:
    """The collection 'reference' of a network: inputs [R, ...] and labels [R]."""
    reference = {"inputs": inputs}
    if labels is not None:
        reference["labels"] = labels
    return reference


def prepend_reference(
    module: nn.Module, inputs: jax.Array, labels: jax.Array | None, *, size: int
) -> tuple[jax.Array, jax.Array | None]:
    """Inputs [size + B, ...] and labels [size + B] (or None), the reference first.

    To be called once in a compact method of `module`; size 0 changes nothing. The
    variables are zeros until someone puts examples there.
    """
    if not size:
        return inputs, labels

    def variable(name, like):
        shape = (size, *like.shape[1:])
        return module.variable(REFERENCE, name, jnp.zeros, shape, like.dtype).value

    inputs = jnp.concatenate([variable("inputs", inputs), inputs])
    if labels is not None:
        labels = jnp.concatenate([variable("labels", labels), labels])
    return inputs, labels
