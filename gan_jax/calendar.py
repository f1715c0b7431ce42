"""When something is due in a run, and how fast its steps are."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from ml_collections import ConfigDict

from gan_jax.report.metric_log import Row


@dataclasses.dataclass(frozen=True)
class Calendar:
    """What is due after which step."""

    config: ConfigDict
    num_steps: int
    steps_per_epoch: int

    @property
    def test_every(self) -> int:
        return self.config.test_every or self.steps_per_epoch

    def is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.num_steps

    def is_saved(self, step: int) -> bool:
        return self.is_due(step, self.config.checkpoint_every)

    def is_scored(self, step: int) -> bool:
        return bool(self.config.checkpoints.best_metric) and self.is_saved(step)

    def is_tested(self, step: int) -> bool:
        return self.is_due(step, self.test_every)

    def is_logged(self, step: int) -> bool:
        return (
            self.is_due(step, self.config.log_every)
            or self.is_tested(step)
            or self.is_scored(step)
        )

    def is_sampled(self, step: int) -> bool:
        return self.is_due(step, self.config.sample_every)

    def steps_to_next_event(self, step: int) -> int:
        return min(
            self.num_steps - step,
            self.config.steps_per_dispatch,
            *(every - step % every for every in self._intervals),
        )

    def dispatches(self, step: int) -> Iterator[tuple[int, int]]:
        """(step before, number of steps) of the calls to the device from here on."""
        while step < self.num_steps:
            count = self.steps_to_next_event(step)
            yield step, count
            step += count

    @property
    def longest_dispatch(self) -> int:
        """No call to the device has more steps."""
        return min(self.num_steps, self.config.steps_per_dispatch, *self._intervals)

    @property
    def _intervals(self) -> tuple[int, ...]:
        config = self.config
        return (
            config.log_every,
            config.sample_every,
            config.checkpoint_every,
            self.test_every,
        )

    def revise(self, row: Row) -> Row | None:
        """A logged row without what is not due at its step; None if no row is."""
        step = row["step"]
        if not self.is_logged(step):
            return None
        if not self.is_tested(step):
            row = {name: row[name] for name in row if not name.startswith("test_")}
        if not self.is_scored(step):
            metric = self.config.checkpoints.best_metric
            row = {
                name: row[name] for name in row if name not in (metric, f"{metric}_std")
            }
        return row


class Timer:
    """Rates of the steps alone, without what is written and judged between them."""

    def __init__(self):
        self.steps = 0
        self.seconds = 0.0

    @contextlib.contextmanager
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
