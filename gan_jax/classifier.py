"""The judge: a classifier of real (or, for GAN-train, generated) images.

Its networks, its training and its cache. The same recipe trains on any uint8 images.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging
from flax import linen as nn
from flax import struct

from gan_jax.metrics import accuracy
from gan_jax.networks.layers import PatchConv, max_pool_2x2

# To be raised whenever equal settings would train another classifier than before:
# cached classifiers of earlier versions are then no longer used.
RECIPE_VERSION = 1

_DIGEST_BYTES = hashlib.sha256().digest_size


class LeNet(nn.Module):
    """Two convolutions with pooling and two dense layers, after LeCun et al. 1998.

    Takes uint8 images [B, H, W, C], returns logits float32 [B, num_classes].
    """

    num_classes: int

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        features = images.astype(jnp.float32) / 127.5 - 1.0
        features = features.transpose(3, 1, 2, 0)  # [C, H, W, B], see layers.py
        for num_filters in (16, 32):
            features = PatchConv(num_filters, (5, 5), padding="VALID")(features)
            features = nn.relu(max_pool_2x2(features))
        features = features.reshape(-1, images.shape[0]).T
        features = nn.Dropout(0.1, deterministic=not train)(features)
        features = nn.relu(nn.Dense(128)(features))
        features = nn.Dropout(0.25, deterministic=not train)(features)
        return nn.Dense(self.num_classes)(features)


NETWORKS: dict[str, type[nn.Module]] = {"lenet": LeNet}


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """All that decides, with the images and labels, which classifier comes out.

    Attributes:
      name: the network, one of NETWORKS.
      num_epochs: passes over the training images.
      min_steps: training goes on for whole epochs until at least this many steps, so
        that small sets are learnt too.
      batch_size: images per step; all of them where there are fewer. Every epoch
        leaves out the remainder of its random order.
      learning_rate: peak of Adam's, after a linear warm-up over a fifth of the steps
        and before a cosine decay to 0.
      seed: of initialisation, order and dropout.
    """

    name: str = "lenet"
    num_epochs: int = 8
    min_steps: int = 1000
    batch_size: int = 128
    learning_rate: float = 2e-3
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network: uint8 images in, logits out.

    Attributes:
      network: the Flax module.
      params: its parameters.
      image_shape: (H, W, C) of the images that it was trained on.
    """

    network: nn.Module
    params: Any
    image_shape: tuple[int, int, int]

    def logits(
        self, images: jax.Array | np.ndarray, *, batch_size: int = 250
    ) -> jax.Array:
        """Logits float32 [N, num_classes] of uint8 images [N, H, W, C].

        One dispatch for all images; batch_size bounds the memory and, up to rounding,
        changes nothing else.

        Raises:
          ValueError: if the images are none, not uint8 or not of the shape of the
            training images, or if batch_size is below 1.
        """
        _check_images(images)
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(
                f"the classifier was trained on images of shape {self.image_shape}, "
                f"not {tuple(images.shape[1:])}"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        return _logits_of_all(
            self.params,
            jnp.asarray(images),
            network=self.network,
            batch_size=min(batch_size, len(images)),
        )

    def accuracy(
        self, images: jax.Array | np.ndarray, labels: jax.Array | np.ndarray
    ) -> float:
        """Fraction of the images classified as labelled; see `metrics.accuracy`."""
        return accuracy(self.logits(images), labels)


@functools.partial(jax.jit, static_argnames=("network", "batch_size"))
def _logits_of_all(
    params: Any, images: jax.Array, *, network: nn.Module, batch_size: int
) -> jax.Array:
    num_images = images.shape[0]
    padding = -num_images % batch_size
    images = jnp.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)))
    batches = images.reshape(-1, batch_size, *images.shape[1:])
    logits = jax.lax.map(
        lambda batch: network.apply({"params": params}, batch, train=False), batches
    )
    return logits.reshape(-1, logits.shape[-1])[:num_images]


class _TrainState(struct.PyTreeNode):
    params: Any
    opt_state: optax.OptState
    loss_sum: jax.Array  # float32, over the steps of the running epoch
    first_bad_step: jax.Array  # int32, the first without a finite loss; -1: none


def train_classifier(
    images: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    num_classes: int,
    settings: ClassifierSettings,
    progress: Callable[[int, int, float], None] | None = None,
) -> Classifier:
    """Trains a classifier with Adam on cross-entropy; equal arguments, equal params.

    Args:
      images: uint8 [N, H, W, C].
      labels: integers [N] in [0, num_classes).
      num_classes: number of logits.
      settings: the network and how to train it.
      progress: called after each epoch with (steps done, steps in all, mean loss of
        the epoch).

    Raises:
      ValueError: if images or labels are empty, of another shape or type or out of
        range, or if a setting is unknown or not positive.
      FloatingPointError: if the loss stops being finite, naming the step.
    """
    _check_images(images)
    labels = _checked_labels(labels, len(images), num_classes)
    network = _network(settings.name, num_classes)
    batch_size, steps_per_epoch, num_epochs = _schedule(len(images), settings)
    num_steps = num_epochs * steps_per_epoch
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    init_key, order_key, dropout_key = jax.random.split(
        jax.random.key(settings.seed), 3
    )
    optimizer = _optimizer(settings.learning_rate, num_steps)
    params = _init_params(network, init_key, images[:1])
    state = _TrainState(params, optimizer.init(params), jnp.float32(0.0), jnp.int32(-1))
    for epoch in range(num_epochs):
        state = _train_epoch(
            state,
            images,
            labels,
            order_key,
            dropout_key,
            epoch,
            network=network,
            batch_size=batch_size,
            learning_rate=settings.learning_rate,
            num_steps=num_steps,
        )
        if state.first_bad_step >= 0:
            raise FloatingPointError(
                f"classifier {settings.name!r}: the loss is not finite at step "
                f"{int(state.first_bad_step) + 1} of {num_steps}"
            )
        if progress is not None:
            mean_loss = float(state.loss_sum) / steps_per_epoch
            progress((epoch + 1) * steps_per_epoch, num_steps, mean_loss)
    return Classifier(network, state.params, tuple(images.shape[1:]))


@functools.partial(
    jax.jit,
    static_argnames=("network", "batch_size", "learning_rate", "num_steps"),
    donate_argnames="state",
)
def _train_epoch(
    state: _TrainState,
    images: jax.Array,
    labels: jax.Array,
    order_key: jax.Array,
    dropout_key: jax.Array,
    epoch: int,
    *,
    network: nn.Module,
    batch_size: int,
    learning_rate: float,
    num_steps: int,
) -> _TrainState:
    """One pass over the images in an order of its own, in one dispatch."""
    optimizer = _optimizer(learning_rate, num_steps)
    steps_per_epoch = len(images) // batch_size
    order = jax.random.permutation(jax.random.fold_in(order_key, epoch), len(images))
    batches = order[: steps_per_epoch * batch_size].reshape(-1, batch_size)

    def train_step(step_of_epoch, state):
        step = epoch * steps_per_epoch + step_of_epoch
        rows = batches[step_of_epoch]
        rngs = {"dropout": jax.random.fold_in(dropout_key, step)}

        def mean_loss(params):
            logits = network.apply(
                {"params": params}, images[rows], train=True, rngs=rngs
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(
                logits, labels[rows]
            )
            return losses.mean()

        loss, gradients = jax.value_and_grad(mean_loss)(state.params)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        is_first_bad = (state.first_bad_step < 0) & ~jnp.isfinite(loss)
        return _TrainState(
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
            loss_sum=state.loss_sum + loss,
            first_bad_step=jnp.where(is_first_bad, step, state.first_bad_step),
        )

    state = state.replace(loss_sum=jnp.float32(0.0))
    return jax.lax.fori_loop(0, steps_per_epoch, train_step, state)


@functools.partial(jax.jit, static_argnames="network")
def _init_params(network: nn.Module, key: jax.Array, images: jax.Array) -> Any:
    return network.init(key, images, train=False)["params"]


def _optimizer(learning_rate: float, num_steps: int) -> optax.GradientTransformation:
    return optax.adam(
        optax.warmup_cosine_decay_schedule(
            init_value=learning_rate / 10,
            peak_value=learning_rate,
            warmup_steps=num_steps // 5,
            decay_steps=num_steps,
        )
    )


def _schedule(num_images: int, settings: ClassifierSettings) -> tuple[int, int, int]:
    """Returns (batch size, steps per epoch, epochs)."""
    for field in ("num_epochs", "min_steps", "batch_size", "learning_rate"):
        if not getattr(settings, field) > 0:
            raise ValueError(
                f"classifier setting {field} must be positive, "
                f"not {getattr(settings, field)}"
            )
    batch_size = min(settings.batch_size, num_images)
    steps_per_epoch = num_images // batch_size
    num_epochs = max(settings.num_epochs, -(-settings.min_steps // steps_per_epoch))
    return batch_size, steps_per_epoch, num_epochs


def _network(name: str, num_classes: int) -> nn.Module:
    if name not in NETWORKS:
        raise ValueError(
            f"unknown classifier network {name!r}; known: {', '.join(NETWORKS)}"
        )
    return NETWORKS[name](num_classes=num_classes)


def _check_images(images: jax.Array | np.ndarray) -> None:
    if images.ndim != 4 or 0 in images.shape or images.dtype != np.uint8:
        raise ValueError(
            "classifier images must be uint8 [N, H, W, C], none of them 0, "
            f"not {images.dtype} of shape {images.shape}"
        )


def _checked_labels(
    labels: jax.Array | np.ndarray, num_images: int, num_classes: int
) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (num_images,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"classifier labels must be {num_images} integers, one for each image, "
            f"not {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"classifier labels must be in [0, {num_classes}), but reach from "
            f"{labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int32)


def load_or_train_classifier(
    dataset: Any,
    *,
    settings: ClassifierSettings,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Classifier:
    """Returns the classifier of a data set's training images, trained only once.

    It is kept in one file of cache_dir, named after a hash of the data set's
    fingerprint, all settings and RECIPE_VERSION. A file that is damaged is reported as
    a warning and replaced.

    Args:
      dataset: has `spec.num_classes`, `train_images` uint8 [N, H, W, C],
        `train_labels` [N] and `fingerprint() -> str`.
      settings: the network and how to train it.
      cache_dir: default `gan_jax` in $XDG_CACHE_HOME, or else in ~/.cache.
      progress: as in `train_classifier`.

    Raises:
      ValueError, FloatingPointError: as `train_classifier`.
      OSError: if cache_dir cannot be made or written.
    """
    directory = _default_cache_dir() if cache_dir is None else Path(cache_dir)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"classifier-{_cache_key(dataset, settings)}.msgpack"
    network = _network(settings.name, dataset.spec.num_classes)
    if file.exists():
        try:
            params = _read_params(file, network, dataset.train_images[:1])
        except ValueError as error:
            logging.warning("%s: %s; training the classifier anew", file, error)
        else:
            return Classifier(network, params, tuple(dataset.train_images.shape[1:]))
    classifier = train_classifier(
        dataset.train_images,
        dataset.train_labels,
        num_classes=dataset.spec.num_classes,
        settings=settings,
        progress=progress,
    )
    _write_params(file, classifier.params)
    return classifier


def _default_cache_dir() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "gan_jax"


def _cache_key(dataset: Any, settings: ClassifierSettings) -> str:
    identity = {
        "recipe_version": RECIPE_VERSION,
        "fingerprint": dataset.fingerprint(),
        "num_classes": dataset.spec.num_classes,
        "settings": dataclasses.asdict(settings),
    }
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write_params(file: Path, params: Any) -> None:
    """Writes SHA-256 and msgpack of the parameters; a reader never sees half a file."""
    payload = flax.serialization.to_bytes(jax.device_get(params))
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(payload).digest() + payload)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _read_params(file: Path, network: nn.Module, images: np.ndarray) -> Any:
    """Reads what `_write_params` wrote; ValueError if it is not whole or of `network`.

    Args:
      file: where to read.
      network: the network that the parameters must fit.
      images: uint8 [1, H, W, C], an example of its input.
    """
    content = file.read_bytes()
    digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("damaged, its checksum is wrong")
    expected = jax.eval_shape(
        functools.partial(_init_params, network), jax.random.key(0), images
    )
    params = flax.serialization.from_bytes(expected, payload)

    def matches(leaf, expectation):
        return leaf.shape == expectation.shape and leaf.dtype == expectation.dtype

    if not jax.tree.all(jax.tree.map(matches, params, expected)):
        raise ValueError(f"its parameters are not those of {type(network).__name__}")
    return jax.tree.map(jnp.asarray, params)
