"""Sampling, the judges, their training and the scores in PyTorch.

To be timed beside gan_jax. As in `benchmarks.torch_dcgan`, images are [B, C, H, W] and
everything is mirrored up and down and left to right. The judges are those of
gan_jax.networks.classifiers, written with PyTorch's own layers.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_dcgan import MEMORY_FORMATS
from benchmarks.torch_mlp_cgan import ADAM_IMPLEMENTATIONS, shuffled_batches
from gan_jax.classifier import ClassifierSettings


@torch.inference_mode()
def generate(
    generator: nn.Module, latents: torch.Tensor, labels: torch.Tensor, batch_size: int
) -> torch.Tensor:
    """Images uint8 [N, C, H, W] for latents [N, Z] and labels [N]."""
    batches = zip(latents.split(batch_size), labels.split(batch_size), strict=True)
    return torch.cat(
        [
            generator(*batch).add_(1).mul_(127.5).round_().to(torch.uint8)
            for batch in batches
        ]
    )


@torch.inference_mode()
def logits_of(
    network: nn.Module, images: torch.Tensor, batch_size: int, flip: bool
) -> torch.Tensor:
    """Logits [N, classes] of images uint8 [N, C, H, W], in eval mode.

    With `flip` means over an image and its mirror image.
    """
    network.eval()
    logits = []
    for batch in images.split(batch_size):
        batch = scaled(batch)
        outputs = network(batch)
        if flip:
            outputs = (outputs + network(batch.flip(3))) / 2
        logits.append(outputs)
    return torch.cat(logits)


def inception_score(logits: torch.Tensor, num_splits: int) -> tuple[float, float]:
    """Mean and population standard deviation over the splits."""
    scores = []
    for split in functional.log_softmax(logits, dim=1).tensor_split(num_splits):
        log_marginal = split.logsumexp(dim=0) - math.log(len(split))
        divergences = (split.exp() * (split - log_marginal)).sum(dim=1)
        scores.append(divergences.mean().exp())
    scores = torch.stack(scores)
    return float(scores.mean()), float(scores.std(correction=0))


def scores(
    logits: torch.Tensor, labels: torch.Tensor, num_splits: int
) -> dict[str, float]:
    """Inception Score and GAN-test."""
    return {
        "inception_score": inception_score(logits, num_splits)[0],
        "gan_test": float((logits.argmax(dim=1) == labels).float().mean()),
    }


def scaled(images: torch.Tensor) -> torch.Tensor:
    """uint8 to float in [-1, 1]."""
    return images.float().mul_(2 / 255).sub_(1)


class LeNet(nn.Sequential):
    """Two convolutions with pooling and two dense layers."""

    def __init__(self, variables: dict):
        params = variables["params"]
        channels = params["PatchConv_1"]["kernel"].shape[-1]
        size = math.isqrt(len(params["Dense_0"]["kernel"]) // channels)
        super().__init__(
            _conv(params["PatchConv_0"], padding=0),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            _conv(params["PatchConv_1"], padding=0),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Dropout(0.1),
            _linear(params["Dense_0"], (channels, size, size)),
            nn.ReLU(inplace=True),
            nn.Dropout(0.25),
            _linear(params["Dense_1"]),
        )


class ResNet(nn.Module):
    """Three stages of two convolutions, the second with a residual connection."""

    LOGIT_SCALE = 0.125

    def __init__(self, variables: dict):
        super().__init__()
        params = variables["params"]
        whitening = variables["whitening"]["Whitening_0"]
        matrix, mean = whitening["matrix"], whitening["mean"]
        # A convolution of 2x2 squares; the input channels are (row, column, channel).
        kernel = matrix.T.reshape(2, 2, -1, len(matrix))
        whiten = {"kernel": kernel, "bias": -matrix @ mean}
        self.whiten = _conv(whiten, padding=0, stride=2).requires_grad_(False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _conv(params[f"PatchConv_{number}"], padding=1),
                _norm(
                    params[f"BatchNorm_{number}"],
                    variables["batch_stats"][f"BatchNorm_{number}"],
                ),
                nn.ReLU(inplace=True),
            )
            for number in range(len(variables["batch_stats"]))
        )
        self.dense = _linear(params["Dense_0"])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.whiten(images)
        for number in range(0, len(self.blocks), 2):
            if number > 0:
                maps = functional.max_pool2d(maps, 2)
            maps = self.blocks[number](maps)
            maps = maps + self.blocks[number + 1](maps)
        return self.LOGIT_SCALE * self.dense(maps.amax(dim=(2, 3)))


JUDGES = {"lenet": LeNet, "resnet": ResNet}


class JudgeTraining:
    """A judge, its training images in memory, and its train step."""

    def __init__(
        self,
        settings: ClassifierSettings,
        network: nn.Module,
        images: np.ndarray,  # uint8 [N, H, W, C], not mirrored
        labels: np.ndarray,
        num_steps: int,
        adam: str,
        memory_format: str,
    ):
        self.settings = settings
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.network = network.to(memory_format=self.memory_format)
        self.image_size = images.shape[1:3]
        pad = (settings.max_shift,) * 2
        padded = np.pad(images, ((0, 0), pad, pad, (0, 0)), mode="reflect")
        # Channels stay last here, so that one gather cuts out all shifted images.
        self.images = torch.tensor(padded[:, ::-1, ::-1].copy())
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.order: Iterator[torch.Tensor] = shuffled_batches(
            len(labels), min(settings.batch_size, len(labels))
        )
        self.optimizer = self._make_optimizer(adam)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: _rate(step, num_steps)
        )

    def _make_optimizer(self, adam: str) -> torch.optim.Optimizer:
        params = [param for param in self.network.parameters() if param.requires_grad]
        arguments = {"lr": self.settings.learning_rate} | ADAM_IMPLEMENTATIONS[adam]
        if self.settings.weight_decay:
            return torch.optim.AdamW(
                params, weight_decay=self.settings.weight_decay, **arguments
            )
        return torch.optim.Adam(params, **arguments)

    def run_steps(self, num_steps: int) -> dict[str, float]:
        """The loss's mean over the steps."""
        self.network.train()
        loss_sum = torch.zeros(())
        for _ in range(num_steps):
            rows = next(self.order)
            images = scaled(self._augmented(rows).permute(0, 3, 1, 2))
            loss = functional.cross_entropy(
                self.network(images.contiguous(memory_format=self.memory_format)),
                self.labels[rows],
                label_smoothing=self.settings.label_smoothing,
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            loss_sum += loss.detach()
        return {"loss": float(loss_sum) / num_steps}

    def _augmented(self, rows: torch.Tensor) -> torch.Tensor:
        """Images uint8 [B, H, W, C], shifted and mirrored at random."""
        settings = self.settings
        if not (settings.flip or settings.max_shift):
            return self.images.index_select(0, rows)
        ys, xs = (torch.arange(size).expand(len(rows), -1) for size in self.image_size)
        if settings.flip:
            xs = torch.where(torch.rand(len(rows), 1) < 0.5, xs.flip(1), xs)
        shifts = torch.randint(2 * settings.max_shift + 1, (2, len(rows), 1))
        ys, xs = ys + shifts[0], xs + shifts[1]
        return self.images[rows[:, None, None], ys[:, :, None], xs[:, None, :]]


def _rate(step: int, num_steps: int) -> float:
    """Of the peak learning rate: a linear warm-up from a tenth, then a cosine to 0."""
    warmup = num_steps // 5
    if step < warmup:
        return 0.1 + 0.9 * step / warmup
    done = min(1.0, (step - warmup) / (num_steps - warmup))
    return (1 + math.cos(math.pi * done)) / 2


def _conv(params: dict, padding: int, stride: int = 1) -> nn.Conv2d:
    kernel = params["kernel"]
    size, _, channels, features = kernel.shape
    bias = "bias" in params
    layer = nn.Conv2d(channels, features, size, stride, padding, bias=bias)
    return _filled(layer, params, kernel[::-1, ::-1].transpose(3, 2, 0, 1))


def _linear(params: dict, maps: tuple[int, int, int] | None = None) -> nn.Linear:
    """`maps` is (channels, height, width) of the inputs where these are pixels."""
    kernel = params["kernel"]
    if maps:
        pixels = kernel.reshape(*maps, -1)[:, ::-1, ::-1]
        kernel = pixels.reshape(kernel.shape)
    layer = nn.Linear(*kernel.shape, bias="bias" in params)
    return _filled(layer, params, kernel.T)


def _norm(params: dict, statistics: dict) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(len(params["scale"]))
    with torch.no_grad():
        layer.running_mean.copy_(torch.tensor(statistics["mean"]))
        layer.running_var.copy_(torch.tensor(statistics["var"]))
    return _filled(layer, params, params["scale"])


def _filled(layer: nn.Module, params: dict, weight: np.ndarray) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(np.ascontiguousarray(weight)))
        if layer.bias is not None:
            layer.bias.copy_(torch.tensor(params["bias"]))
    return layer
