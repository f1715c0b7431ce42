"""Convolutional networks: DCGAN and its relatives as settings of two modules.

Sources: Radford et al. 2016 and reports A (Yu & Gardner), B (Qiao, Wang, Zhang), C
(Sridhar) and E (Ligocki & Salah); configs/ says which settings are whose. Feature maps
are [C, H, W, B], see layers.py.
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.networks.base import OUTPUT_ACTIVATIONS, NormalizedNetwork
from gan_jax.networks.layers import fan_out, max_pool_2x2
from gan_jax.networks.minibatch import MinibatchDiscrimination
from gan_jax.networks.reference import prepend_reference
from gan_jax.types import Verdict

_POSITIVE_FIELDS = (
    "filter_multiplier",
    "filters",
    "strides",
    "kernel_size",
    "kernel_sizes",
    "embedding_size",
    "dense_sizes",
    "projection_filters",
    "num_filters",
    "branch_filters",
    "branch_kernel_size",
    "minibatch_kernel_dim",
)

# The ways in which a discriminator joins labels with its images.
_JOINED_LABELS = ("one_hot", "branches")


class ConvNetwork(NormalizedNetwork):
    """What convolutional networks share: what follows a layer.

    Attributes:
      norm_after_activation: instead of before it.
      filter_multiplier: of every number of filters.
      use_bias: whether layers have biases, but for those right before a norm (never)
        and the heads (always).
    """

    norm_after_activation: bool = False
    filter_multiplier: int = 1
    use_bias: bool = True
    kernel_init: str = "dcgan_normal"
    conditioning: str = "one_hot"

    def check(self) -> None:
        super().check()
        for name in _POSITIVE_FIELDS:
            value = getattr(self, name, 1)
            values = value if isinstance(value, tuple | list) else (value,)
            if min(values, default=1) < 1:
                raise ValueError(f"{name} is {value}; it must be >= 1")
        for name in ("minibatch_kernels", "num_blocks", "output_kernel_size"):
            if getattr(self, name, 0) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be >= 0")

    def biased(self, *, normalized: bool) -> bool:
        directly = normalized and not self.norm_after_activation
        return self.use_bias and super().biased(normalized=directly)

    def activate(
        self,
        features: jax.Array,
        labels: jax.Array | None,
        *,
        normalized: bool,
        train: bool,
        name: str,
        dropout: bool = False,
        pool: bool = False,
    ) -> jax.Array:
        """What follows a layer: [norm], activation, [dropout], [pool], or norm last."""
        if normalized and not self.norm_after_activation:
            features = self.normalize(
                features, labels, train=train, name=f"{name}_norm"
            )
        features = nn.leaky_relu(features, self.negative_slope)
        if dropout:
            features = self.drop(features, train=train)
        if pool:
            features = max_pool_2x2(features)
        if normalized and self.norm_after_activation:
            features = self.normalize(
                features, labels, train=train, name=f"{name}_norm"
            )
        return features

    def one_hot(self, labels: jax.Array) -> jax.Array:
        return jax.nn.one_hot(labels, self.num_classes, dtype=jnp.float32)


def to_maps(features: jax.Array, height: int, width: int) -> jax.Array:
    """Dense features [B, H * W * C] as feature maps [C, H, W, B]."""
    return features.reshape(features.shape[0], height, width, -1).transpose(3, 1, 2, 0)


def condition_latents(
    module: ConvNetwork, latents: jax.Array, labels: jax.Array | None
) -> jax.Array:
    """Latents [B, Z] joined with their classes.

    'one_hot': concatenated, [B, Z + classes] (Mirza & Osindero 2014). 'embedding': the
    product with a learned vector of the class, [B, Z] (the AC-GAN of Keras's examples).
    'joined_embedding': concatenated with a learned vector, [B, Z + embedding_size].
    """
    if labels is None:
        return latents

    def embed(size):
        layer = nn.Embed(
            module.num_classes,
            size,
            embedding_init=nn.initializers.normal(1.0),
            name="class_embedding",
        )
        return layer(labels)

    match module.conditioning:
        case "one_hot":
            return jnp.concatenate([latents, module.one_hot(labels)], axis=-1)
        case "embedding":
            return latents * embed(latents.shape[-1])
        case "joined_embedding":
            return jnp.concatenate([latents, embed(module.embedding_size)], axis=-1)
    return latents


class DCGANGenerator(ConvNetwork):
    """Latents [B, Z] and labels [B] (None: unconditional) to images [B, H, W, C].

    Dense layers, a projection to feature maps, transposed convolutions up to the image.

    Attributes:
      image_shape: (H, W, C); H and W are multiples of the strides' product.
      dense_sizes: units of dense layers before the projection.
      projection_filters: channels of the first feature maps.
      projection_norm, projection_activation: whether these follow the projection.
      filters: of all transposed convolutions but the last, whose are the image's.
      strides: of all transposed convolutions.
      kernel_size: of all transposed convolutions.
      output_kernel_size: of the last one; 0: as the others.
      embedding_size: of a class with conditioning 'joined_embedding'.
      branch_kernel_size: conditioning 'branches' (report A's CGAN): latents and labels
        have a projection and a stride 1 transposed convolution of their own, whose
        `projection_filters` each are joined.
      output: 'tanh' for images in [-1, 1], 'sigmoid' for [0, 1].
      dropout_rate: before the last layer.
    """

    CHOICES: ClassVar = {**ConvNetwork.CHOICES, "output": OUTPUT_ACTIVATIONS}
    CONDITIONINGS: ClassVar = (
        "none",
        "one_hot",
        "embedding",
        "joined_embedding",
        "branches",
    )

    image_shape: tuple[int, int, int] = (28, 28, 1)
    dense_sizes: tuple[int, ...] = (1024,)
    projection_filters: int = 256
    projection_norm: bool = True
    projection_activation: bool = True
    filters: tuple[int, ...] = (128, 64)
    strides: tuple[int, ...] = (1, 2, 2)
    kernel_size: int = 5
    output_kernel_size: int = 0
    embedding_size: int = 32
    branch_kernel_size: int = 3
    output: str = "tanh"

    def check(self) -> None:
        super().check()
        if len(self.strides) != len(self.filters) + 1:
            raise ValueError(
                f"strides has {len(self.strides)} numbers; it must have one for each "
                f"of the {len(self.filters)} filters and one for the last layer"
            )
        height, width, _ = self.image_shape
        factor = math.prod(self.strides)
        if height % factor or width % factor:
            raise ValueError(
                f"strides {self.strides} enlarge {factor} times, which does not "
                f"divide images of {height} x {width}"
            )
        if self.conditioning == "branches" and self.norm == "virtual":
            raise ValueError("conditioning 'branches' has no virtual batch norm")

    @property
    def latent_layer(self) -> tuple[str, ...]:
        if self.dense_sizes:
            return ("dense_0",)
        is_branched = self.conditioning == "branches"
        return ("latent_projection" if is_branched else "projection",)

    @nn.compact
    def __call__(
        self, latents: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> jax.Array:
        latents, labels = prepend_reference(
            self, latents, labels, size=self.reference_size
        )
        features = condition_latents(self, latents, labels)
        for layer, size in enumerate(self.dense_sizes):
            name = f"dense_{layer}"
            features = self.dense(
                size, use_bias=self.biased(normalized=True), name=name
            )(features)
            features = self.activate(
                features, labels, normalized=True, train=train, name=name
            )
        if labels is not None and self.conditioning == "branches":
            maps = self._branches(features, labels, train)
        else:
            maps = self._project(features, labels, train, "projection")
            maps = self._conv_transpose(0)(maps)
        for layer in range(1, len(self.strides)):
            maps = self.activate(
                maps, labels, normalized=True, train=train, name=f"conv_{layer - 1}"
            )
            if layer == len(self.filters):
                maps = self.drop(maps, train=train)
            maps = self._conv_transpose(layer)(maps)
        images = maps[..., self.reference_size :].transpose(3, 1, 2, 0)
        return self.activate_output(images.astype(self.stable_dtype))

    def _conv_transpose(
        self, layer: int, *, name: str | None = None, use_bias: bool = True
    ) -> nn.Module:
        last = layer == len(self.filters)
        features = self.image_shape[-1]
        if not last:
            features = self.filters[layer] * self.filter_multiplier
        return self.conv_transpose(
            features,
            (last and self.output_kernel_size) or self.kernel_size,
            strides=self.strides[layer],
            use_bias=use_bias and self.biased(normalized=not last),
            name=name or f"conv_{layer}",
        )

    def _project(
        self, features: jax.Array, labels: jax.Array | None, train: bool, name: str
    ) -> jax.Array:
        """The first feature maps, [C, h, w, B], of dense features [B, F]."""
        projected = self._projected(features, labels, train, name)
        return to_maps(projected, *self._first_size)

    def _projected(
        self, features: jax.Array, labels: jax.Array | None, train: bool, name: str
    ) -> jax.Array:
        size = math.prod(self._first_size) * self._projection_filters
        normalized = self.projection_norm
        features = self.dense(
            size, use_bias=self.biased(normalized=normalized), name=name
        )(features)
        if self.projection_activation:
            return self.activate(
                features, labels, normalized=normalized, train=train, name=name
            )
        if normalized:
            return self.normalize(features, labels, train=train, name=f"{name}_norm")
        return features

    @property
    def _first_size(self) -> tuple[int, int]:
        height, width, _ = self.image_shape
        factor = math.prod(self.strides)
        return height // factor, width // factor

    @property
    def _projection_filters(self) -> int:
        return self.projection_filters * self.filter_multiplier

    def _branches(
        self, latents: jax.Array, labels: jax.Array, train: bool
    ) -> jax.Array:
        """The first layer after the two branches are joined, [C, H, W, B].

        A convolution of joined maps is the sum of two convolutions, and the label
        branch is the same for all examples of a class: all that follows its norm is
        computed once per class, with equal results and gradients. Initialisers that
        look at the fan-in see that of each part.
        """

        def branch(maps, name):
            layer = self.conv_transpose(
                self._projection_filters,
                self.branch_kernel_size,
                use_bias=self.use_bias,
                name=name,
            )
            return layer(maps)

        latent_maps = branch(
            self._project(latents, labels, train, "latent_projection"), "latent_branch"
        )
        one_hot = self.one_hot(labels)
        projected = self._projected(one_hot, labels, train, "label_projection")
        counts = jnp.maximum(one_hot.sum(axis=0), 1)[:, None]
        of_classes = (one_hot.T @ projected) / counts
        label_maps = branch(to_maps(of_classes, *self._first_size), "label_branch")
        of_labels = self._conv_transpose(0, name="conv_0_label", use_bias=False)
        return self._conv_transpose(0)(latent_maps) + fan_out(
            of_labels(label_maps), one_hot
        )


class DCGANDiscriminator(ConvNetwork):
    """Images [B, H, W, C] and labels [B] (None: does not see them) to their verdict.

    Convolutions, each with [norm], activation, [dropout], [pooling]; dense layers; a
    logit and, with conditioning 'auxiliary', class logits (Odena et al. 2017). With
    conditioning 'projection' the product of the last features with a learned vector of
    the class is added to the logit (Miyato & Koyama 2018, equation 3).

    Attributes:
      image_shape: (H, W, C).
      filters, kernel_sizes, strides: of the convolutions.
      norm_layers: whether norm belongs to each convolution.
      pool_layers: whether a 2x2 maximum follows each.
      dense_sizes: units of dense layers before the heads.
      dense_norm: whether norm belongs to these.
      minibatch_kernels, minibatch_kernel_dim: of minibatch discrimination before the
        dense layers; 0 kernels: none.
      branch_filters, branch_kernel_size: conditioning 'branches' (report A's CGAN):
        images, and labels as maps, have a stride 1 convolution of their own, whose
        `branch_filters` each are joined.
      dropout_rate: after the activation of every convolution.
    """

    CONDITIONINGS: ClassVar = (
        "none",
        "one_hot",
        "branches",
        "auxiliary",
        "projection",
    )

    image_shape: tuple[int, int, int] = (28, 28, 1)
    filters: tuple[int, ...] = (64, 128, 256)
    kernel_sizes: tuple[int, ...] = (5, 5, 5)
    strides: tuple[int, ...] = (2, 2, 2)
    norm_layers: tuple[bool, ...] = (True, True, True)
    pool_layers: tuple[bool, ...] = (False, False, False)
    dense_sizes: tuple[int, ...] = (4,)
    dense_norm: bool = True
    minibatch_kernels: int = 0
    minibatch_kernel_dim: int = 5
    branch_filters: int = 64
    branch_kernel_size: int = 5
    dropout_rate: float = 0.3

    @property
    def mixes_examples(self) -> bool:
        """As elsewhere; with minibatch discrimination in eval mode too."""
        normalizes = any(self.norm_layers) or (self.dense_norm and self.dense_sizes)
        mixes = super().mixes_examples and normalizes
        return bool(mixes or self.minibatch_kernels > 0)

    def check(self) -> None:
        super().check()
        for name in ("kernel_sizes", "strides", "norm_layers", "pool_layers"):
            if len(getattr(self, name)) != len(self.filters):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} values; it must have one "
                    f"for each of the {len(self.filters)} filters"
                )
        if not self.filters:
            raise ValueError("filters is empty")
        height, width, _ = self.image_shape
        for layer, (strides, pool) in enumerate(
            zip(self.strides, self.pool_layers, strict=True)
        ):
            height, width = -(-height // strides), -(-width // strides)
            if pool:
                height, width = height // 2, width // 2
            if not height or not width:
                raise ValueError(
                    f"pool_layers leave nothing of images of {self.image_shape[:2]} "
                    f"after layer {layer}"
                )

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None, *, train: bool
    ) -> Verdict:
        images, labels = prepend_reference(
            self, images, labels, size=self.reference_size
        )
        maps = images.transpose(3, 1, 2, 0)
        for layer in range(len(self.filters)):
            joined = labels is not None and self.conditioning in _JOINED_LABELS
            if layer == 0 and joined:
                maps = self._labelled(maps, self.one_hot(labels))
            else:
                maps = self._conv(layer)(maps)
            maps = self.activate(
                maps,
                labels,
                normalized=self.norm_layers[layer],
                train=train,
                name=f"conv_{layer}",
                dropout=True,
                pool=self.pool_layers[layer],
            )
        features = maps.transpose(3, 1, 2, 0).reshape(maps.shape[-1], -1)
        if self.minibatch_kernels:
            features = self._compare(features)
        for layer, size in enumerate(self.dense_sizes):
            name = f"dense_{layer}"
            features = self.dense(
                size, use_bias=self.biased(normalized=self.dense_norm), name=name
            )(features)
            features = self.activate(
                features, labels, normalized=self.dense_norm, train=train, name=name
            )
        features = features[self.reference_size :]
        logits = self.dense(1, use_bias=True, name="logit")(features)[:, 0]
        logits = logits.astype(self.stable_dtype)
        if labels is not None and self.conditioning == "projection":
            logits = logits + self._projected(features, labels[self.reference_size :])
        if self.conditioning != "auxiliary":
            return Verdict(logits)
        class_logits = self.dense(self.num_classes, use_bias=True, name="classes")
        return Verdict(logits, class_logits(features).astype(self.stable_dtype))

    def _conv(
        self, layer: int, *, name: str | None = None, use_bias: bool = True
    ) -> nn.Module:
        return self.conv(
            self.filters[layer] * self.filter_multiplier,
            self.kernel_sizes[layer],
            strides=self.strides[layer],
            use_bias=use_bias and self.biased(normalized=self.norm_layers[layer]),
            name=name or f"conv_{layer}",
        )

    def _projected(self, features: jax.Array, labels: jax.Array) -> jax.Array:
        """Products of features [B, F] with their classes' vectors, [B]."""
        embed = self.dense(features.shape[-1], use_bias=False, name="class_embedding")
        products = embed(self.one_hot(labels)) * features
        return products.sum(axis=-1, dtype=self.stable_dtype)

    def _labelled(self, maps: jax.Array, one_hot: jax.Array) -> jax.Array:
        """The first convolution, of images [C, H, W, B] joined with their labels.

        A convolution of joined maps is the sum of two convolutions, and the labels'
        is computed once per class, with equal results and gradients. Initialisers that
        look at the fan-in see that of each part.
        """
        _, height, width, _ = maps.shape
        classes = jnp.eye(self.num_classes, dtype=jnp.float32)
        of_labels = self._conv(0, name="conv_0_label", use_bias=False)
        if self.conditioning == "one_hot":
            label_maps = jnp.broadcast_to(
                classes[:, None, None, :],
                (self.num_classes, height, width, self.num_classes),
            )
        else:
            filters = self.branch_filters * self.filter_multiplier

            def branch(maps, name):
                layer = self.conv(
                    filters, self.branch_kernel_size, use_bias=self.use_bias, name=name
                )
                return layer(maps)

            drawn = self.dense(
                height * width * filters, use_bias=self.use_bias, name="label_maps"
            )(classes)
            label_maps = branch(to_maps(drawn, height, width), "label_branch")
            maps = branch(maps, "image_branch")
        return self._conv(0)(maps) + fan_out(of_labels(label_maps), one_hot)

    def _compare(self, features: jax.Array) -> jax.Array:
        """Minibatch discrimination among the examples, and among the reference."""
        compare = MinibatchDiscrimination(
            self.minibatch_kernels,
            self.minibatch_kernel_dim,
            axis_name=self.axis_name,
            name="minibatch_discrimination",
        )
        features = features.astype(self.stable_dtype)
        examples = compare(features[self.reference_size :])
        if not self.reference_size:
            return examples
        reference = compare(features[: self.reference_size], spread=False)
        return jnp.concatenate([reference, examples])
