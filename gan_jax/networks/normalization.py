"""Normalisations of features, and the table of their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.networks.layers import fan_out


class VirtualBatchNorm(nn.Module):
    """Normalises every example with the statistics of a fixed reference batch and it.

    The inputs hold the R = `reference_size` examples of the reference batch first along
    the batch axis. They are normalised with their own mean m_ref and mean square s_ref,
    as by batch norm. Example i of the others, with mean m_i and mean square s_i over
    its own positions, is normalised with

        mean = (R m_ref + m_i) / (R + 1)
        variance = (R s_ref + s_i) / (R + 1) - mean^2

    so that it does not depend on the rest of its batch; then comes a learned scale and
    bias for every feature. There are no moving statistics.

    Takes and returns an array of any shape, such as [C, H, W, B] with `feature_axis` 0
    and `batch_axis` 3. Raises ValueError if there is no example besides the reference
    batch, which alone is enough to initialise.

    Source: Salimans et al. 2016, section 3.5.
    """

    reference_size: int
    feature_axis: int
    batch_axis: int
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        feature_axis = self.feature_axis % inputs.ndim
        batch_axis = self.batch_axis % inputs.ndim
        batch_size = inputs.shape[batch_axis]
        others = batch_size - self.reference_size
        if others < (0 if self.is_initializing() else 1):
            raise ValueError(
                f"{batch_size} examples are too few for virtual batch norm with a "
                f"reference batch of {self.reference_size} in front of them"
            )
        mean, variance = _virtual_statistics(
            inputs, self.reference_size, feature_axis, batch_axis
        )
        multiplier = jax.lax.rsqrt(variance + self.epsilon)
        shape = [1] * inputs.ndim
        shape[feature_axis] = features = inputs.shape[feature_axis]
        scale, bias = (
            self.param(name, initializer, (features,), jnp.float32)
            for name, initializer in (
                ("scale", nn.initializers.ones_init()),
                ("bias", nn.initializers.zeros_init()),
            )
        )
        multiplier = multiplier * scale.reshape(shape)
        return (inputs - mean) * multiplier + bias.reshape(shape)


def _virtual_statistics(
    inputs: jax.Array, reference_size: int, feature_axis: int, batch_axis: int
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance for every feature and example, of size 1 along other axes."""
    positions = tuple(
        axis for axis in range(inputs.ndim) if axis not in (feature_axis, batch_axis)
    )
    means = inputs.mean(positions, keepdims=True)
    variances = jnp.square(inputs - means).mean(positions, keepdims=True)

    # In place of mean squares, whose difference to a squared mean loses all digits when
    # means are large: sums of variances and squared differences of means.
    def reference(values):
        values = jax.lax.slice_in_dim(values, 0, reference_size, axis=batch_axis)
        return values.mean(batch_axis, keepdims=True)

    reference_mean = reference(means)
    differences = means - reference_mean
    reference_variance = reference(variances + jnp.square(differences))

    weight = 1 / (reference_size + 1)
    combined_means = reference_mean + weight * differences
    combined_variances = (
        (1 - weight) * reference_variance
        + weight * variances
        + weight * (1 - weight) * jnp.square(differences)
    )
    shape = [1] * inputs.ndim
    shape[batch_axis] = inputs.shape[batch_axis]
    in_reference = (jnp.arange(shape[batch_axis]) < reference_size).reshape(shape)
    return (
        jnp.where(in_reference, reference_mean, combined_means),
        jnp.where(in_reference, reference_variance, combined_variances),
    )


class ClassAffine(nn.Module):
    """A learned scale (1 at first) and bias (0) of each feature for each class.

    Takes features [B, F] or feature maps [C, H, W, B] with labels [B], and returns such
    features. With batch norm in front, it is conditional batch norm.

    Source: Dumoulin et al. 2017, equation 5; in GANs: Miyato & Koyama 2018, section 5.
    """

    num_classes: int

    @nn.compact
    def __call__(self, features: jax.Array, labels: jax.Array) -> jax.Array:
        is_dense = features.ndim == 2
        shape = (self.num_classes, features.shape[1 if is_dense else 0])
        scales = self.param("scale", nn.initializers.ones_init(), shape, jnp.float32)
        biases = self.param("bias", nn.initializers.zeros_init(), shape, jnp.float32)
        one_hot = jax.nn.one_hot(labels, self.num_classes, dtype=jnp.float32)

        def of_examples(values):
            maps = fan_out(values.T[:, None, None, :], one_hot)  # [C, 1, 1, B]
            return maps[:, 0, 0].T if is_dense else maps

        return features * of_examples(scales) + of_examples(biases)


class Norm(NamedTuple):
    """A normalisation of features, by name in NORMS.

    `apply(network, features, labels, train=..., name=...)` is called inside a compact
    method of the network: features [B, F] or [C, H, W, B] in and out; labels [B] or
    None, for norms that depend on the class.
    """

    apply: Callable[..., jax.Array]
    mixes_examples: bool = False  # whether it does, in train mode
    refers: bool = False  # whether it needs a reference batch in front
    needs_labels: bool = False


def _batch_norm(network, features, labels, *, train, name, affine=True):
    del labels
    return nn.BatchNorm(
        use_running_average=not train,
        axis=1 if features.ndim == 2 else 0,
        momentum=network.norm_momentum,
        epsilon=network.norm_epsilon,
        dtype=network.stable_dtype,
        axis_name=network.axis_name,
        use_scale=affine,
        use_bias=affine,
        name=name,
    )(features)


def _conditional_batch_norm(network, features, labels, *, train, name):
    features = _batch_norm(
        network, features, labels, train=train, name=name, affine=False
    )
    return ClassAffine(network.num_classes, name=f"{name}_classes")(features, labels)


def _virtual_batch_norm(network, features, labels, *, train, name):
    del labels, train
    feature_axis, batch_axis = (1, 0) if features.ndim == 2 else (0, 3)
    return VirtualBatchNorm(
        network.reference_size,
        feature_axis=feature_axis,
        batch_axis=batch_axis,
        epsilon=network.norm_epsilon,
        name=name,
    )(features.astype(network.stable_dtype))


def _no_norm(network, features, labels, *, train, name):
    return features


NORMS: dict[str, Norm] = {
    "batch": Norm(_batch_norm, mixes_examples=True),
    "conditional_batch": Norm(
        _conditional_batch_norm, mixes_examples=True, needs_labels=True
    ),
    "virtual": Norm(_virtual_batch_norm, refers=True),
    "none": Norm(_no_norm),
}
