"""The training loop: many steps per call to the device, logged, saved, resumable."""

import contextlib
import dataclasses
import functools
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_jax import build, checks, parallel, training
from gan_jax.calendar import Calendar, Timer
from gan_jax.checkpoint import Checkpointer
from gan_jax.data import Dataset, remarks
from gan_jax.data.batches import EpochOrder, FedBatches
from gan_jax.gan import Gan
from gan_jax.generator import (
    Generator,
    open_checkpoints,
    sample_grid,
)
from gan_jax.interrupts import Interrupts, caught_interrupts
from gan_jax.judge import Judge
from gan_jax.parallel import Devices
from gan_jax.paths import local_path
from gan_jax.population import variables_of_members
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys
from gan_jax.report.grids import save_png
from gan_jax.report.metric_log import (
    METRICS_FILE,
    MetricLog,
    read_column,
    read_metrics,
)
from gan_jax.schedules import START
from gan_jax.steps import LoopState, compile_run_steps, make_test_losses
from gan_jax.types import Batch, PyTree
from gan_jax.workdir import (
    load_config,
    locked_workdir,
    note_saved,
    number_of_extensions,
    record_changes,
    refuse_lost_checkpoints,
    save_config,
)

_UNKNOWN_RATES = {"steps_per_second": math.nan, "seconds_per_epoch": math.nan}


class TrainingDivergedError(FloatingPointError):
    """A metric is not finite any more; what was saved before is kept."""


@in_32_bits
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
    workdir = local_path(workdir, "workdir")
    checks.check_config(config)
    devices = build.build_devices(config)
    config, dataset = checks.with_dataset(config)
    checks.check_comparisons(config, dataset)
    for note in dataset.notes:
        _say(note)
    for remark in remarks(dataset):
        _say(f"warning: {remark}")
    gan = build.build_gan(config, dataset.spec)
    num_train = len(dataset.train_labels)
    num_steps = build.number_of_steps(config, num_train)
    checks.check_length(config, num_steps)
    with (
        locked_workdir(workdir) if parallel.is_main() else contextlib.nullcontext(),
        caught_interrupts() as interrupts,
    ):
        if parallel.is_main():
            save_config(workdir, config, num_train)
        references = training.reference_examples(config, gan, dataset)
        run_steps, state = training.build_training(
            config, gan, num_steps, references, devices
        )
        scores = read_column(workdir, config.checkpoints.best_metric)
        with open_checkpoints(config, workdir, scores) as checkpoints:
            restored = _restore(checkpoints, state)
            state, step = restored or (state, 0)
            if step:
                _say(f"Resuming {workdir} at step {step:,} of {num_steps:,}")
            calendar = Calendar(config, num_steps, num_train // config.batch_size)
            log, segment, drops_score = None, None, False
            if parallel.is_main():
                if restored is None:
                    refuse_lost_checkpoints(workdir)
                log, segment, drops_score = _open_log(
                    workdir, calendar, step, num_train
                )
            if parallel.any_process(drops_score):
                scores.pop(step, None)
            with log or contextlib.nullcontext():
                loop = _Loop(
                    config,
                    workdir,
                    dataset,
                    gan,
                    devices,
                    checkpoints,
                    scores,
                    log,
                    calendar,
                    interrupts,
                    segment,
                )
                complete = loop.run(run_steps, state)
                loop.plot_curves()
        if parallel.is_main() and checkpoints.latest_step() is not None:
            note_saved(workdir)
        # An interrupt in the last moments is one too.
        return complete and not parallel.any_process(interrupts.is_set())


@dataclasses.dataclass
class _Loop:
    """One run of the loop: what its parts share."""

    config: ConfigDict
    workdir: pathlib.Path
    dataset: Dataset
    gan: Gan
    devices: Devices
    checkpoints: Checkpointer
    scores: dict[int, float]  # of checkpoints, by step
    log: MetricLog | None  # in the main process
    calendar: Calendar
    interrupts: Interrupts
    segment: int | None  # number of the segment of an extended run's schedule
    judge: Judge | None = None  # made when first needed

    def __post_init__(self):
        self.test_losses = make_test_losses(self.gan, self.config.batch_size)
        self.sampler = build.build_sampler(self.config, self.gan)
        self.seeds = build.seeds(self.config)
        self.keys = [root_keys(seed) for seed in self.seeds]

    @functools.cached_property
    def test_data(self) -> Batch:
        """The test set, put on the device when first needed and kept there."""
        return jax.device_put(Batch(self.dataset.test_images, self.dataset.test_labels))

    @property
    def num_steps(self) -> int:
        return self.calendar.num_steps

    @property
    def steps_per_epoch(self) -> int:
        return self.calendar.steps_per_epoch

    def run(self, run_steps, state: LoopState) -> bool:
        """Trains to the end or to an interrupt; returns whether it is the end."""
        step = int(state.gan.step)
        last_logged = parallel.of_main(self.log.last_step if self.log else -1)
        if step > 0:
            # The process before may have ended between this checkpoint and the rest.
            state = self._do_what_is_due(step, state, is_logged=last_logged == step)
        if step == self.num_steps:
            return True
        order = training.initial_order(self.config, len(self.dataset.train_labels))
        state, order = self.devices.put((state, order))
        with training.build_feed(
            self.config,
            self.dataset,
            self.devices,
            dispatches=self.calendar.dispatches(step),
            longest=self.calendar.longest_dispatch,
        ) as feed:
            data = next(feed)
            with self.interrupts.during("the compilation"):
                compiled = self._compile(run_steps, state, order, data)
            if step == 0:
                self._save_samples(step, state)
            step, state = self._steps(compiled, step, state, order, data, feed)
        if self.checkpoints.latest_step() != step:
            self._save(step, state)
        return step == self.num_steps

    def _steps(
        self,
        compiled: Callable,
        step: int,
        state: LoopState,
        order: EpochOrder,
        data: Batch | FedBatches,
        feed: Iterator[Batch | FedBatches],
    ) -> tuple[int, LoopState]:
        """Runs dispatches to the end or to an interrupt, and does what is due between.

        `data` is what the first one takes, `feed` has what the others do.
        """
        timer = Timer()
        with tqdm(
            total=self.num_steps,
            initial=step,
            unit="step",
            disable=None if parallel.is_main() else True,
        ) as progress:
            for _, count in self.calendar.dispatches(step):
                if parallel.any_process(self.interrupts.is_set()):
                    break
                with timer.measure(count):
                    state, order = compiled(state, order, data, np.int32(count))
                    self._check_finite(step, step + count, state)
                    data = next(feed, None)  # there are none after the last steps
                step += count
                progress.update(count)
                # Before what can go wrong with the rest, the judge above all.
                if self.calendar.is_saved(step):
                    self._save(step, state)
                state = self._do_what_is_due(
                    step, state, timer=timer, progress=progress
                )
        return step, state

    def _save(self, step: int, state: LoopState) -> None:
        is_first = self.checkpoints.latest_step() is None
        self.checkpoints.save(step, state)  # waits for the one before
        if parallel.is_main() and not is_first:
            note_saved(self.workdir)

    def _compile(self, run_steps, state, order, data):
        start = time.perf_counter()
        compiled = compile_run_steps(run_steps, state, order, data)
        epochs = self.num_steps / self.steps_per_epoch
        number = jax.device_count()
        where = f"{number} x " * (number > 1) + jax.devices()[0].platform
        what = f"{len(self.seeds)} GANs " * (len(self.seeds) > 1)
        _say(
            f"Training {what}for {self.num_steps:,} steps ({epochs:.1f} epochs of "
            f"{self.steps_per_epoch:,}) on {where}; compiled in "
            f"{time.perf_counter() - start:.1f} s"
        )
        return compiled

    def _check_finite(self, before: int, after: int, state: LoopState) -> None:
        for name, values in jax.device_get(state.metric_sums).items():
            for seed, value in zip(self.seeds, np.atleast_1d(values), strict=True):
                if math.isfinite(value):
                    continue
                saved = self.checkpoints.latest_step()
                kept = "none was saved" if saved is None else f"step {saved} is kept"
                raise TrainingDivergedError(
                    f"{name} became {value} between steps {before + 1} and {after} "
                    f"of seed {seed}; checkpoints in {self.workdir / 'checkpoints'}: "
                    f"{kept}"
                )

    def _means(self, state: LoopState) -> tuple[dict[str, float], LoopState]:
        """The metrics' means since the last logged step, and sums that start anew."""
        count = int(state.metric_count)
        row = {}
        for name, sums in jax.device_get(state.metric_sums).items():
            row |= _over_seeds(name, np.float32(sums) / np.float32(count))
        zeros = jax.tree.map(jnp.zeros_like, (state.metric_sums, state.metric_count))
        return row, LoopState(state.gan, *zeros)

    def _do_what_is_due(
        self,
        step: int,
        state: LoopState,
        *,
        is_logged: bool = False,
        timer: Timer | None = None,
        progress: tqdm | None = None,
    ) -> LoopState:
        """Does what is due after this step, but for saving it.

        `is_logged` says that the row of this step is written already. Without a timer
        its rates are not known (NaN).
        """
        calendar = self.calendar
        # A resumed run may have its row, with or without its steps in the sums.
        if (is_logged or calendar.is_logged(step)) and int(state.metric_count):
            row, state = self._means(state)
            if not is_logged:
                self._log(step, state, row, timer, progress)
        if calendar.is_sampled(step):
            self._save_samples(step, state)
        if calendar.is_saved(step):
            self.plot_curves()
        return state

    def _log(
        self,
        step: int,
        state: LoopState,
        row: dict[str, float],
        timer: Timer | None,
        progress: tqdm | None,
    ) -> None:
        """Writes the row of a step: means, rates, and what is measured there."""
        rates = timer.rates(self.steps_per_epoch) if timer else _UNKNOWN_RATES
        row = row | rates
        if progress is not None:
            progress.set_postfix(
                d_loss=f"{row['discriminator_loss']:.3f}",
                g_loss=f"{row['generator_loss']:.3f}",
                refresh=False,
            )
        scores = {}
        if self.calendar.is_scored(step):
            with self.interrupts.during("the scoring of this checkpoint"):
                scores = self._scores(step, state)
            self.scores[step] = scores[self.config.checkpoints.best_metric]
        if self.segment is not None:
            row["segment"] = self.segment
        if self.log:
            self.log.write(step, row | self._tests(step, state) | scores)

    def _tests(self, step: int, state: LoopState) -> dict[str, float]:
        """Losses and accuracies on the test images, where they are due."""
        if not self.calendar.is_tested(step):
            return {}
        # Scheduled values as in training; at step 0 every term is computed.
        progress = START._replace(share=np.float32(step / self.num_steps))
        losses = [
            jax.device_get(
                self.test_losses(
                    generator,
                    discriminator,
                    self.test_data,
                    jax.random.fold_in(keys["test"], step),
                    progress,
                )
            )
            for keys, generator, discriminator in zip(
                self.keys,
                self._sampling_variables(state),
                self._of_members(state.gan.discriminator.variables),
                strict=True,
            )
        ]
        row = {}
        for name in losses[0]:
            row |= _over_seeds(f"test_{name}", [values[name] for values in losses])
        return row

    def _scores(self, step: int, state: LoopState) -> dict[str, float]:
        """What the best checkpoint is chosen by."""
        metric = self.config.checkpoints.best_metric
        values = np.zeros(len(self.seeds))
        if parallel.is_main():
            values = self._scores_of_members(metric, step, state)
        row = _over_seeds(metric, values)
        return {name: parallel.of_main(value) for name, value in row.items()}

    def _scores_of_members(
        self, metric: str, step: int, state: LoopState
    ) -> list[float]:
        if self.judge is None:
            with self.interrupts.during("the judge's training"):
                self.judge = Judge.load_or_train(self.config, self.dataset)
        return [
            self.judge.score(
                metric,
                generator,
                jax.random.fold_in(keys["selection"], step),
                num_samples=self.config.checkpoints.best_num_samples,
                settings=self.config.eval.to_dict(),
            )
            for keys, generator in zip(
                self.keys, self._generators(step, state), strict=True
            )
        ]

    def plot_curves(self) -> None:
        rows = read_metrics(self.workdir) if self.log else []
        if rows:
            title = self.workdir.resolve().name
            # Not with the others: Matplotlib would delay every start.
            from gan_jax.report.curves import plot_curves

            plot_curves(
                rows,
                self.workdir / "curves.png",
                title=title,
                scores=list(filter(None, [self.config.checkpoints.best_metric])),
                features=self.config.eval.features,
            )

    def _of_members(self, variables: PyTree) -> list[PyTree]:
        """A network's variables for each seed, on one device."""
        return variables_of_members(parallel.local(variables), len(self.seeds))

    def _generators(self, step: int, state: LoopState) -> list[Generator]:
        return [
            Generator(
                self.dataset.spec,
                self.gan.conditional,
                step,
                self.sampler,
                variables,
            )
            for variables in self._sampling_variables(state)
        ]

    def _sampling_variables(self, state: LoopState) -> list[PyTree]:
        """The variables that generate images, for each seed."""
        members = self._of_members(state.gan.sampling_variables)
        return [self.sampler.settled(variables) for variables in members]

    def _save_samples(self, step: int, state: LoopState) -> None:
        if not self.log:
            return
        generators = self._generators(step, state)
        for seed, keys, generator in zip(
            self.seeds, self.keys, generators, strict=True
        ):
            grid = sample_grid(generator, keys["samples"])
            # The first seed's stand where those of a single run do.
            of_seed = "" if seed == self.seeds[0] else f"_seed_{seed}"
            folder = self.workdir / f"samples{of_seed}"
            save_png(folder / f"step_{step:08d}.png", grid)
            self.log.image(f"samples{of_seed}", grid, step)


def _restore(
    checkpoints: Checkpointer, state: LoopState
) -> tuple[LoopState, int] | None:
    """The main process's latest usable checkpoint, in every process."""
    restored = checkpoints.restore(state) if parallel.is_main() else None
    step = parallel.of_main(restored[1] if restored else -1)
    if parallel.is_main() or step < 0:
        return restored
    checkpoints.discard_after(step)
    return checkpoints.restore(state, step)


def _over_seeds(name: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """A metric's mean over the seeds and, of several, its sample deviation."""
    values = np.atleast_1d(values)
    row = {name: float(values.mean())}
    if len(values) > 1:
        row[f"{name}_std"] = float(values.std(ddof=1))
    return row


def _say(line: str) -> None:
    """Prints it, once for all processes."""
    if parallel.is_main():
        print(line, flush=True)


def _open_log(
    workdir: pathlib.Path, calendar: Calendar, step: int, num_train: int
) -> tuple[MetricLog, int | None, bool]:
    """Opens the log of a run that begins, or goes on after `step`.

    Notes in config.json what has changed, and says what that means.

    Returns:
      The log; the number of the run's segment, if it has been extended and has
      schedules, which depend on its length; whether the score of `step` no longer
      counts.
    """
    if step and not (workdir / METRICS_FILE).exists():
        _say(
            f"warning: {workdir / METRICS_FILE} is gone, and with it the scores of "
            f"earlier checkpoints; it begins anew after step {step:,}"
        )
    config, num_steps = calendar.config, calendar.num_steps
    saved = load_config(workdir)
    old_steps = build.number_of_steps(saved, num_train)
    scheduled = {
        f"{player}_optimizer.learning_rate"
        for player in ("generator", "discriminator")
        if config[f"{player}_optimizer"].schedule != "constant"
    } | set(build.build_schedules(config))
    if step and num_steps > old_steps and scheduled:
        _say(
            f"What changes over training ({', '.join(sorted(scheduled))}) is in steps "
            f"1 to {step:,} as in a run of {old_steps:,} steps, from step {step + 1:,} "
            f"on as in one of {num_steps:,}: it differs from a run of that length from "
            "step 1 on"
        )
    record_changes(workdir, config, step=step, lengths=(old_steps, num_steps))
    extensions = number_of_extensions(workdir)
    # At the end of a run everything is due. In a longer one it is a step like others.
    was_end = step == old_steps < num_steps
    usual = dataclasses.replace(calendar, config=saved)
    log = MetricLog(
        workdir,
        resume_step=step or None,
        revise=usual.revise if was_end else lambda row: row,
    )
    return (
        log,
        extensions if extensions and scheduled else None,
        was_end and not usual.is_scored(step),
    )
