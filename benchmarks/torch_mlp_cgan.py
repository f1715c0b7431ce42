"""Report D's fully connected cGAN as a PyTorch program, to be timed beside gan_jax.

The layers have the names of gan_jax.networks.mlp, so that parameters can be copied by
name. Images are rows of pixels here: [B, H * W * C].
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Adam's implementations in PyTorch; which one is fastest depends on the machine.
ADAM_IMPLEMENTATIONS = {
    "for loop": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}
METRICS = ("discriminator_loss", "real_accuracy", "fake_accuracy", "generator_loss")


class Architecture(NamedTuple):
    """What the two networks are built from."""

    latent_size: int
    num_pixels: int
    num_classes: int
    hidden_size: int
    label_width: int
    negative_slope: float
    dropout_rate: float


class Adam(NamedTuple):
    """Settings of both players' optimiser."""

    learning_rate: float
    betas: tuple[float, float]
    implementation: str  # one of ADAM_IMPLEMENTATIONS


class TrainingData(NamedTuple):
    """All real examples, in memory."""

    images: torch.Tensor  # [N, H * W * C] uint8
    labels: torch.Tensor  # [N] int64


def shuffled_batches(num_examples: int, batch_size: int) -> Iterator[torch.Tensor]:
    """Positions of batch after batch, without end; each epoch in a new order."""
    while True:
        order = torch.randperm(num_examples)[: num_examples // batch_size * batch_size]
        yield from order.split(batch_size)


class ConditionalLinear(nn.Module):
    """A linear layer of which `label_width` units see only the label."""

    def __init__(self, in_features: int, architecture: Architecture, *, bias: bool):
        super().__init__()
        width = architecture.label_width
        self.input = nn.Linear(in_features, architecture.hidden_size - width, bias=bias)
        self.label = nn.Linear(architecture.num_classes, width, bias=bias)
        # Rows of an identity matrix: cheaper than functional.one_hot, which checks the
        # labels' range and makes int64.
        one_hot = torch.eye(architecture.num_classes)
        self.register_buffer("one_hot", one_hot, persistent=False)

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        one_hot = self.one_hot.index_select(0, labels)
        return torch.cat([self.input(inputs), self.label(one_hot)], dim=1)


class Generator(nn.Module):
    """Latents [B, Z] and labels [B] to images [B, H * W * C] in [-1, 1]."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        size = architecture.hidden_size
        self.hidden_0 = ConditionalLinear(
            architecture.latent_size, architecture, bias=False
        )
        self.hidden_0_norm = nn.BatchNorm1d(size)
        self.hidden_1 = nn.Linear(size, size, bias=False)
        self.hidden_1_norm = nn.BatchNorm1d(size)
        self.output = nn.Linear(size, architecture.num_pixels, bias=False)
        self.output_norm = nn.BatchNorm1d(architecture.num_pixels)
        self.activation = nn.LeakyReLU(architecture.negative_slope, inplace=True)
        self.dropout = nn.Dropout(architecture.dropout_rate)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        outputs = self.hidden_0_norm(self.hidden_0(latents, labels))
        outputs = self.dropout(self.activation(outputs))
        outputs = self.hidden_1_norm(self.hidden_1(outputs))
        outputs = self.dropout(self.activation(outputs))
        return torch.tanh(self.output_norm(self.output(outputs)))


class Discriminator(nn.Module):
    """Images [B, H * W * C] and labels [B] to logits [B]."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        size = architecture.hidden_size
        self.hidden_0 = ConditionalLinear(
            architecture.num_pixels, architecture, bias=True
        )
        self.hidden_1 = nn.Linear(size, size)
        self.logit = nn.Linear(size, 1)
        self.activation = nn.LeakyReLU(architecture.negative_slope, inplace=True)
        self.dropout = nn.Dropout(architecture.dropout_rate)

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        outputs = self.dropout(self.activation(self.hidden_0(images, labels)))
        outputs = self.dropout(self.activation(self.hidden_1(outputs)))
        return self.logit(outputs).squeeze(1)


class Training:
    """Both players in train mode, their optimisers, and sums of their metrics."""

    def __init__(
        self,
        architecture: Architecture,
        adam: Adam,
        *,
        generator_params: dict[str, np.ndarray],
        discriminator_params: dict[str, np.ndarray],
        compile_mode: str | None = None,
    ):
        """Starts from Flax's parameters, keyed by their path joined with dots.

        With `compile_mode`, one of torch.compile's, both losses are compiled.
        """
        self.architecture = architecture
        self.generator = Generator(architecture)
        self.discriminator = Discriminator(architecture)
        _copy_params(self.generator, generator_params)
        _copy_params(self.discriminator, discriminator_params)
        self.generator_optimizer = _optimizer(self.generator, adam)
        self.discriminator_optimizer = _optimizer(self.discriminator, adam)
        self.metric_sums = {name: torch.zeros(()) for name in METRICS}
        if compile_mode:
            self.discriminator_losses = torch.compile(
                self.discriminator_losses, mode=compile_mode
            )
            self.generator_losses = torch.compile(
                self.generator_losses, mode=compile_mode
            )

    def discriminator_update(
        self,
        *,
        real_images: torch.Tensor,
        real_labels: torch.Tensor,
        real_targets: torch.Tensor,
        latents: torch.Tensor,
        fake_labels: torch.Tensor,
        metric_weight: float,
    ) -> None:
        """Updates the discriminator on real images, uint8, and as many generated."""
        loss, metrics = self.discriminator_losses(
            real_images, real_labels, real_targets, latents, fake_labels
        )
        self._update(self.discriminator_optimizer, loss)
        self._add_metrics(metric_weight, **metrics)

    def discriminator_losses(
        self, real_images, real_labels, real_targets, latents, fake_labels
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss to minimise, and metrics."""
        with torch.no_grad():
            fake_images = self.generator(latents, fake_labels)
            images = real_images.float().mul_(2 / 255).sub_(1)
        logits = self.discriminator(
            torch.cat([images, fake_images]), torch.cat([real_labels, fake_labels])
        )
        real_logits, fake_logits = logits.chunk(2)
        loss = _cross_entropy(real_logits, real_targets) + _cross_entropy(
            fake_logits, torch.zeros_like(fake_logits)
        )
        return loss, {
            "discriminator_loss": loss.detach(),
            "real_accuracy": (real_logits.detach() > 0).float().mean(),
            "fake_accuracy": (fake_logits.detach() < 0).float().mean(),
        }

    def generator_update(self, *, latents: torch.Tensor, labels: torch.Tensor) -> None:
        """Updates the generator; no gradient of the discriminator is computed."""
        self.discriminator.requires_grad_(False)
        loss = self.generator_losses(latents, labels)
        self._update(self.generator_optimizer, loss)
        self.discriminator.requires_grad_(True)
        self._add_metrics(1.0, generator_loss=loss.detach())

    def generator_losses(self, latents, labels) -> torch.Tensor:
        """The loss to minimise."""
        logits = self.discriminator(self.generator(latents, labels), labels)
        return _cross_entropy(logits, torch.ones_like(logits))

    def run_steps(
        self,
        data: TrainingData,
        order: Iterator[torch.Tensor],
        num_steps: int,
        *,
        d_steps: int,
        label_smoothing_amount: float,
    ) -> None:
        """Train steps of `d_steps` updates of D, each on its own batch, then one of G.

        `order` gives the positions of each batch, see `shuffled_batches`. Label
        smoothing is random.
        """
        for _ in range(num_steps):
            torch.compiler.cudagraph_mark_step_begin()
            for _ in range(d_steps):
                positions = next(order)
                batch_size = len(positions)
                latents, labels = self._draw(batch_size)
                self.discriminator_update(
                    real_images=data.images.index_select(0, positions),
                    real_labels=data.labels.index_select(0, positions),
                    real_targets=1 - label_smoothing_amount * torch.rand(batch_size),
                    latents=latents,
                    fake_labels=labels,
                    metric_weight=1 / d_steps,
                )
            latents, labels = self._draw(batch_size)
            self.generator_update(latents=latents, labels=labels)

    def take_metric_sums(self) -> dict[str, float]:
        """The metrics' sums since they were last taken."""
        sums = {name: value.item() for name, value in self.metric_sums.items()}
        self.metric_sums = {name: torch.zeros(()) for name in METRICS}
        return sums

    def _update(self, optimizer: torch.optim.Adam, loss: torch.Tensor) -> None:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _draw(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            torch.randn(batch_size, self.architecture.latent_size),
            torch.randint(self.architecture.num_classes, (batch_size,)),
        )

    def _add_metrics(self, weight: float, **metrics: torch.Tensor) -> None:
        for name, value in metrics.items():
            self.metric_sums[name].add_(value, alpha=weight)


_cross_entropy = functional.binary_cross_entropy_with_logits


def _optimizer(module: nn.Module, adam: Adam) -> torch.optim.Adam:
    return torch.optim.Adam(
        module.parameters(),
        lr=adam.learning_rate,
        betas=adam.betas,
        **ADAM_IMPLEMENTATIONS[adam.implementation],
    )


@torch.no_grad()
def _copy_params(module: nn.Module, params: dict[str, np.ndarray]) -> None:
    targets = dict(module.named_parameters())
    for path, value in params.items():
        layer, _, name = path.rpartition(".")
        # Flax: a dense kernel is [in, out], and batch norm's factor is called scale.
        target = targets.pop(f"{layer}.{'bias' if name == 'bias' else 'weight'}")
        source = torch.tensor(value.T if name == "kernel" else value)
        if source.shape != target.shape:
            raise ValueError(
                f"{path} is {tuple(source.shape)}, expected {tuple(target.shape)}"
            )
        target.copy_(source)
    if targets:
        raise ValueError(f"no values for {', '.join(targets)}")
