"""The generator that enlarges by repetition: report E (Ligocki & Salah)."""

import math
from typing import ClassVar

import jax
from flax import linen as nn

from gan_jax.networks.base import OUTPUT_ACTIVATIONS
from gan_jax.networks.dcgan import ConvNetwork, condition_latents, to_maps
from gan_jax.networks.reference import prepend_reference


class UpsamplingGenerator(ConvNetwork):
    """Latents [B, Z] and labels [B] (None: unconditional) to images [B, H, W, C].

    A projection; `num_blocks` times two convolutions, each with dropout and activation,
    and nearest-neighbour enlargement by 2; a dense layer from all of it to the image.

    Attributes:
      image_shape: (H, W, C); H and W are multiples of 2^num_blocks.
      num_filters: of the projection and of every convolution.
      num_blocks: number of enlargements.
      kernel_size: of the convolutions.
      output: 'tanh' for images in [-1, 1], 'sigmoid' for [0, 1].
      dropout_rate: after every convolution.
    """

    CHOICES: ClassVar = {**ConvNetwork.CHOICES, "output": OUTPUT_ACTIVATIONS}
    CONDITIONINGS: ClassVar = ("none", "one_hot", "embedding")

    image_shape: tuple[int, int, int] = (28, 28, 1)
    num_filters: int = 64
    num_blocks: int = 2
    kernel_size: int = 3
    output: str = "tanh"
    dropout_rate: float = 0.5
    norm: str = "none"

    def check(self) -> None:
        super().check()
        height, width, _ = self.image_shape
        if height % 2**self.num_blocks or width % 2**self.num_blocks:
            raise ValueError(
                f"num_blocks is {self.num_blocks}; {2**self.num_blocks} does not "
                f"divide images of {height} x {width}"
            )

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> jax.Array:
        height, width, _ = self.image_shape
        factor = 2**self.num_blocks
        filters = self.num_filters * self.filter_multiplier
        latents, labels = prepend_reference(
            self, latents, labels, size=self.reference_size
        )
        features = condition_latents(self, latents, labels)
        features = self.dense(
            height // factor * (width // factor) * filters,
            use_bias=self.use_bias,
            name="projection",
        )(features)
        maps = to_maps(features, height // factor, width // factor)
        for layer in range(2 * self.num_blocks):
            name = f"conv_{layer}"
            use_bias = self.biased(normalized=True)
            maps = self.conv(filters, self.kernel_size, use_bias=use_bias, name=name)(
                maps
            )
            maps = self.activate(
                maps, labels, normalized=True, train=train, name=name, dropout=True
            )
            if layer % 2:
                maps = maps.repeat(2, axis=1).repeat(2, axis=2)
        features = maps.transpose(3, 1, 2, 0).reshape(maps.shape[-1], -1)
        features = features[self.reference_size :]
        images = self.dense(
            math.prod(self.image_shape), use_bias=self.use_bias, name="output"
        )(features)
        images = self.activate_output(images.astype(self.stable_dtype))
        return images.reshape(-1, *self.image_shape)
