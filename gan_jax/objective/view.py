"""What one evaluation of a loss may look at."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from gan_jax.parallel import Devices
from gan_jax.random import stream
from gan_jax.schedules import START, Progress
from gan_jax.types import Batch, PyTree, Verdict


class View(NamedTuple):
    """The batches, the verdicts on them, and noise; of one player's update.

    Images are in the generator's value range, [-1, 1] or [0, 1].
    """

    real: Batch  # images [B, H, W, C], labels [B]
    fake: Batch  # as many generated ones
    latents: jax.Array  # [B, Z] of the generated images
    # None in the generator's update, unless the game or a term asks for it.
    real_verdict: Verdict | None
    fake_verdict: Verdict
    key: jax.Array  # of the noise that the reader of this view draws
    judge: Callable[[Batch, jax.Array], Verdict]
    devices: Devices
    progress: Progress = START
    # Of each image's logit with respect to the image, [B, H, W, C] of the real and of
    # the generated ones, in the pass that gave the verdicts. For terms of the
    # discriminator that ask for it.
    gradients: Callable[[], tuple[jax.Array, jax.Array]] | None = None

    def discriminate(self, images: jax.Array, labels: jax.Array) -> Verdict:
        """The discriminator's verdict on other images, [B, H, W, C] and labels [B].

        It is in the mode of this phase, with dropout of its own.
        """
        return self.judge(Batch(images, labels), self.devices.own_key(self.key))

    def draw(self, function: Callable[[jax.Array, int], PyTree]) -> PyTree:
        """Noise for every example: `function(key, size)` gives arrays [size, ...]."""
        return self.devices.draw(function, self.key, self.real.labels.size)

    def of(self, name: str, key: jax.Array) -> "View":
        """The same view with a stream of noise for the reader of this name."""
        return self._replace(key=stream(key, name))
