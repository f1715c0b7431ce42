"""The residual networks of R3GAN as a PyTorch program, to be timed beside gan_jax.

As in torch_dcgan.py everything is mirrored up and down and left to right; images are
[B, C, H, W].
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_dcgan import MEMORY_FORMATS, Training


class Residual(nn.Module):
    """What both players share, made and filled as gan_jax's are."""

    def __init__(self, settings, params: dict, num_classes: int):
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes
        self.layers = nn.ModuleDict()
        for name, values in params.items():
            if name and values["kernel"].ndim == 4:
                self.layers[name] = _filled_conv(values)
            elif name:
                weight = torch.tensor(values["kernel"].T.copy())
                layer = nn.Linear(*values["kernel"].shape, bias=False)
                layer.weight = nn.Parameter(weight)
                self.layers[name] = layer
        basis = params[""]["basis"][None, :, ::-1, ::-1]
        self.basis = nn.Parameter(torch.tensor(basis.copy()))

    def embed(self, labels: torch.Tensor) -> torch.Tensor:
        one_hot = functional.one_hot(labels, self.num_classes).float()
        return self.layers["class_embedding"](one_hot)

    def blocks(self, maps: torch.Tensor, stage: int) -> torch.Tensor:
        slope = self.settings.negative_slope
        for block in range(self.settings.num_blocks):
            inside = maps
            for layer in range(2):
                conv = self.layers[f"stage_{stage}_block_{block}_conv_{layer}"]
                inside = functional.leaky_relu(conv(inside), slope)
            maps = maps + self.layers[f"stage_{stage}_block_{block}_conv_2"](inside)
        return maps

    def widened(self, maps: torch.Tensor, stage: int) -> torch.Tensor:
        name = f"stage_{stage}_widen"
        return self.layers[name](maps) if name in self.layers else maps


class Generator(Residual):
    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        inputs = torch.cat([latents, self.embed(labels)], dim=1)
        maps = self.layers["basis_factors"](inputs)[:, :, None, None] * self.basis
        for stage in range(len(self.settings.widths)):
            maps = self.widened(maps, stage)
            if stage:
                maps = upsample(maps)
            maps = self.blocks(maps, stage)
        return self.layers["output"](maps)


class Discriminator(Residual):
    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        maps = self.layers["input"](images)
        for stage in range(len(self.settings.widths)):
            if stage:
                maps = downsample(maps)
            maps = self.widened(maps, stage)
            maps = self.blocks(maps, stage)
        features = self.layers["features"]((maps * self.basis).sum(dim=(2, 3)))
        return (features * self.embed(labels)).sum(dim=1)


class R3GANTraining(Training):
    """Relativistic pairs with R1 + R2; what is scheduled keeps its first value."""

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
        if config.loss.name != "relativistic" or set(config.terms) != {"penalty"}:
            raise ValueError("residual networks are written for R3GAN's loss alone")
        if compile_mode:
            raise ValueError("torch.compile has no second derivatives")
        self.config, self.num_classes = config, num_classes
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.generator, self.discriminator = (
            network(config[player], params[player], num_classes).to(
                memory_format=self.memory_format
            )
            for player, network in (
                ("generator", Generator),
                ("discriminator", Discriminator),
            )
        )
        self.average = [param.detach().clone() for param in self.generator.parameters()]
        self.optimizers = {
            player: self.make_optimizer(player, adam)
            for player in ("generator", "discriminator")
        }

    def discriminator_losses(self, images, labels, latents, fake_labels):
        with torch.no_grad():
            real = images.float().mul_(2 / 255).sub_(1)
            real = real.contiguous(memory_format=self.memory_format)
            fake = self.generator(latents, labels)
        self.real = real, labels
        joint = torch.cat([real, fake]).requires_grad_(True)
        logits = self.discriminator(joint, torch.cat([labels, labels]))
        (gradients,) = torch.autograd.grad(logits.sum(), joint, create_graph=True)
        penalty = 2 * gradients.square().sum(dim=(1, 2, 3)).mean()
        of_real, of_fake = logits.chunk(2)
        loss = functional.softplus(of_fake - of_real).mean()
        losses = {"discriminator_loss": loss.detach(), "penalty": penalty.detach()}
        return loss + self.config.terms.penalty.gamma / 2 * penalty, losses

    def generator_update(self, latents, labels):
        real, labels = self.real
        self.discriminator.requires_grad_(False)
        with torch.no_grad():
            of_real = self.discriminator(real, labels)
        of_fake = self.discriminator(self.generator(latents, labels), labels)
        loss = functional.softplus(of_real - of_fake).mean()
        self.update("generator", loss)
        self.discriminator.requires_grad_(True)
        if decay := self.config.ema_decay:
            with torch.no_grad():
                params = list(self.generator.parameters())
                torch._foreach_lerp_(self.average, params, 1 - decay)
        return {"generator_loss": loss.detach()}


def upsample(maps: torch.Tensor) -> torch.Tensor:
    """By 2, with the filter (1, 3, 3, 1) / 4 and zeros beyond the edges."""
    for axis in (2, 3):
        before, after = _neighbours(maps, axis)
        pairs = torch.stack([3 * maps + before, 3 * maps + after], axis + 1) / 4
        maps = pairs.flatten(axis, axis + 1)
    return maps


def downsample(maps: torch.Tensor) -> torch.Tensor:
    """By 2, with the filter (1, 3, 3, 1) / 8."""
    for axis in (2, 3):
        even, odd = maps.unflatten(axis, (-1, 2)).unbind(axis + 1)
        before, _ = _neighbours(odd, axis)
        _, after = _neighbours(even, axis)
        maps = (3 * (even + odd) + before + after) / 8
    return maps


def _neighbours(maps: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    edge = torch.zeros_like(maps.narrow(axis, 0, 1))
    last = maps.shape[axis] - 1
    return (
        torch.cat([edge, maps.narrow(axis, 0, last)], axis),
        torch.cat([maps.narrow(axis, 1, last), edge], axis),
    )


def _filled_conv(values: dict[str, np.ndarray]) -> nn.Conv2d:
    kernel = values["kernel"][::-1, ::-1].transpose(3, 2, 0, 1)
    features, channels, size, _ = kernel.shape
    layer = nn.Conv2d(
        channels, features, size, padding=size // 2, bias="bias" in values
    )
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(kernel.copy()))
        if "bias" in values:
            layer.bias.copy_(torch.tensor(values["bias"]))
    return layer
