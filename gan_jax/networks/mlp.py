"""Fully connected networks.

Sources: report D (Dittrich; the GAN and the cGAN whose first hidden layer is split
between input and label) and report E (Ligocki & Salah; the vanilla GAN).
"""

import math
from collections.abc import Callable
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.names import lookup
from gan_jax.networks.base import OUTPUT_ACTIVATIONS, Network, NormalizedNetwork
from gan_jax.networks.reference import prepend_reference
from gan_jax.types import Verdict

ACTIVATIONS: dict[str, Callable[[jax.Array, float], jax.Array]] = {
    "leaky_relu": nn.leaky_relu,
    "relu": lambda inputs, negative_slope: nn.relu(inputs),
}


class ConditionalDense(Network):
    """A dense layer; with labels, `label_width` of its units see only the label.

    Inputs [B, F] and labels [B] (or None) give [B, features].
    Source: Dittrich, the cGAN's first hidden layer.
    """

    features: int = 512
    label_width: int = 64
    use_bias: bool = True

    @nn.compact
    def __call__(self, inputs: jax.Array, labels: jax.Array | None) -> jax.Array:
        def branch(features, name):
            return self.dense(features, use_bias=self.use_bias, name=name)

        if labels is None:
            return branch(self.features, "input")(inputs)
        one_hot = jax.nn.one_hot(labels, self.num_classes, dtype=inputs.dtype)
        branches = [
            branch(self.features - self.label_width, "input")(inputs),
            branch(self.label_width, "label")(one_hot),
        ]
        return jnp.concatenate(branches, axis=-1)


class _MLP(NormalizedNetwork):
    """What both players share: hidden layers of dense, [norm], activation, dropout.

    Labels are joined one-hot, in the first layer: see `ConditionalDense`.
    """

    CHOICES: ClassVar = {**NormalizedNetwork.CHOICES, "activation": ACTIVATIONS}
    CONDITIONINGS: ClassVar = ("none", "one_hot")

    conditioning: str = "one_hot"
    hidden_sizes: tuple[int, ...] = (512, 512)
    label_width: int = 64
    activation: str = "leaky_relu"
    dropout_rate: float = 0.5
    kernel_init: str = "kaiming_normal"

    def check(self) -> None:
        super().check()
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(
                f"hidden_sizes is {tuple(self.hidden_sizes)}; it must hold one "
                "number or more, all >= 1"
            )
        first = self.hidden_sizes[0]
        if self.conditioning == "one_hot" and not 0 < self.label_width < first:
            raise ValueError(
                f"label_width is {self.label_width}; it must be between 0 "
                f"and the first hidden layer's size, {first}"
            )

    def hidden(
        self, inputs: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> jax.Array:
        outputs = inputs
        use_bias = self.biased(normalized=True)
        for layer, features in enumerate(self.hidden_sizes):
            if layer == 0:
                outputs = ConditionalDense(
                    features=features,
                    label_width=self.label_width,
                    num_classes=self.num_classes,
                    use_bias=use_bias,
                    kernel_init=self.kernel_init,
                    weight_norm=self.weight_norm,
                    dtype=self.dtype,
                    name="hidden_0",
                )(outputs, labels)
            else:
                outputs = self.dense(
                    features, use_bias=use_bias, name=f"hidden_{layer}"
                )(outputs)
            outputs = self.normalize(
                outputs, labels, train=train, name=f"hidden_{layer}_norm"
            )
            outputs = lookup(self.activation, ACTIVATIONS)(outputs, self.negative_slope)
            outputs = self.drop(outputs, train=train)
        return outputs


class MLPGenerator(_MLP):
    """Latents [B, Z] and labels [B] (None: unconditional) to images [B, H, W, C].

    Norms stand before the activations, of the hidden layers and of the output. In train
    mode batch statistics and dropout (stream `dropout`) are in force, and the moving
    statistics are updated.

    Attributes:
      image_shape: (H, W, C).
      output_norm: whether the norm follows the output's layer too.
      output: 'tanh' for images in [-1, 1], 'sigmoid' for [0, 1].

    Source: Dittrich (batch norm, dropout 0.5); Ligocki & Salah (neither).
    """

    CHOICES: ClassVar = {**_MLP.CHOICES, "output": OUTPUT_ACTIVATIONS}

    image_shape: tuple[int, int, int] = (28, 28, 1)
    output_norm: bool = True
    output: str = "tanh"

    @property
    def latent_layer(self) -> tuple[str, ...]:
        return "hidden_0", "input"

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> jax.Array:
        latents, labels = prepend_reference(
            self, latents, labels, size=self.reference_size
        )
        outputs = self.hidden(latents, labels, train=train)
        outputs = self.dense(
            math.prod(self.image_shape),
            use_bias=self.biased(normalized=self.output_norm),
            name="output",
        )(outputs)
        if self.output_norm:
            outputs = self.normalize(outputs, labels, train=train, name="output_norm")
        outputs = outputs[self.reference_size :]
        outputs = self.activate_output(outputs.astype(self.stable_dtype))
        return outputs.reshape(-1, *self.image_shape)


class MLPDiscriminator(_MLP):
    """Images [B, H, W, C] and labels [B] (None: unconditional) to their verdict.

    Source: Dittrich (dropout 0.5); Ligocki & Salah (none).
    """

    norm: str = "none"

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> Verdict:
        images, labels = prepend_reference(
            self, images, labels, size=self.reference_size
        )
        inputs = images.reshape(images.shape[0], -1)
        outputs = self.hidden(inputs, labels, train=train)
        logits = self.dense(1, use_bias=True, name="logit")(outputs)[:, 0]
        return Verdict(logits[self.reference_size :].astype(self.stable_dtype))
