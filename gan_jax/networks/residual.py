"""Residual networks without norms: generator and discriminator of R3GAN.

Source: Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN",
sections 3 and 4, and the authors' program. Feature maps are [C, H, W, B].
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.networks.base import OUTPUT_ACTIVATIONS, Network
from gan_jax.networks.resampling import downsample, upsample
from gan_jax.types import Verdict


def _scaled_normal(gain: float) -> nn.initializers.Initializer:
    """Deviation gain / sqrt(fan-in); zeros for gain 0."""
    if not gain:
        return nn.initializers.zeros_init()
    return nn.initializers.variance_scaling(gain**2, "fan_in", "normal")


class ResidualNetwork(Network):
    """What both players share: stages of residual blocks.

    A block of C channels is x + conv(act(conv(act(conv(x))))): a 1x1 convolution to
    expansion * C channels, one of kernel_size, and a 1x1 convolution back, whose kernel
    is 0 at first. The kernels' deviation is N^(-1/4) times what leaky ReLUs ask for, N
    the number of blocks in the network. There is no norm; biases stand before the
    activations alone.

    Attributes:
      image_shape: (H, W, C); H and W are multiples of 2^(stages - 1).
      widths: channels of each stage, in the order of the layers; between stages images
        are resampled by 2.
      num_blocks: of each stage.
      expansion: of channels inside a block.
      kernel_size: of the convolution in the middle of a block.
      negative_slope: of the leaky ReLU.
      embedding_size: length of a class's vector.
    """

    # Its kernels begin as the paper says.
    GIVEN: ClassVar = (*Network.GIVEN, "kernel_init")
    CONDITIONINGS: ClassVar = ("none", "embedding")

    conditioning: str = "embedding"
    image_shape: tuple[int, int, int] = (28, 28, 1)
    widths: tuple[int, ...] = (64, 64, 64)
    num_blocks: int = 1
    expansion: int = 2
    kernel_size: int = 3
    negative_slope: float = 0.2
    embedding_size: int = 64

    def check(self) -> None:
        super().check()
        for name in (
            "widths",
            "num_blocks",
            "expansion",
            "kernel_size",
            "embedding_size",
        ):
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (value,), default=0) < 1:
                raise ValueError(f"{name} is {value}; it must be >= 1")
        if self.weight_norm != "none":
            raise ValueError(
                f"weight_norm is {self.weight_norm!r}; it must be 'none': the last "
                "kernel of a block is 0 at first, and cannot be divided by its norm"
            )
        if not 0 <= self.negative_slope <= 1:
            raise ValueError(
                f"negative_slope is {self.negative_slope}; it must be in [0, 1]"
            )
        height, width, _ = self.image_shape
        factor = 2 ** (len(self.widths) - 1)
        if height % factor or width % factor:
            raise ValueError(
                f"widths has {len(self.widths)} stages, which resample {factor} times; "
                f"that does not divide images of {height} x {width}"
            )

    @property
    def coarse_size(self) -> tuple[int, int]:
        """Height and width of the smallest maps."""
        factor = 2 ** (len(self.widths) - 1)
        return self.image_shape[0] // factor, self.image_shape[1] // factor

    def linear(self, features: int, *, name: str, gain: float = 1.0) -> nn.Module:
        """A dense layer without bias."""
        initializer = _scaled_normal(gain)
        return self.dense(features, use_bias=False, name=name, kernel_init=initializer)

    def conv_of(
        self,
        maps: jax.Array,
        features: int,
        *,
        kernel_size: int = 1,
        use_bias: bool = False,
        gain: float = 1.0,
        name: str,
    ) -> jax.Array:
        layer = self.conv(
            features,
            kernel_size,
            use_bias=use_bias,
            name=name,
            kernel_init=_scaled_normal(gain),
        )
        return layer(maps)

    def blocks(self, maps: jax.Array, stage: int) -> jax.Array:
        """The residual blocks of a stage, [C, H, W, B] in and out."""
        width = maps.shape[0]
        inner = self.expansion * width
        number = self.num_blocks * len(self.widths)
        slope = self.negative_slope
        gain = math.sqrt(2 / (1 + slope**2)) * number**-0.25
        for block in range(self.num_blocks):
            name = f"stage_{stage}_block_{block}"
            inside = maps
            for layer, kernel_size in ((0, 1), (1, self.kernel_size)):
                inside = self.conv_of(
                    inside,
                    inner,
                    kernel_size=kernel_size,
                    use_bias=True,
                    gain=gain,
                    name=f"{name}_conv_{layer}",
                )
                inside = nn.leaky_relu(inside, slope)
            maps = maps + self.conv_of(inside, width, gain=0, name=f"{name}_conv_2")
        return maps

    def embed(self, labels: jax.Array, gain: float = 1.0) -> jax.Array:
        """The vectors of classes [B], [B, embedding_size]."""
        one_hot = jax.nn.one_hot(labels, self.num_classes, dtype=jnp.float32)
        return self.linear(self.embedding_size, name="class_embedding", gain=gain)(
            one_hot
        )


class ResidualGenerator(ResidualNetwork):
    """Latents [B, Z] and labels [B] (None: unconditional) to images [B, H, W, C].

    Learned maps of the coarsest size, each times a linear function of the latents and
    the class's vector; stages of blocks with upsampling between; a 1x1 convolution.

    Attributes:
      output: 'linear' (the paper's: images are cut to [-1, 1] where they become bytes),
        'tanh', or 'sigmoid' for images in [0, 1].
    """

    CHOICES: ClassVar = {**ResidualNetwork.CHOICES, "output": OUTPUT_ACTIVATIONS}

    output: str = "linear"

    @property
    def latent_layer(self) -> tuple[str, ...]:
        return ("basis_factors",)

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> jax.Array:
        del train
        if labels is not None:
            latents = jnp.concatenate([latents, self.embed(labels)], axis=-1)
        width = self.widths[0]
        basis = self.param(
            "basis",
            nn.initializers.normal(1.0),
            (width, *self.coarse_size),
            jnp.float32,
        )
        factors = self.linear(width, name="basis_factors")(latents)
        maps = basis.astype(self.dtype)[..., None] * factors.T[:, None, None, :]
        for stage, width in enumerate(self.widths):
            if stage and width != maps.shape[0]:
                maps = self.conv_of(maps, width, name=f"stage_{stage}_widen")
            if stage:
                maps = upsample(maps)
            maps = self.blocks(maps, stage)
        images = self.conv_of(maps, self.image_shape[-1], name="output")
        images = images.transpose(3, 1, 2, 0).astype(self.stable_dtype)
        return self.activate_output(images)


class ResidualDiscriminator(ResidualNetwork):
    """Images [B, H, W, C] and labels [B] (None: does not see them) to their verdict.

    A 1x1 convolution; stages of blocks with downsampling between; weighted sums over
    the positions of each of the last maps, and a linear map e of them. The logit is the
    product of e and the class's vector (Miyato & Koyama 2018, without the term of no
    class); unconditional: e itself.
    """

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> Verdict:
        del train
        maps = images.transpose(3, 1, 2, 0)
        maps = self.conv_of(maps, self.widths[0], name="input")
        for stage, width in enumerate(self.widths):
            if stage:
                maps = downsample(maps)
            if stage and width != maps.shape[0]:
                maps = self.conv_of(maps, width, name=f"stage_{stage}_widen")
            maps = self.blocks(maps, stage)
        features = self._sums(maps)
        if labels is None:
            logits = self.linear(1, name="logit")(features)[:, 0]
            return Verdict(logits.astype(self.stable_dtype))
        size = self.embedding_size
        embedded = self.embed(labels, gain=1 / math.sqrt(size))
        products = self.linear(size, name="features")(features) * embedded
        return Verdict(products.sum(axis=-1, dtype=self.stable_dtype))

    def _sums(self, maps: jax.Array) -> jax.Array:
        """Weighted sums over the positions of each map, [B, C]."""
        positions = math.prod(self.coarse_size)
        basis = self.param(
            "basis",
            nn.initializers.normal(1 / math.sqrt(positions)),
            (self.widths[-1], *self.coarse_size),
            jnp.float32,
        )
        weighted = maps * basis.astype(maps.dtype)[..., None]
        return weighted.sum(axis=(1, 2)).T
