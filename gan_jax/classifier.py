"""The judge: a classifier of real (or, for GAN-train, generated) images.

Its training and its cache. The same recipe trains on any uint8 images.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
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

from gan_jax.augment import random_flips, random_shifts
from gan_jax.cache import cache_dir as default_cache_dir
from gan_jax.metrics import accuracy, checked_labels
from gan_jax.networks.classifiers import CLASSIFIERS
from gan_jax.paths import check_writable, local_path
from gan_jax.precision import in_32_bits
from gan_jax.report.files import atomic_write

# To be raised whenever equal settings would train another classifier than before
# (another rounding is none): those cached by earlier versions are then no longer used.
_RECIPE = 3

# Number of images, drawn at random, for data-dependent initialisation (whitening).
_INIT_IMAGES = 1000

# Classifiers of this process whose files could not be written.
_UNWRITTEN: dict[Path, Classifier] = {}

_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """All that decides, with the images and labels, which classifier comes out.

    Attributes:
      name: the network, one of CLASSIFIERS.
      num_epochs: passes over the training images.
      min_steps: training goes on for whole epochs until at least this many steps, so
        that small sets are learnt too.
      batch_size: images per step; all of them where there are fewer. Every epoch
        leaves out the remainder of its random order.
      learning_rate: peak of Adam's, after a linear warm-up over a fifth of the steps
        and before a cosine decay to 0.
      seed: of initialisation, order, dropout and augmentation.
      flip: whether each training image is mirrored, left to right, half of the time,
        and logits are means over an image and its mirror image.
      max_shift: each training image is shifted by up to so many pixels.
      label_smoothing: this part of the target, in [0, 1), is spread over all classes.
      weight_decay: decoupled, per unit of the learning rate (AdamW).
    """

    name: str = "lenet"
    num_epochs: int = 8
    min_steps: int = 1000
    batch_size: int = 128
    learning_rate: float = 2e-3
    seed: int = 0
    flip: bool = False
    max_shift: int = 0
    label_smoothing: float = 0.0
    weight_decay: float = 0.0


# How each network learns the usual data sets. `flip` is for sets whose classes look
# the same in a mirror only.
RECIPES: dict[str, ClassifierSettings] = {
    "lenet": ClassifierSettings(name="lenet"),
    "resnet": ClassifierSettings(
        name="resnet",
        num_epochs=15,
        min_steps=1000,
        batch_size=128,
        learning_rate=5e-3,
        flip=True,
        max_shift=2,
        weight_decay=0.05,
    ),
}


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network: uint8 images in, logits out.

    Attributes:
      network: the Flax module.
      variables: its parameters and what else the network has: moving statistics of
        batch norm, the whitening of its images.
      image_shape: (H, W, C) of the images that it was trained on.
      mirror: whether logits are means over an image and its mirror image.
    """

    network: nn.Module
    variables: dict[str, Any]
    image_shape: tuple[int, int, int]
    mirror: bool = False

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
        return self._outputs(images, batch_size, features_only=False)

    def features(
        self, images: jax.Array | np.ndarray, *, batch_size: int = 250
    ) -> jax.Array:
        """What the last layer sees, float32 [N, F]; otherwise as `logits`."""
        return self._outputs(images, batch_size, features_only=True)

    def features_of_floats(self, images: jax.Array) -> jax.Array:
        """`features` of images [N, H, W, C] in [0, 1], to be differentiated.

        In one batch, and without mirror images.
        """
        # The network takes bytes' values.
        return self.network.apply(
            self.variables, 255 * images, train=False, features_only=True
        )

    def _outputs(self, images, batch_size: int, *, features_only: bool) -> jax.Array:
        _check_images(images)
        if tuple(images.shape[1:]) != self.image_shape:
            raise ValueError(
                f"the classifier was trained on images of shape {self.image_shape}, "
                f"not {tuple(images.shape[1:])}"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        return _outputs_of_all(
            self.variables,
            jnp.asarray(images),
            network=self.network,
            batch_size=min(batch_size, len(images)),
            mirror=self.mirror,
            features_only=features_only,
        )

    def accuracy(
        self, images: jax.Array | np.ndarray, labels: jax.Array | np.ndarray
    ) -> float:
        """Fraction of the images classified as labelled; see `metrics.accuracy`."""
        return accuracy(self.logits(images), labels)


@functools.partial(
    jax.jit, static_argnames=("network", "batch_size", "mirror", "features_only")
)
def _outputs_of_all(
    variables: dict[str, Any],
    images: jax.Array,
    *,
    network: nn.Module,
    batch_size: int,
    mirror: bool,
    features_only: bool,
) -> jax.Array:
    apply = functools.partial(
        network.apply, variables, train=False, features_only=features_only
    )

    def outputs_of(batch):
        outputs = apply(batch)
        if mirror:
            outputs = (outputs + apply(batch[:, :, ::-1])) / 2
        return outputs

    num_images = images.shape[0]
    padding = -num_images % batch_size
    images = jnp.pad(images, ((0, padding), (0, 0), (0, 0), (0, 0)))
    batches = images.reshape(-1, batch_size, *images.shape[1:])
    outputs = jax.lax.map(outputs_of, batches)
    return outputs.reshape(-1, outputs.shape[-1])[:num_images]


class _TrainState(struct.PyTreeNode):
    params: Any
    model_state: dict[str, Any]  # what else the network has
    opt_state: optax.OptState
    loss_sum: jax.Array  # float32, over the steps of the running epoch
    first_bad_step: jax.Array  # int32, the first without a finite loss; -1: none


@in_32_bits
def train_classifier(
    images: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    num_classes: int,
    settings: ClassifierSettings,
    progress: Callable[[int, int, float], None] | None = None,
) -> Classifier:
    """Trains a classifier with Adam on cross-entropy; equal arguments, equal variables.

    Args:
      images: uint8 [N, H, W, C].
      labels: integers [N] in [0, num_classes).
      num_classes: number of logits.
      settings: the network and how to train it.
      progress: called after each epoch with (steps done, steps in all, mean loss of
        the epoch).

    Raises:
      ValueError: if images or labels are empty, of another shape or type or out of
        range, or if a setting is unknown or out of range.
      FloatingPointError: if the loss stops being finite, naming the step.
    """
    _check_images(images)
    labels = checked_labels(labels, num_classes, len(images))
    network = _network(settings.name, num_classes)
    batch_size, steps_per_epoch, num_epochs = _schedule(len(images), settings)
    num_steps = num_epochs * steps_per_epoch
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    root = jax.random.key(settings.seed)
    init_key, *others = jax.random.split(root, 4)
    keys = dict(zip(("order", "dropout", "augment"), others, strict=True))
    order = jax.random.permutation(jax.random.fold_in(init_key, 0), len(images))
    variables = _init_variables(network, init_key, images[order[:_INIT_IMAGES]])
    params = variables["params"]
    state = _TrainState(
        params=params,
        model_state={name: variables[name] for name in variables if name != "params"},
        opt_state=_optimizer(settings, num_steps).init(params),
        loss_sum=jnp.float32(0.0),
        first_bad_step=jnp.int32(-1),
    )
    for epoch in range(num_epochs):
        state = _train_epoch(
            state,
            images,
            labels,
            keys,
            epoch,
            network=network,
            settings=settings,
            batch_size=batch_size,
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
    variables = {"params": state.params, **state.model_state}
    return Classifier(network, variables, tuple(images.shape[1:]), mirror=settings.flip)


@functools.partial(
    jax.jit,
    static_argnames=("network", "settings", "batch_size", "num_steps"),
    donate_argnames="state",
)
def _train_epoch(
    state: _TrainState,
    images: jax.Array,
    labels: jax.Array,
    keys: dict[str, jax.Array],
    epoch: int,
    *,
    network: nn.Module,
    settings: ClassifierSettings,
    batch_size: int,
    num_steps: int,
) -> _TrainState:
    """One pass over the images in an order of its own, in one dispatch."""
    optimizer = _optimizer(settings, num_steps)
    steps_per_epoch = len(images) // batch_size
    order = jax.random.permutation(
        jax.random.fold_in(keys["order"], epoch), len(images)
    )
    batches = order[: steps_per_epoch * batch_size].reshape(-1, batch_size)

    def train_step(step_of_epoch, state):
        step = epoch * steps_per_epoch + step_of_epoch
        rows = batches[step_of_epoch]
        batch = _augment(
            images[rows], jax.random.fold_in(keys["augment"], step), settings
        )
        rngs = {"dropout": jax.random.fold_in(keys["dropout"], step)}

        def mean_loss(params):
            logits, model_state = network.apply(
                {"params": params, **state.model_state},
                batch,
                train=True,
                rngs=rngs,
                mutable=list(state.model_state),
            )
            losses = _cross_entropy(logits, labels[rows], settings.label_smoothing)
            return losses.mean(), model_state

        (loss, model_state), gradients = jax.value_and_grad(mean_loss, has_aux=True)(
            state.params
        )
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        is_first_bad = (state.first_bad_step < 0) & ~jnp.isfinite(loss)
        return _TrainState(
            params=optax.apply_updates(state.params, updates),
            model_state=model_state,
            opt_state=opt_state,
            loss_sum=state.loss_sum + loss,
            first_bad_step=jnp.where(is_first_bad, step, state.first_bad_step),
        )

    state = state.replace(loss_sum=jnp.float32(0.0))
    return jax.lax.fori_loop(0, steps_per_epoch, train_step, state)


def _augment(
    images: jax.Array, key: jax.Array, settings: ClassifierSettings
) -> jax.Array:
    """Changes a batch of training images, [B, H, W, C] uint8, as the settings say."""
    shift_key, flip_key = jax.random.split(key)
    if settings.max_shift:
        images = random_shifts(images, shift_key, settings.max_shift)
    if settings.flip:
        images = random_flips(images, flip_key)
    return images


def _cross_entropy(
    logits: jax.Array, labels: jax.Array, label_smoothing: float
) -> jax.Array:
    """Losses [B]; the target is 1 - s for the label plus s / C for each of C classes.

    Source: Szegedy et al. 2016, section 7.
    """
    if not label_smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    targets = optax.smooth_labels(
        jax.nn.one_hot(labels, logits.shape[-1]), label_smoothing
    )
    return optax.softmax_cross_entropy(logits, targets)


@functools.partial(jax.jit, static_argnames="network")
def _init_variables(
    network: nn.Module, key: jax.Array, images: jax.Array
) -> dict[str, Any]:
    return network.init(key, images, train=False)


def _optimizer(
    settings: ClassifierSettings, num_steps: int
) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=settings.learning_rate / 10,
        peak_value=settings.learning_rate,
        warmup_steps=num_steps // 5,
        decay_steps=num_steps,
    )
    if settings.weight_decay:
        return optax.adamw(schedule, weight_decay=settings.weight_decay)
    return optax.adam(schedule)


def _schedule(num_images: int, settings: ClassifierSettings) -> tuple[int, int, int]:
    """Returns (batch size, steps per epoch, epochs)."""
    for field in ("num_epochs", "min_steps", "batch_size", "learning_rate"):
        if not getattr(settings, field) > 0:
            raise ValueError(
                f"classifier setting {field} must be positive, "
                f"not {getattr(settings, field)}"
            )
    for field in ("max_shift", "weight_decay"):
        if getattr(settings, field) < 0:
            raise ValueError(
                f"classifier setting {field} must not be negative, "
                f"but is {getattr(settings, field)}"
            )
    if not 0 <= settings.label_smoothing < 1:
        raise ValueError(
            "classifier setting label_smoothing must be in [0, 1), "
            f"not {settings.label_smoothing}"
        )
    batch_size = min(settings.batch_size, num_images)
    steps_per_epoch = num_images // batch_size
    num_epochs = max(settings.num_epochs, -(-settings.min_steps // steps_per_epoch))
    return batch_size, steps_per_epoch, num_epochs


def _network(name: str, num_classes: int) -> nn.Module:
    if name not in CLASSIFIERS:
        raise ValueError(
            f"unknown classifier network {name!r}; known: {', '.join(CLASSIFIERS)}"
        )
    return CLASSIFIERS[name](num_classes=num_classes)


def _check_images(images: jax.Array | np.ndarray) -> None:
    if images.ndim != 4 or 0 in images.shape or images.dtype != np.uint8:
        raise ValueError(
            "classifier images must be uint8 [N, H, W, C], none of them 0, "
            f"not {images.dtype} of shape {images.shape}"
        )


def load_or_train_classifier(
    dataset: Any,
    *,
    settings: ClassifierSettings,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Classifier:
    """Returns the classifier of a data set's training images, trained only once.

    It is kept in one file of cache_dir, named after a hash of the data set's
    fingerprint, all settings and _RECIPE. A file that is damaged is reported as
    a warning and replaced. Where no file can be written a warning says so, and the
    classifier is kept for this process alone.

    Args:
      dataset: has `spec.num_classes`, `train_images` uint8 [N, H, W, C],
        `train_labels` [N] and `fingerprint() -> str`.
      settings: the network and how to train it.
      cache_dir: default `gan_jax.cache.cache_dir()`.
      progress: as in `train_classifier`.

    Raises:
      ValueError, FloatingPointError: as `train_classifier`.
      OSError: if cache_dir is a URL.
    """
    if cache_dir is None:
        directory = default_cache_dir()
    else:
        directory = local_path(cache_dir, "classifier.cache_dir")
    file = directory / f"classifier-{_cache_key(dataset, settings)}.msgpack"
    if file in _UNWRITTEN:
        return _UNWRITTEN[file]
    network = _network(settings.name, dataset.spec.num_classes)
    try:
        variables = _read_variables(file, network, dataset.train_images[:1])
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        logging.warning("%s: %s; training the classifier anew", file, error)
    else:
        return Classifier(
            network,
            variables,
            dataset.train_images.shape[1:],
            mirror=settings.flip,
        )
    is_writable = True
    try:
        # Before the training, which may take half an hour.
        check_writable(directory)
    except OSError as error:
        _warn_unwritten(file, error)
        is_writable = False
    classifier = train_classifier(
        dataset.train_images,
        dataset.train_labels,
        num_classes=dataset.spec.num_classes,
        settings=settings,
        progress=progress,
    )
    if is_writable:
        try:
            _write_variables(file, classifier.variables)
        except OSError as error:
            _warn_unwritten(file, error)
            is_writable = False
    if not is_writable:
        _UNWRITTEN[file] = classifier
    return classifier


def _warn_unwritten(file: Path, error: OSError) -> None:
    logging.warning(
        "%s cannot be written (%s): the classifier is trained again next time",
        file,
        error.strerror or error,
    )


def _cache_key(dataset: Any, settings: ClassifierSettings) -> str:
    identity = {
        "recipe": _RECIPE,
        "fingerprint": dataset.fingerprint(),
        "num_classes": dataset.spec.num_classes,
        "settings": dataclasses.asdict(settings),
    }
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write_variables(file: Path, variables: dict[str, Any]) -> None:
    """Writes SHA-256 and msgpack of the variables; a reader never sees half a file."""
    payload = flax.serialization.to_bytes(jax.device_get(variables))
    with atomic_write(file) as temporary:
        temporary.write_bytes(hashlib.sha256(payload).digest() + payload)


def _read_variables(
    file: Path, network: nn.Module, images: np.ndarray
) -> dict[str, Any]:
    """Reads what `_write_variables` wrote.

    Args:
      file: where to read.
      network: the network that the variables must fit.
      images: uint8 [1, H, W, C], an example of its input.

    Raises:
      ValueError: if the file is not whole or not of `network`.
    """
    content = file.read_bytes()
    digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("damaged, its checksum is wrong")
    expected = jax.eval_shape(
        functools.partial(_init_variables, network), jax.random.key(0), images
    )
    stored = flax.serialization.from_bytes(expected, payload)

    def matches(leaf, expectation):
        return leaf.shape == expectation.shape and leaf.dtype == expectation.dtype

    if not jax.tree.all(jax.tree.map(matches, stored, expected)):
        raise ValueError(f"its variables are not those of {type(network).__name__}")
    return jax.tree.map(jnp.asarray, stored)
