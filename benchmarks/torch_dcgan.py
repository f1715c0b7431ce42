"""The DCGAN family as PyTorch programs, to be timed beside gan_jax.

Written as one writes them in PyTorch: each example has its own label maps, and layers
are PyTorch's. Its SAME padding is the mirror image of Flax's where a stride leaves one
row more on one side; so everything here is mirrored up and down and left to right:
images, kernels and first feature maps. Images are [B, C, H, W].
"""

import operator
from collections.abc import Callable, Iterator

import numpy as np
import torch
from ml_collections import ConfigDict
from torch import nn
from torch.nn import functional

from benchmarks.torch_mlp_cgan import ADAM_IMPLEMENTATIONS

# What is not written here, with the only value that a config may have.
UNWRITTEN = {
    "g_steps": 1,
    "ema_decay": 0.0,
    "data.flip": False,
    "augmentations": (),
    "generator_optimizer.schedule": "constant",
    "discriminator_optimizer.schedule": "constant",
}
# Fields of terms that are written here, with the only value that they may have.
WRITTEN_TERMS = {
    "gradient_penalty": {},
    "discriminator_class_loss": {"weight": 1.0, "classify_generated": True},
    "generator_class_loss": {"weight": 1.0},
}
MEMORY_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels last": torch.channels_last,
}
_cross_entropy = functional.binary_cross_entropy_with_logits


def implementations() -> list[tuple[str, str]]:
    """Memory formats and Adams; which are fastest together depends on the machine."""
    return [(memory_format, "fused") for memory_format in MEMORY_FORMATS] + [
        ("contiguous", adam) for adam in ADAM_IMPLEMENTATIONS if adam != "fused"
    ]


def mirrored(images: np.ndarray) -> torch.Tensor:
    """[N, H, W, C] as this module takes them."""
    return torch.tensor(images[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy())


class _Network(nn.Module):
    """Layers by name, made and filled as gan_jax's are."""

    def __init__(self, settings: ConfigDict, params: dict, num_classes: int):
        super().__init__()
        if settings.norm not in ("batch", "none"):
            raise ValueError(f"the norm {settings.norm!r} is not written in PyTorch")
        self.settings = settings
        self.num_classes = num_classes
        self.dropout = nn.Dropout(settings.dropout_rate)
        self.layers = nn.ModuleDict()
        self.params = params

    def add(self, name: str, layer: nn.Module, **values: np.ndarray) -> None:
        with torch.no_grad():
            for field, value in values.items():
                target = getattr(layer, field)
                if tuple(target.shape) != value.shape:
                    raise ValueError(
                        f"{name}.{field} is {value.shape} of {target.shape}"
                    )
                target.copy_(torch.tensor(np.ascontiguousarray(value)))
        self.layers[name] = layer

    def add_dense(self, name: str, order: Callable | None = None, rows=None) -> None:
        """`order` and `rows` rearrange outputs and inputs that are pixels."""
        params = self.params[name]
        kernel = params["kernel"]
        if rows is not None:
            kernel = rows(kernel)
        if order is not None:
            kernel = order(kernel)
        bias = params.get("bias")
        values = {"weight": kernel.T}
        if bias is not None:
            values["bias"] = bias if order is None else order(bias)
        self.add(name, nn.Linear(*kernel.shape, bias=bias is not None), **values)

    def add_norm(self, name: str, kind: type[nn.Module], order=None) -> None:
        scale, bias = (self.params[name][field] for field in ("scale", "bias"))
        if order is not None:
            scale, bias = order(scale), order(bias)
        layer = kind(
            len(scale),
            eps=self.settings.norm_epsilon,
            momentum=1 - self.settings.norm_momentum,
        )
        self.add(name, layer, weight=scale, bias=bias)

    def add_conv(self, name: str, strides: int, kernel: np.ndarray | None = None):
        params = self.params[name]
        kernel = params["kernel"] if kernel is None else kernel
        size, _, channels, features = kernel.shape
        bias = {"bias": params["bias"]} if "bias" in params else {}
        layer = nn.Conv2d(channels, features, size, strides, size // 2, bias=bool(bias))
        weight = kernel[::-1, ::-1].transpose(3, 2, 0, 1)
        self.add(name, layer, weight=weight, **bias)

    def add_conv_transpose(self, name: str, strides: int, kernel=None) -> None:
        params = self.params[name]
        kernel = params["kernel"] if kernel is None else kernel
        size, _, channels, features = kernel.shape
        bias = {"bias": params["bias"]} if "bias" in params else {}
        layer = nn.ConvTranspose2d(
            channels,
            features,
            size,
            strides,
            size // 2,
            output_padding=strides - 1,
            bias=bool(bias),
        )
        self.add(name, layer, weight=kernel.transpose(2, 3, 0, 1), **bias)

    def activate(
        self, maps: torch.Tensor, name: str, norm: bool, *, drop=False, pool=False
    ) -> torch.Tensor:
        after = self.settings.norm_after_activation
        if norm and not after:
            maps = self.layers[f"{name}_norm"](maps)
        maps = functional.leaky_relu(maps, self.settings.negative_slope)
        if drop:
            maps = self.dropout(maps)
        if pool:
            # Mirrored, an odd last row or column that is left out comes first.
            height, width = maps.shape[2:]
            maps = functional.max_pool2d(maps[:, :, height % 2 :, width % 2 :], 2)
        if norm and after:
            maps = self.layers[f"{name}_norm"](maps)
        return maps

    def one_hot(self, labels: torch.Tensor) -> torch.Tensor:
        return functional.one_hot(labels, self.num_classes).float()


def _pixels_last(height: int, width: int) -> Callable[[np.ndarray], np.ndarray]:
    """Rearranges a last axis of (H, W, C) into mirrored (C, H, W)."""

    def order(values: np.ndarray) -> np.ndarray:
        maps = values.reshape(*values.shape[:-1], height, width, -1)
        maps = np.moveaxis(maps[..., ::-1, ::-1, :], -1, -3)
        return maps.reshape(values.shape)

    return order


class Generator(_Network):
    """Latents [B, Z] and labels [B] to images [B, C, H, W] in [-1, 1]."""

    def __init__(self, settings, params, image_shape, num_classes):
        super().__init__(settings, params, num_classes)
        factor = int(np.prod(settings.strides))
        self.size = image_shape[0] // factor, image_shape[1] // factor
        order = _pixels_last(*self.size)
        for layer in range(len(settings.dense_sizes)):
            self.add_dense(f"dense_{layer}")
            self.add_norm(f"dense_{layer}_norm", nn.BatchNorm1d)
        if settings.conditioning == "embedding":
            table = params["class_embedding"]["embedding"]
            self.add("class_embedding", nn.Embedding(*table.shape), weight=table)
        self.branches = settings.conditioning == "branches"
        names = ("latent", "label") if self.branches else ("",)
        first_kernels = [params["conv_0"]["kernel"]]
        for name in names:
            projection = f"{name}_projection" if name else "projection"
            self.add_dense(projection, order)
            if settings.projection_norm:
                self.add_norm(f"{projection}_norm", nn.BatchNorm1d, order)
            if name:
                self.add_conv_transpose(f"{name}_branch", 1)
        if self.branches:
            first_kernels.append(params["conv_0_label"]["kernel"])
        for layer, strides in enumerate(settings.strides):
            kernel = np.concatenate(first_kernels, axis=2) if layer == 0 else None
            self.add_conv_transpose(f"conv_{layer}", strides, kernel)
            if layer < len(settings.filters):
                self.add_norm(f"conv_{layer}_norm", nn.BatchNorm2d)

    def project(self, features: torch.Tensor, name: str) -> torch.Tensor:
        features = self.layers[name](features)
        if self.settings.projection_activation:
            features = self.activate(features, name, self.settings.projection_norm)
        elif self.settings.projection_norm:
            features = self.layers[f"{name}_norm"](features)
        return features.view(len(features), -1, *self.size)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        layers = self.layers
        if self.settings.conditioning == "embedding":
            latents = latents * layers["class_embedding"](labels)
        for layer in range(len(self.settings.dense_sizes)):
            name = f"dense_{layer}"
            latents = self.activate(layers[name](latents), name, True)
        if self.branches:
            of_latents = self.project(latents, "latent_projection")
            of_labels = self.project(self.one_hot(labels), "label_projection")
            maps = torch.cat(
                [
                    layers["latent_branch"](of_latents),
                    layers["label_branch"](of_labels),
                ],
                dim=1,
            )
        else:
            maps = self.project(latents, "projection")
        for layer in range(len(self.settings.filters)):
            maps = layers[f"conv_{layer}"](maps)
            maps = self.activate(maps, f"conv_{layer}", True)
        maps = self.dropout(maps)
        return torch.tanh(layers[f"conv_{len(self.settings.filters)}"](maps))


class Discriminator(_Network):
    """Images [B, C, H, W] and labels [B] to logits [B] and, or None, class logits."""

    def __init__(self, settings, params, image_shape, num_classes):
        super().__init__(settings, params, num_classes)
        self.image_size = image_shape[:2]
        height, width = self.image_size
        self.branches = settings.conditioning == "branches"
        first_kernels = [params["conv_0"]["kernel"]]
        if self.branches:
            self.add_dense("label_maps", _pixels_last(height, width))
            self.add_conv("label_branch", 1)
            self.add_conv("image_branch", 1)
            first_kernels.append(params["conv_0_label"]["kernel"])
        for layer, strides in enumerate(settings.strides):
            kernel = np.concatenate(first_kernels, axis=2) if layer == 0 else None
            self.add_conv(f"conv_{layer}", strides, kernel)
            if settings.norm_layers[layer]:
                self.add_norm(f"conv_{layer}_norm", nn.BatchNorm2d)
            height, width = -(-height // strides), -(-width // strides)
            if settings.pool_layers[layer]:
                height, width = height // 2, width // 2
        num_maps = settings.filters[-1] * settings.filter_multiplier
        num_pixels = height * width * num_maps
        order = _pixels_last(height, width)

        def rows(kernel):
            return np.concatenate([order(kernel[:num_pixels].T).T, kernel[num_pixels:]])

        if settings.minibatch_kernels:
            tensor = params["minibatch_discrimination"]["kernel"]
            flat = tensor.reshape(num_pixels, -1)
            self.tensor = nn.Parameter(torch.tensor(rows(flat)).view(*tensor.shape))
        for layer in range(len(settings.dense_sizes)):
            self.add_dense(f"dense_{layer}", rows=rows if layer == 0 else None)
            if settings.dense_norm:
                self.add_norm(f"dense_{layer}_norm", nn.BatchNorm1d)
        heads = ("logit", "classes") if "classes" in params else ("logit",)
        for name in heads:
            self.add_dense(name, rows=None if settings.dense_sizes else rows)

    def forward(self, images: torch.Tensor, labels: torch.Tensor):
        layers, maps = self.layers, images
        if self.branches:
            drawn = layers["label_maps"](self.one_hot(labels))
            drawn = drawn.view(len(images), -1, *self.image_size)
            maps = torch.cat(
                [layers["image_branch"](images), layers["label_branch"](drawn)], dim=1
            )
        follows = zip(self.settings.norm_layers, self.settings.pool_layers, strict=True)
        for layer, (norm, pool) in enumerate(follows):
            maps = layers[f"conv_{layer}"](maps)
            maps = self.activate(maps, f"conv_{layer}", norm, drop=True, pool=pool)
        features = maps.flatten(start_dim=1)
        if self.settings.minibatch_kernels:
            features = torch.cat([features, self.closeness(features)], dim=1)
        for layer in range(len(self.settings.dense_sizes)):
            name = f"dense_{layer}"
            features = self.activate(
                layers[name](features), name, self.settings.dense_norm
            )
        logits = layers["logit"](features).squeeze(1)
        return logits, layers["classes"](features) if "classes" in layers else None

    def closeness(self, features: torch.Tensor) -> torch.Tensor:
        """Minibatch discrimination: [B, kernels]."""
        projected = torch.einsum("bf,fkd->bkd", features, self.tensor)
        distances = (projected[:, None] - projected[None]).abs().sum(-1)
        return torch.exp(-distances).sum(1)


class Training:
    """Both players, their optimisers and the train step of one config."""

    def __init__(
        self,
        config,
        params,
        image_shape,
        num_classes,
        adam,
        memory_format,
        compile_mode: str | None = None,
    ):
        """With `compile_mode`, one of torch.compile's, both losses are compiled."""
        for player in ("generator", "discriminator"):
            if config[player].name != "dcgan":
                raise ValueError(
                    f"the {player} {config[player].name} is not written in PyTorch here"
                )
        for field, value in UNWRITTEN.items():
            given = operator.attrgetter(field)(config)
            if given != value:
                raise ValueError(f"config.{field} is {given!r}: not written in PyTorch")
        for name, term in config.terms.items():
            written = WRITTEN_TERMS.get(name)
            if written is None or any(
                term[field] != written[field] for field in written
            ):
                raise ValueError(f"config.terms.{name} is not written in PyTorch")
        if config.loss.name not in ("non_saturating", "wasserstein"):
            raise ValueError(f"the {config.loss.name} loss is not written in PyTorch")
        smoothing = config.loss.get("label_smoothing", "none")
        if smoothing not in ("none", "two_sided"):
            raise ValueError(f"{smoothing} smoothing is not written in PyTorch")
        modes = config.modes
        if config.joint_batches and modes.discriminator_in_generator_step == "train":
            raise ValueError(
                "joint batches in the generator's step are not written in PyTorch"
            )
        self.config = config
        self.num_classes = num_classes
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.generator, self.discriminator = (
            network(config[player], params[player], image_shape, num_classes).to(
                memory_format=self.memory_format
            )
            for player, network in (
                ("generator", Generator),
                ("discriminator", Discriminator),
            )
        )
        for network in (self.generator, self.discriminator):
            del network.params  # The layers have them now: no copy stays in memory.
        # As the losses of gan_jax: the report's D mixes the examples of a batch.
        settings = config.discriminator
        self.mixes = settings.norm == "batch" and (
            any(settings.norm_layers) or (settings.dense_norm and settings.dense_sizes)
        )
        self.mixes = self.mixes or settings.minibatch_kernels > 0
        self.optimizers = {
            player: self.make_optimizer(player, adam)
            for player in ("generator", "discriminator")
        }
        if compile_mode:
            self.discriminator_losses = torch.compile(
                self.discriminator_losses, mode=compile_mode
            )
            self.generator_losses = torch.compile(
                self.generator_losses, mode=compile_mode
            )

    def make_optimizer(self, player: str, adam: str) -> torch.optim.Optimizer:
        params = getattr(self, player).parameters()
        settings = self.config[f"{player}_optimizer"]
        if settings.name == "sgd":
            return torch.optim.SGD(params, lr=settings.learning_rate)
        if settings.name == "rmsprop":
            decay = settings.arguments.get("decay", 0.9)
            return torch.optim.RMSprop(params, lr=settings.learning_rate, alpha=decay)
        if settings.name == "adagrad":
            return torch.optim.Adagrad(params, lr=settings.learning_rate)
        if settings.name != "adam":
            raise ValueError(f"{settings.name} is not written in PyTorch")
        return torch.optim.Adam(
            params,
            lr=settings.learning_rate,
            betas=(settings.arguments.b1, settings.arguments.b2),
            eps=settings.arguments.get("eps", 1e-8),
            **ADAM_IMPLEMENTATIONS[adam],
        )

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        size = self.config.batch_size
        latents = torch.randn(size, self.config.latent.size)
        if self.config.latent.prior == "uniform":
            latents = torch.rand(size, self.config.latent.size) * 2 - 1
        return latents, torch.randint(self.num_classes, (size,))

    def discriminator_update(
        self, images, labels, latents, fake_labels
    ) -> dict[str, torch.Tensor]:
        loss, losses = self.discriminator_losses(images, labels, latents, fake_labels)
        self.update("discriminator", loss)
        if self.config.discriminator_optimizer.weight_clip:
            clip = self.config.discriminator_optimizer.weight_clip
            with torch.no_grad():
                for param in self.discriminator.parameters():
                    param.clamp_(-clip, clip)
        return losses

    def update(self, player: str, loss: torch.Tensor) -> None:
        loss.backward()
        self.optimizers[player].step()
        self.optimizers[player].zero_grad(set_to_none=True)

    def discriminator_losses(
        self, images, labels, latents, fake_labels
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss to minimise, and the parts of it that are logged."""
        config = self.config
        penalised = config.terms.get("gradient_penalty", {}).get("weight", 0.0)
        if penalised:
            fake_labels = labels
        with torch.no_grad():
            fake = self.generator(latents, fake_labels)
            real = images.float().mul_(2 / 255).sub_(1)
            real = real.contiguous(memory_format=self.memory_format)
        if config.joint_batches or not self.mixes:
            logits, classes = self.discriminator(
                torch.cat([real, fake]), torch.cat([labels, fake_labels])
            )
            real_logits, fake_logits = logits.chunk(2)
            real_classes, fake_classes = (
                (None, None) if classes is None else classes.chunk(2)
            )
        else:
            real_logits, real_classes = self.discriminator(real, labels)
            fake_logits, fake_classes = self.discriminator(fake, fake_labels)
        smoothing = 0.0
        if config.loss.get("label_smoothing", "none") != "none":
            smoothing = config.loss.label_smoothing_amount
        if config.loss.name == "wasserstein":
            loss = fake_logits.mean() - real_logits.mean()
        else:
            loss = _cross_entropy(
                real_logits, torch.full_like(real_logits, 1 - smoothing / 2)
            ) + _cross_entropy(fake_logits, torch.full_like(fake_logits, smoothing / 2))
        losses = {"discriminator_loss": loss.detach()}
        if real_classes is not None:
            class_loss = self.class_loss(real_classes, labels)
            class_loss = class_loss + self.class_loss(fake_classes, fake_labels)
            losses["discriminator_class_loss"] = class_loss.detach()
            loss = loss + class_loss
        if penalised:
            loss = loss + penalised * self.gradient_penalty(real, fake, labels)
        return loss, losses

    def gradient_penalty(self, real, fake, labels) -> torch.Tensor:
        fractions = torch.rand(len(real), 1, 1, 1)
        images = (fractions * real + (1 - fractions) * fake).requires_grad_(True)
        logits, _ = self.discriminator(images, labels)
        (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return ((gradients.flatten(start_dim=1).norm(dim=1) - 1) ** 2).mean()

    def class_loss(self, class_logits, labels) -> torch.Tensor:
        smoothing = self.config.terms.discriminator_class_loss.smoothing
        return functional.cross_entropy(class_logits, labels, label_smoothing=smoothing)

    def generator_update(self, latents, labels) -> dict[str, torch.Tensor]:
        modes = self.config.modes
        self.discriminator.requires_grad_(False)
        self.discriminator.train(modes.discriminator_in_generator_step == "train")
        loss, losses = self.generator_losses(latents, labels)
        self.update("generator", loss)
        self.discriminator.requires_grad_(True)
        self.discriminator.train()
        return losses

    def generator_losses(
        self, latents, labels
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        logits, classes = self.discriminator(self.generator(latents, labels), labels)
        if self.config.loss.name == "wasserstein":
            loss = -logits.mean()
        else:
            loss = _cross_entropy(logits, torch.ones_like(logits))
        losses = {"generator_loss": loss.detach()}
        if classes is not None:
            class_loss = self.class_loss(classes, labels)
            losses["generator_class_loss"] = class_loss.detach()
            loss = loss + class_loss
        return loss, losses

    def run_steps(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        order: Iterator[torch.Tensor],
        num_steps: int,
    ) -> dict[str, float]:
        """The last step's losses, read once at the end."""
        for _ in range(num_steps):
            torch.compiler.cudagraph_mark_step_begin()
            for _ in range(self.config.d_steps):
                positions = next(order)
                losses = self.discriminator_update(
                    images.index_select(0, positions),
                    labels.index_select(0, positions),
                    *self.draw(),
                )
            losses |= self.generator_update(*self.draw())
        return {name: float(value) for name, value in losses.items()}
