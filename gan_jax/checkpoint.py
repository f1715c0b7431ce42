"""Checkpoints: atomic, asynchronous, checksummed; the sole importer of orbax."""

import contextlib
import hashlib
import json
import logging as standard_logging
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

if TYPE_CHECKING:
    # Where it is used it is imported: that takes a second, and exports need none.
    import orbax.checkpoint as ocp

_STATE = "state"
_DATA = "data"
_MANIFEST = "manifest"


class CheckpointError(Exception):
    """A checkpoint cannot be written, found, read or fitted to the state."""


class _DamagedError(Exception):
    """One checkpoint on disk is not what was written."""


class Checkpointer:
    """Saves states by step in a directory, and finds the latest usable one again.

    A state is any pytree of arrays, typed PRNG keys (`jax.random.key`) included;
    on several hosts every array must be replicated. A checkpoint is a directory
    named by its step: the arrays and a manifest with a SHA-256 of both. It is written
    under a temporary name and renamed when whole, so a killed writer leaves all of it
    or nothing that counts.

    The latest `keep_latest` checkpoints stay: the last one, and before it those of
    multiples of `every` steps, so that a resumed run ends with the checkpoints of an
    uninterrupted one. Those that interrupts leave stay only while there are too few of
    these. The best one stays as well: the one with the best score; of equals the
    latest; one without a score, or with NaN, is never the best.

    Nothing on disk changes before the first `save`, so a directory that another
    process writes may be read.

    Args:
      directory: created by the first `save`.
      keep_latest: at least 1.
      every: steps between two checkpoints that are due.
      scores: {step: score}, which the caller keeps and may add to: a checkpoint can be
        saved first and scored afterwards.
      smallest_is_best: of the scores.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        keep_latest: int,
        every: int = 1,
        scores: Mapping[int, float] | None = None,
        smallest_is_best: bool = False,
    ):
        if keep_latest < 1:
            raise ValueError(f"keep_latest must be at least 1, not {keep_latest}")
        self._directory = Path(directory).absolute()
        self._keep_latest = keep_latest
        self._every = every
        self._scores = {} if scores is None else scores
        self._sign = -1 if smallest_is_best else 1
        self._writer: ocp.CheckpointManager | None = None
        self._damaged: set[int] = set()
        logging.get_absl_logger().addFilter(_is_not_from_orbax)

    def save(self, step: int, state: Any) -> None:
        """Copies the state to host memory and returns while it is being written.

        The buffers of `state` may be donated or deleted as soon as this returns. Waits
        for the write before, if that still goes on. Checkpoints that `restore` found
        damaged are deleted first, so their steps can be saved again.

        Raises CheckpointError if `step` is not after the latest step, or if this write
        or the one before fails.
        """
        import orbax.checkpoint as ocp

        latest = self.latest_step()
        if latest is not None and step <= latest:
            raise CheckpointError(
                f"cannot save step {step} in {self._directory}: "
                f"the latest checkpoint is of step {latest}"
            )
        entries, data = _pack(state)
        content = {
            "leaves": entries,
            "data_sha256": hashlib.sha256(data).hexdigest(),
        }
        manifest = {"content": content, "sha256": _content_digest(content)}
        items = ocp.args.Composite(
            **{
                _STATE: ocp.args.PyTreeSave({_DATA: data}),
                _MANIFEST: ocp.args.JsonSave(manifest),
            }
        )
        try:
            self._open_writer().save(step, args=items, force=True)
        except Exception as error:
            raise self._failed_write(error) from error

    def restore(
        self, template_state: Any, step: int | None = None
    ) -> tuple[Any, int] | None:
        """Reads a checkpoint into the structure of `template_state`.

        Args:
          template_state: arrays or `jax.ShapeDtypeStruct` (of `jax.eval_shape`) in the
            structure that was saved. Arrays return to the sharding of the template's.
          step: the step wanted. By default the latest usable one: a damaged checkpoint
            is skipped with a warning that names it and the reason.

        Returns:
          (state, step), bit for bit what was saved, or None if no step was asked for
          and there is no checkpoint.

        Raises CheckpointError if there are checkpoints but none is usable, if `step`
        is absent or damaged, or if the template does not fit (names the first leaf).
        """
        self.wait()
        if step is not None:
            self._require(step)
            try:
                return self._load(step, template_state), step
            except _DamagedError as error:
                raise CheckpointError(
                    f"checkpoint {self._path(step)} is damaged ({error}); "
                    f"there are steps {self._steps_on_disk()}"
                ) from error
        reasons = []
        for candidate in reversed(self._steps_on_disk()):
            try:
                return self._load(candidate, template_state), candidate
            except _DamagedError as error:
                logging.warning(
                    "Skipping damaged checkpoint %s: %s", self._path(candidate), error
                )
                reasons.append(f"step {candidate} ({error})")
                self._damaged.add(candidate)
        if reasons:
            raise CheckpointError(
                f"no usable checkpoint in {self._directory}: {', '.join(reasons)}"
            )
        return None

    def discard_after(self, step: int) -> None:
        """Takes later checkpoints for damaged, as another process has found them."""
        self._damaged |= {later for later in self._steps_on_disk() if later > step}

    def all_steps(self) -> list[int]:
        """Steps in ascending order, one that is being written included.

        Those that `restore` skipped as damaged are left out.
        """
        steps = self._writer.all_steps() if self._writer else self._steps_on_disk()
        return sorted(set(steps) - self._damaged)

    def latest_step(self) -> int | None:
        """The last of `all_steps`, or None."""
        return max(self.all_steps(), default=None)

    def best_step(self) -> int | None:
        """The step with the best score, or None if no step has one."""
        scored = [
            (self._sign * self._scores[step], step)
            for step in self.all_steps()
            if not math.isnan(self._scores.get(step, math.nan))
        ]
        return max(scored)[1] if scored else None

    def wait(self) -> None:
        """Waits for the write in progress; CheckpointError if it failed."""
        if self._writer is not None:
            try:
                self._writer.wait_until_finished()
            except Exception as error:
                raise self._failed_write(error) from error

    def close(self) -> None:
        """Waits like `wait`, then frees the writer's threads."""
        self.wait()
        self._close_writer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _path(self, step: int) -> Path:
        return self._directory / str(step)

    def _steps_on_disk(self) -> list[int]:
        if not self._directory.is_dir():
            return []
        names = [path.name for path in self._directory.iterdir() if path.is_dir()]
        return sorted(int(name) for name in names if name.isdecimal())

    def _require(self, step: int) -> None:
        if not self._path(step).is_dir():
            raise CheckpointError(
                f"no checkpoint of step {step} in {self._directory}; "
                f"there are steps {self._steps_on_disk()}"
            )

    def _open_writer(self) -> "ocp.CheckpointManager":
        """The manager that writes, on a directory freed of what does not count."""
        import orbax.checkpoint as ocp

        if self._damaged:
            self._close_writer()
        if self._writer is None:
            for step in self._damaged:
                shutil.rmtree(self._path(step), ignore_errors=True)
            self._damaged.clear()
            self._directory.mkdir(parents=True, exist_ok=True)
            self._writer = ocp.CheckpointManager(
                self._directory,
                options=ocp.CheckpointManagerOptions(
                    cleanup_tmp_directories=True,
                    # Otherwise a damaged checkpoint may raise already here.
                    lightweight_initialize=True,
                    preservation_policy=_LatestAndBest(
                        self._keep_latest, self._every, self.best_step
                    ),
                ),
            )
        return self._writer

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _failed_write(self, error: Exception) -> CheckpointError:
        # The next save makes a new writer, which removes what this one left.
        with contextlib.suppress(Exception):
            self._close_writer()
        return CheckpointError(
            f"cannot write a checkpoint in {self._directory}: {_reason(error)}"
        )

    def _read_manifest(self, step: int) -> dict[str, Any]:
        import orbax.checkpoint as ocp

        try:
            path = self._path(step) / _MANIFEST
            manifest = ocp.JsonCheckpointHandler().restore(path)
            content = manifest["content"]
            intact = manifest["sha256"] == _content_digest(content)
        except Exception as error:
            raise _DamagedError(f"manifest: {_reason(error)}") from error
        if not intact:
            raise _DamagedError("manifest does not match its checksum")
        return content

    def _load(self, step: int, template_state: Any) -> Any:
        manifest = self._read_manifest(step)
        template = _leaves_by_path(template_state)
        entries = {entry["path"]: entry for entry in manifest["leaves"]}
        self._check_template(step, entries, template)
        data = self._read_data(step, manifest["data_sha256"])
        restored = [
            _unpack(leaf, entries[path], data) for path, leaf in template.items()
        ]
        return jax.tree.unflatten(jax.tree.structure(template_state), restored)

    def _check_template(
        self, step: int, entries: Mapping[str, Any], template: Mapping[str, Any]
    ) -> None:
        where = f"checkpoint {self._path(step)} does not fit the state: leaf"
        for path, leaf in template.items():
            if path not in entries:
                raise CheckpointError(f"{where} {path} is not in the checkpoint")
            saved = f"{entries[path]['dtype']}{entries[path]['shape']}"
            wanted = f"{leaf.dtype}{list(leaf.shape)}"
            if saved != wanted:
                raise CheckpointError(
                    f"{where} {path} is {saved} in the checkpoint, "
                    f"{wanted} in the state"
                )
        for path in entries:
            if path not in template:
                raise CheckpointError(f"{where} {path} is not in the state")

    def _read_data(self, step: int, sha256: str) -> np.ndarray:
        import orbax.checkpoint as ocp

        try:
            # Each process reads for itself, and not all of them may.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=jax.process_index(), active_processes={jax.process_index()}
            )
            with ocp.Checkpointer(
                ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
                multiprocessing_options=alone,
            ) as reader:
                as_numpy = {_DATA: ocp.RestoreArgs(restore_type=np.ndarray)}
                data = reader.restore(
                    self._path(step) / _STATE,
                    args=ocp.args.PyTreeRestore(restore_args=as_numpy),
                )[_DATA]
        except Exception as error:
            raise _DamagedError(_reason(error)) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _DamagedError("the arrays do not match their checksum")
        return data


class _LatestAndBest:
    """Orbax preservation policy: the latest few and the best one.

    Orbax's own BestN reads every checkpoint's metrics when a manager is made, which a
    damaged one stops with an exception.
    """

    def __init__(
        self, keep_latest: int, every: int, best_step: Callable[[], int | None]
    ):
        self._keep_latest = keep_latest
        self._every = every
        self._best_step = best_step

    def should_preserve(
        self, checkpoints: Sequence[Any], *, context: Any
    ) -> list[bool]:
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        due = [step for step in steps if step % self._every == 0 or step == steps[-1]]
        # Others only where there are too few that are due.
        others = [step for step in steps if step not in due]
        kept = {*[*others, *due][-self._keep_latest :], self._best_step()}
        return [step in kept for step in steps]


def _is_not_from_orbax(record: standard_logging.LogRecord) -> bool:
    """Keeps orbax's records off the console.

    It tells every step of a save, and its failures with tracebacks; those reach the
    caller as CheckpointError.
    """
    return "/orbax/" not in Path(record.pathname).as_posix()


def _reason(error: BaseException) -> str:
    """An error in one line; of TensorStore's long ones the end, where the cause is."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return line if len(line) <= 300 else f"{line[:100]} ... {line[-200:]}"


def _leaves_by_path(state: Any) -> dict[str, Any]:
    """{'.params['w']': leaf, ...} in the order of the tree."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _is_prng_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _pack(state: Any) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Every leaf's bytes in one array of its own memory, and where they are in it.

    One array, and not Orbax's StandardSave of the tree: for 60 arrays that one kept the
    caller waiting for 0.1 s in place of 0.02 s, restored flipped bits without a word,
    and of damaged files printed many lines of tracebacks, from callbacks of a
    closed event loop, besides the exception (orbax-checkpoint 0.12.8).

    Returns:
      (entries, data): per leaf its path, dtype, shape and place; uint8 [bytes].
    """
    leaves = _leaves_by_path(state)
    arrays = jax.device_get(
        [
            jax.random.key_data(leaf) if _is_prng_key(leaf) else leaf
            for leaf in leaves.values()
        ]
    )
    entries, offset = [], 0
    for (path, leaf), array in zip(leaves.items(), arrays, strict=True):
        entry = {
            "path": path,
            "dtype": str(leaf.dtype),
            "shape": list(leaf.shape),
            "data_dtype": str(array.dtype),
            "data_shape": list(array.shape),
            "offset": offset,
        }
        if _is_prng_key(leaf):
            entry["key_impl"] = str(jax.random.key_impl(leaf))
        entries.append(entry)
        offset += array.nbytes
    # A copy also where device_get gave a view of a buffer that the caller may donate
    # (on CPUs). Not empty, since orbax refuses that.
    data = np.concatenate(
        [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays]
        + [np.zeros(1, np.uint8)]
    )
    return entries, data


def _unpack(template: Any, entry: Mapping[str, Any], data: np.ndarray) -> Any:
    """The saved leaf as the kind of array, on the devices, of the template's leaf."""
    shape = entry["data_shape"]
    array = np.frombuffer(
        data, jnp.dtype(entry["data_dtype"]), math.prod(shape), entry["offset"]
    )
    array = array.reshape(shape).copy()
    if isinstance(template, np.ndarray | np.generic):
        return array
    leaf = jnp.array(array)
    if _is_prng_key(template):
        leaf = jax.random.wrap_key_data(leaf, impl=entry["key_impl"])
    committed = getattr(template, "committed", template.sharding is not None)
    return jax.device_put(leaf, template.sharding) if committed else leaf


def _content_digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
