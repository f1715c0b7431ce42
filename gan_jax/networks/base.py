"""What every generator and discriminator has."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.names import lookup
from gan_jax.networks.convolution import Conv, ConvTranspose
from gan_jax.networks.initializers import KERNEL_INITIALIZERS
from gan_jax.networks.layers import Dropout
from gan_jax.networks.normalization import NORMS

OUTPUT_ACTIVATIONS = {
    "tanh": jnp.tanh,
    "sigmoid": nn.sigmoid,
    "linear": lambda images: images,
}
VALUE_RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "linear": (-1.0, 1.0)}


class SpectralNorm(nn.Module):
    """A layer whose kernel is divided by its largest singular value.

    By one power iteration a call in train mode, whose vectors are kept in
    `batch_stats`. Source: Miyato et al. 2018, algorithm 1.
    """

    layer: nn.Module

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        trains = self.is_mutable_collection("batch_stats")
        return nn.SpectralNorm(self.layer)(inputs, update_stats=trains)


# Each takes a layer and returns one in its place.
WEIGHT_NORMS = {"none": lambda layer: layer, "spectral": SpectralNorm}


class Network(nn.Module):
    """The base of generators and discriminators.

    Attributes:
      CHOICES: the names that fields may hold.
      CONDITIONINGS: the ways in which such a network can use labels, 'none' first.
      num_classes: of the data.
      conditioning: how this network uses labels, one of its CONDITIONINGS.
      kernel_init: a name from KERNEL_INITIALIZERS.
      weight_norm: of every dense layer and convolution, a name from WEIGHT_NORMS.
      dtype: of matrix products and convolutions, and of what they give. Parameters,
        norms, logits and images have `stable_dtype` all the same.
      axis_name: of the mapped axis over which a batch is spread, for layers that see
        it as a whole; None: this network sees all of it.
      mixes_examples: whether, in train mode, an output depends on the others in its
        batch.
      reference_size: examples of a reference batch that stand in front of every batch
        inside the network; see reference.py.
      latent_layer: of a generator, the path of the layer that its latents enter (first,
        if they are joined with something); None: it does not say.
    """

    # Fields that the data set, the devices and Flax give, and no config.
    GIVEN: ClassVar[tuple[str, ...]] = (
        "parent",
        "name",
        "num_classes",
        "image_shape",
        "dtype",
        "axis_name",
    )
    # Fields that hold a name, and the names that they may hold.
    CHOICES: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "kernel_init": KERNEL_INITIALIZERS,
        "weight_norm": WEIGHT_NORMS,
    }
    CONDITIONINGS: ClassVar[tuple[str, ...]] = ("none",)
    mixes_examples: ClassVar[bool] = False
    reference_size: ClassVar[int] = 0
    latent_layer: ClassVar[tuple[str, ...] | None] = None

    num_classes: int = 10
    conditioning: str = "none"
    kernel_init: str = "xavier_uniform"
    weight_norm: str = "none"
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None

    def check(self) -> None:
        """Raises ValueError for settings out of range, alone or together."""
        for name, known in self.CHOICES.items():
            try:
                lookup(getattr(self, name), known)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        for field in dataclasses.fields(self):
            if isinstance(field.default, tuple) and field.name not in self.GIVEN:
                self._check_tuple(field)

    def _check_tuple(self, field: dataclasses.Field) -> None:
        """The elements have types of the default's elements, if it has any."""
        value = getattr(self, field.name)
        wanted = dict.fromkeys(map(type, field.default))
        allowed = {*wanted, int} if float in wanted else {*wanted}
        is_tuple = isinstance(value, tuple)
        if is_tuple and (not wanted or {*map(type, value)} <= allowed):
            return
        kinds = {int: "whole numbers", bool: "True or False", float: "numbers"}
        kind = " or ".join(kinds.get(each, each.__name__) for each in wanted)
        must = f"a tuple of {kind}" if kind else "a tuple"
        raise ValueError(f"{field.name} is {value!r}; it must be {must}")

    @property
    def value_range(self) -> tuple[float, float]:
        """Of a generator's images; a linear output is cut to it where it is shown."""
        return VALUE_RANGES.get(self.output, (-1.0, 1.0))

    def activate_output(self, images: jax.Array) -> jax.Array:
        """A generator's images, of any shape, by the function that `output` names."""
        return lookup(self.output, OUTPUT_ACTIVATIONS)(images)

    @property
    def stable_dtype(self) -> jnp.dtype:
        """float32 where `dtype` is lower, for what must not be rounded further."""
        return jnp.promote_types(self.dtype, jnp.float32)

    def dense(self, features: int, **fields: Any) -> nn.Module:
        """[B, F] to [B, features]; `fields` are those of `nn.Dense`."""
        return self._layer(nn.Dense, features, **fields)

    def conv(self, features: int, kernel_size: int, **fields: Any) -> nn.Module:
        """[C, H, W, B] to [features, ceil(H / strides), ceil(W / strides), B].

        `fields` are those of `Conv`.
        """
        return self._layer(Conv, features, kernel_size, **fields)

    def conv_transpose(
        self, features: int, kernel_size: int, **fields: Any
    ) -> nn.Module:
        """[C, H, W, B] to [features, H * strides, W * strides, B].

        `fields` are those of `ConvTranspose`.
        """
        return self._layer(ConvTranspose, features, kernel_size, **fields)

    def _layer(self, layer: type[nn.Module], *arguments, **fields) -> nn.Module:
        normalize = lookup(self.weight_norm, WEIGHT_NORMS)
        initializer = lookup(self.kernel_init, KERNEL_INITIALIZERS)
        fields = {"dtype": self.dtype, "kernel_init": initializer} | fields
        return normalize(layer(*arguments, **fields))


class NormalizedNetwork(Network):
    """A network with a norm by name, dropout and leaky ReLUs.

    Attributes:
      norm: a name from NORMS: 'batch', 'conditional_batch' (scale and bias of each
        class), 'virtual' (Salimans et al. 2016, section 3.5), 'none'.
      norm_momentum, norm_epsilon: of batch norm: 0.9 and 1e-5 are PyTorch's, 0.99 and
        1e-3 Keras's.
      reference_examples: size of the reference batch of virtual batch norm.
      negative_slope: of the leaky ReLU.
      dropout_rate: see the network.
    """

    CHOICES: ClassVar = {**Network.CHOICES, "norm": NORMS}

    norm: str = "batch"
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5
    reference_examples: int = 64
    negative_slope: float = 0.2
    dropout_rate: float = 0.0

    @property
    def reference_size(self) -> int:
        return self.reference_examples if lookup(self.norm, NORMS).refers else 0

    @property
    def mixes_examples(self) -> bool:
        return lookup(self.norm, NORMS).mixes_examples

    def check(self) -> None:
        super().check()
        if lookup(self.norm, NORMS).needs_labels and self.conditioning in (
            "none",
            "auxiliary",
        ):
            raise ValueError(
                f"norm is {self.norm!r}, which needs labels, but this network sees none"
            )
        if not 0 <= self.norm_momentum < 1:
            raise ValueError(
                f"norm_momentum is {self.norm_momentum}; it must be in [0, 1)"
            )
        if self.norm_epsilon <= 0:
            raise ValueError(f"norm_epsilon is {self.norm_epsilon}; it must be > 0")
        if self.reference_examples < 1:
            raise ValueError(
                f"reference_examples is {self.reference_examples}; it must be >= 1"
            )
        if not 0 <= self.negative_slope <= 1:
            raise ValueError(
                f"negative_slope is {self.negative_slope}; it must be in [0, 1]"
            )
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(
                f"dropout_rate is {self.dropout_rate}; it must be in [0, 1)"
            )

    def biased(self, *, normalized: bool) -> bool:
        """Whether a layer has a bias; before batch norm it would only drift."""
        return not normalized or self.norm == "none"

    def normalize(
        self, features: jax.Array, labels: jax.Array | None, *, train: bool, name: str
    ) -> jax.Array:
        """Normalises dense features [B, F] or feature maps [C, H, W, B].

        `labels` [B] are what the network sees of them; None: nothing.
        """
        norm = lookup(self.norm, NORMS)
        return norm.apply(self, features, labels, train=train, name=name)

    def drop(self, features: jax.Array, *, train: bool) -> jax.Array:
        """Dropout, but for the reference batch, whose statistics are fixed."""
        dropout = Dropout(self.dropout_rate)
        if not self.reference_size:
            return dropout(features, train=train)
        batch_axis = 0 if features.ndim == 2 else 3
        reference, examples = jnp.split(
            features, [self.reference_size], axis=batch_axis
        )
        examples = dropout(examples, train=train)
        return jnp.concatenate([reference, examples], axis=batch_axis)
