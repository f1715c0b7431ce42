"""The training loop: many steps per call to the device, logged, saved, resumable."""

import dataclasses
import functools
import math
import pathlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_jax import build
from gan_jax.checkpoint import Checkpointer
from gan_jax.data import Dataset
from gan_jax.data.batches import EpochOrder
from gan_jax.evaluate import Judge
from gan_jax.gan import Gan
from gan_jax.generator import (
    Generator,
    open_checkpoints,
    sample_grid,
)
from gan_jax.report.curves import plot_curves
from gan_jax.report.grids import save_png
from gan_jax.report.metric_log import MetricLog, read_metrics
from gan_jax.steps import LoopState
from gan_jax.types import Batch
from gan_jax.workdir import save_config


class TrainingDivergedError(FloatingPointError):
    """A metric is not finite any more; what was saved before is kept."""


def train(config: ConfigDict, workdir: pathlib.Path) -> bool:
    """Trains, or goes on where the last checkpoint in `workdir` left off.

    Writes config.json, metrics.jsonl, TensorBoard events, samples/, checkpoints/ and
    curves.png. SIGINT and SIGTERM end it after the call to the device in progress (or
    the scoring of a checkpoint), with a checkpoint.

    Returns:
      Whether training is complete, rather than interrupted.

    Raises:
      ConfigError, DataError, CheckpointError: see there.
      TrainingDivergedError: a metric became NaN or infinite.
    """
    build.check_config(config)
    dataset = build.build_dataset(config)
    gan = build.build_gan(config, dataset.spec)
    num_steps = build.number_of_steps(config, len(dataset.train_labels))
    save_config(workdir, config)
    reference = build.reference_examples(config, gan, dataset)
    run_steps, state = build.build_training(config, gan, num_steps, reference)
    with (
        open_checkpoints(config, workdir) as checkpoints,
        _interrupt_flag() as interrupted,
    ):
        restored = checkpoints.restore(state)
        if restored:
            state, step = restored
            print(f"Resuming {workdir} at step {step:,} of {num_steps:,}", flush=True)
        with MetricLog(workdir, resume_step=step if restored else None) as log:
            loop = _Loop(config, workdir, dataset, gan, checkpoints, log, num_steps)
            loop.run(run_steps, state, interrupted)
            loop.plot_curves()
        return not interrupted.is_set()


@dataclasses.dataclass
class _Loop:
    """One run of the loop: what its parts share."""

    config: ConfigDict
    workdir: pathlib.Path
    dataset: Dataset
    gan: Gan
    checkpoints: Checkpointer
    log: MetricLog
    num_steps: int
    judge: Judge | None = None  # made when first needed

    def __post_init__(self):
        self.steps_per_epoch = len(self.dataset.train_labels) // self.config.batch_size
        self.test_every = self.config.test_every or self.steps_per_epoch
        self.test_losses = build.build_test_losses(self.config, self.gan)
        self.sampler = build.build_sampler(self.config, self.gan)
        self.keys = build.random_keys(self.config.seed)

    @functools.cached_property
    def test_data(self) -> Batch:
        """The test set, put on the device when first needed and kept there."""
        return jax.device_put(Batch(self.dataset.test_images, self.dataset.test_labels))

    def run(self, run_steps, state: LoopState, interrupted: threading.Event) -> None:
        """Trains to the end or to an interrupt."""
        step = int(state.gan.step)
        if step == self.num_steps:
            return
        data = jax.device_put(
            Batch(self.dataset.train_images, self.dataset.train_labels)
        )
        order = EpochOrder.empty(len(self.dataset.train_labels))
        compiled = self._compile(run_steps, state, order, data)
        if step == 0:
            self._save_samples(step, state)
        timer = _Timer()
        with tqdm(
            total=self.num_steps, initial=step, unit="step", disable=None
        ) as progress:
            while step < self.num_steps and not interrupted.is_set():
                count = self._steps_to_next_event(step)
                with timer.measure(count):
                    state, order = compiled(state, order, data, jnp.int32(count))
                    self._check_finite(step, step + count, state)
                step += count
                row = None
                if self._is_logged(step):
                    row, state = self._means(state)
                    row |= timer.rates(self.steps_per_epoch)
                    progress.set_postfix(
                        d_loss=f"{row['discriminator_loss']:.3f}",
                        g_loss=f"{row['generator_loss']:.3f}",
                        refresh=False,
                    )
                progress.update(count)
                self._on_event(step, state, row)
        if self.checkpoints.latest_step() != step:
            self.checkpoints.save(step, state)

    def _compile(self, run_steps, state, order, data):
        start = time.perf_counter()
        compiled = run_steps.lower(state, order, data, jnp.int32(0)).compile()
        epochs = self.num_steps / self.steps_per_epoch
        print(
            f"Training for {self.num_steps:,} steps ({epochs:.1f} epochs of "
            f"{self.steps_per_epoch:,}) on {jax.devices()[0].platform}; compiled in "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
        return compiled

    def _steps_to_next_event(self, step: int) -> int:
        config = self.config
        return min(
            self.num_steps - step,
            config.steps_per_dispatch,
            *(
                every - step % every
                for every in (
                    config.log_every,
                    config.sample_every,
                    config.checkpoint_every,
                    self.test_every,
                )
            ),
        )

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.num_steps

    def _is_logged(self, step: int) -> bool:
        config = self.config
        return (
            self._is_due(step, config.log_every)
            or self._is_due(step, self.test_every)
            or (
                bool(config.checkpoints.best_metric)
                and self._is_due(step, config.checkpoint_every)
            )
        )

    def _check_finite(self, before: int, after: int, state: LoopState) -> None:
        for name, value in jax.device_get(state.metric_sums).items():
            if not math.isfinite(value):
                saved = self.checkpoints.latest_step()
                kept = "none was saved" if saved is None else f"step {saved} is kept"
                raise TrainingDivergedError(
                    f"{name} became {value} between steps {before + 1} and {after}; "
                    f"checkpoints in {self.workdir / 'checkpoints'}: {kept}"
                )

    def _means(self, state: LoopState) -> tuple[dict[str, float], LoopState]:
        """The metrics' means since the last logged step, and sums that start anew."""
        count = int(state.metric_count)
        row = {
            name: float(np.float32(value) / np.float32(count))
            for name, value in jax.device_get(state.metric_sums).items()
        }
        zeros = jax.tree.map(jnp.zeros_like, (state.metric_sums, state.metric_count))
        return row, LoopState(state.gan, *zeros)

    def _on_event(
        self, step: int, state: LoopState, row: dict[str, float] | None
    ) -> None:
        """Writes what is due at this step; `row` is there if a logged line is."""
        save = self._is_due(step, self.config.checkpoint_every)
        scores = self._scores(step, state) if save else {}
        if row is not None:
            tests = self._tests(step, state)
            self.log.write(step, row | tests | scores)
        if self._is_due(step, self.config.sample_every):
            self._save_samples(step, state)
        if save:
            self.checkpoints.save(step, state, scores)
            self.plot_curves()

    def _tests(self, step: int, state: LoopState) -> dict[str, float]:
        """Losses and accuracies on the test images, where they are due."""
        if not self._is_due(step, self.test_every):
            return {}
        key = jax.random.fold_in(self.keys["test"], step)
        losses = self.test_losses(state.gan, self.test_data, key)
        return {
            f"test_{name}": float(value)
            for name, value in jax.device_get(losses).items()
        }

    def _scores(self, step: int, state: LoopState) -> dict[str, float]:
        """What the best checkpoint is chosen by."""
        metric = self.config.checkpoints.best_metric
        if not metric:
            return {}
        if self.judge is None:
            self.judge = Judge.load_or_train(self.config, self.dataset)
        return {
            metric: self.judge.score(
                metric,
                self._generator(step, state),
                jax.random.fold_in(self.keys["selection"], step),
                num_samples=self.config.checkpoints.best_num_samples,
                num_splits=self.config.eval.num_splits,
            )
        }

    def plot_curves(self) -> None:
        rows = read_metrics(self.workdir)
        if rows:
            title = self.workdir.resolve().name
            plot_curves(rows, self.workdir / "curves.png", title=title)

    def _generator(self, step: int, state: LoopState) -> Generator:
        return Generator(
            self.dataset.spec,
            self.gan.conditional,
            step,
            self.sampler,
            state.gan.sampling_variables,
        )

    def _save_samples(self, step: int, state: LoopState) -> None:
        grid = sample_grid(self._generator(step, state), self.keys["samples"])
        save_png(self.workdir / "samples" / f"step_{step:08d}.png", grid)
        self.log.image("samples", grid, step)


class _Timer:
    """Rates of the steps alone, without what is written and judged between them."""

    def __init__(self):
        self.steps = 0
        self.seconds = 0.0

    @contextmanager
    def measure(self, steps: int) -> Iterator[None]:
        """Adds the time that the block takes for so many steps."""
        start = time.perf_counter()
        yield
        self.steps += steps
        self.seconds += time.perf_counter() - start

    def rates(self, steps_per_epoch: int) -> dict[str, float]:
        """Rates since the last time they were asked for."""
        rate = self.steps / self.seconds
        self.steps, self.seconds = 0, 0.0
        return {"steps_per_second": rate, "seconds_per_epoch": steps_per_epoch / rate}


@contextmanager
def _interrupt_flag() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one acts as usual."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # Python delivers signals to the main thread only.
        return
    previous = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }

    def handle(number, frame):
        del frame
        flag.set()
        signal.signal(number, previous[number])

    for number in previous:
        signal.signal(number, handle)
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
