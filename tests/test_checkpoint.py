"""Checkpoints hold the exact bits, survive kills and damage, and say so."""

import logging as standard_logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl import logging

from gan_jax.checkpoint import Checkpointer, CheckpointError


def make_state(seed: int = 0, width: int = 64):
    key = jax.random.key(seed)
    params = {
        "dense": {
            "kernel": jax.random.normal(key, (width, 32)),
            "bias": jnp.full(32, seed, jnp.bfloat16),
        }
    }
    return {
        "step": jnp.asarray(seed, jnp.int32),
        "key": key,
        "keys": jax.random.split(jax.random.key(seed, impl="rbg"), 3),
        "params": params,
        "opt_state": optax.adam(1e-3).init(params),
        "flags": np.array([True, False]),
        "nothing": jnp.zeros((0, 4)),
        "odd": jnp.asarray([jnp.nan, -0.0, jnp.inf, 1e-45], jnp.float32),
    }


def bits(state) -> list[tuple[str, tuple[int, ...], bytes]]:
    def leaf_bits(leaf):
        kind = str(leaf.dtype)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return kind, leaf.shape, np.asarray(leaf).tobytes()

    return [leaf_bits(leaf) for leaf in jax.tree.leaves(state)]


def save_steps(directory: Path, steps: list[int]) -> None:
    with Checkpointer(directory, keep_latest=10) as checkpointer:
        for step in steps:
            checkpointer.save(step, make_state(step))


def largest_file(directory: Path) -> Path:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


@pytest.fixture
def warnings_logged() -> Iterator[list[str]]:
    """The warnings that people see: orbax's own are filtered out."""
    messages = []

    class Keep(standard_logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    logger, handler = logging.get_absl_logger(), Keep(standard_logging.WARNING)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_restores_exact_bits_and_types(tmp_path):
    state = make_state(3)
    with Checkpointer(tmp_path / "a" / "b", keep_latest=1) as checkpointer:
        assert checkpointer.restore(state) is None
        assert not (tmp_path / "a").exists()
        checkpointer.save(7, state)

    with Checkpointer(tmp_path / "a" / "b", keep_latest=1) as checkpointer:
        restored, step = checkpointer.restore(make_state(0))
        from_shapes, _ = checkpointer.restore(jax.eval_shape(lambda: make_state(0)))
    assert step == 7
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert type(restored["opt_state"][0]) is type(state["opt_state"][0])
    assert bits(restored) == bits(state)
    assert bits(from_shapes) == bits(state)
    assert isinstance(restored["flags"], np.ndarray)
    draw = partial(jax.random.normal, shape=(5,))
    np.testing.assert_array_equal(draw(restored["key"]), draw(state["key"]))
    np.testing.assert_array_equal(draw(restored["keys"][1]), draw(state["keys"][1]))


def test_restored_arrays_return_to_the_sharding_of_the_template(tmp_path):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[-1])
    template = jax.device_put(make_state(0), sharding)
    save_steps(tmp_path, [1])
    with Checkpointer(tmp_path, keep_latest=1) as checkpointer:
        placed, _ = checkpointer.restore(template)
        unplaced, _ = checkpointer.restore(make_state(0))
    for leaf in jax.tree.leaves(placed):
        assert leaf.sharding == sharding
        assert leaf.committed
    assert not unplaced["key"].committed
    assert not unplaced["step"].committed


def test_state_may_be_donated_as_soon_as_save_returns(tmp_path):
    @partial(jax.jit, donate_argnums=0)
    def advance(state):
        return jax.tree.map(lambda leaf: leaf * 2 + 1, state)

    # Large, so that the write goes on while the buffers are overwritten.
    state = {str(i): jnp.full((512, 512), i, jnp.float32) for i in range(8)}
    expected = bits(state)
    with Checkpointer(tmp_path, keep_latest=1) as checkpointer:
        checkpointer.save(1, state)
        for _ in range(20):
            state = advance(state)
        assert float(state["0"][0, 0]) == 2**20 - 1
        restored, _ = checkpointer.restore(state)
        assert bits(restored) == expected
        # The restored buffers may be donated too.
        again = advance(restored)
        assert float(again["3"][0, 0]) == 7.0


def test_keeps_the_latest_and_the_best(tmp_path):
    scores = {}
    with Checkpointer(tmp_path, keep_latest=2, scores=scores) as checkpointer:
        assert checkpointer.best_step() is None
        assert checkpointer.latest_step() is None
        # Equal scores: the later one is the best.
        for step, score in {1: 0.9, 2: 0.9, 3: 0.1, 4: 0.1}.items():
            checkpointer.save(step, make_state(step))
            scores[step] = score
    # A new process is told the scores of the old one.
    with Checkpointer(tmp_path, keep_latest=2, scores=scores) as checkpointer:
        checkpointer.save(5, make_state(5))
        scores[5] = float("nan")
        checkpointer.save(6, make_state(6))
        checkpointer.wait()
        assert checkpointer.all_steps() == [2, 5, 6]
        assert checkpointer.best_step() == 2
        assert checkpointer.latest_step() == 6
        assert sorted(int(path.name) for path in tmp_path.iterdir()) == [2, 5, 6]
        restored, step = checkpointer.restore(make_state(0), step=2)
    assert step == 2
    assert bits(restored) == bits(make_state(2))


def test_what_an_interrupt_leaves_takes_no_others_place(tmp_path):
    with Checkpointer(tmp_path, keep_latest=2, every=10) as checkpointer:
        kept = []
        for step in (10, 20, 23, 27, 30, 40, 45):  # 45: the end
            checkpointer.save(step, make_state(step))
            checkpointer.wait()
            kept.append(checkpointer.all_steps())

    assert kept == [[10], [10, 20], [20, 23], [20, 27], [20, 30], [30, 40], [40, 45]]


def test_what_an_interrupt_leaves_stays_while_there_is_nothing_better(tmp_path):
    with Checkpointer(tmp_path, keep_latest=3, every=10) as checkpointer:
        for step in (3, 7, 10, 20):
            checkpointer.save(step, make_state(step))
            checkpointer.wait()

        assert checkpointer.all_steps() == [7, 10, 20]


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES = {
    "deleted file": lambda path: largest_file(path).unlink(),
    "truncated file": lambda path: truncate(largest_file(path)),
    "flipped bit": lambda path: flip_bit(largest_file(path)),
    "flipped bit in manifest": lambda path: flip_bit(path / "manifest" / "metadata"),
    "truncated manifest": lambda path: truncate(path / "manifest" / "metadata"),
    "deleted manifest": lambda path: shutil.rmtree(path / "manifest"),
    "deleted state": lambda path: shutil.rmtree(path / "state"),
    "empty": lambda path: [shutil.rmtree(path), path.mkdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_latest_falls_back_and_its_step_can_be_saved_again(
    tmp_path, warnings_logged, damage
):
    save_steps(tmp_path, [10, 20, 30])
    DAMAGES[damage](tmp_path / "30")
    scores = {10: 0.1, 20: 0.2, 30: 0.3}
    with Checkpointer(tmp_path, keep_latest=10, scores=scores) as checkpointer:
        restored, step = checkpointer.restore(make_state(0))
        assert step == 20
        assert bits(restored) == bits(make_state(20))
        assert len(warnings_logged) == 1
        assert f"Skipping damaged checkpoint {tmp_path / '30'}: " in warnings_logged[0]
        assert "\n" not in warnings_logged[0]
        assert checkpointer.all_steps() == [10, 20]
        assert checkpointer.latest_step() == 20
        assert checkpointer.best_step() == 20
        with pytest.raises(
            CheckpointError, match=r"30 is damaged .*steps \[10, 20, 30"
        ):
            checkpointer.restore(make_state(0), step=30)
        checkpointer.save(25, make_state(25))
        checkpointer.save(30, make_state(31))
        restored, step = checkpointer.restore(make_state(0))
        assert step == 30
        assert bits(restored) == bits(make_state(31))
        assert checkpointer.all_steps() == [10, 20, 25, 30]


def test_damage_found_by_the_process_that_wrote_it(tmp_path, warnings_logged):
    with Checkpointer(tmp_path, keep_latest=3) as checkpointer:
        for step in (1, 2):
            checkpointer.save(step, make_state(step))
        checkpointer.wait()
        flip_bit(largest_file(tmp_path / "2"))
        _, step = checkpointer.restore(make_state(0))
        assert step == 1
        checkpointer.save(2, make_state(5))
        restored, step = checkpointer.restore(make_state(0))
    assert step == 2
    assert bits(restored) == bits(make_state(5))
    assert len(warnings_logged) == 1


def test_every_damaged_file_of_a_checkpoint_is_noticed_or_harmless(tmp_path):
    save_steps(tmp_path, [1])
    expected = bits(make_state(1))
    files = [path for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(files) > 5
    noticed = 0
    for path in files:
        content = path.read_bytes()
        for damage in (flip_bit, truncate, Path.unlink):
            damage(path)
            with Checkpointer(tmp_path, keep_latest=1) as checkpointer:
                try:
                    restored, _ = checkpointer.restore(make_state(0), step=1)
                except CheckpointError:
                    noticed += 1
                else:
                    assert bits(restored) == expected, path
            path.write_bytes(content)
    assert noticed >= 6  # Each damage of the data and of the manifest at least.


def test_none_usable_lists_them(tmp_path, warnings_logged):
    save_steps(tmp_path, [1, 2])
    for step in ("1", "2"):
        flip_bit(largest_file(tmp_path / step))
    with (
        Checkpointer(tmp_path, keep_latest=1) as checkpointer,
        pytest.raises(CheckpointError, match=r"no usable .*step 2 \(.*step 1 \("),
    ):
        checkpointer.restore(make_state(0))
    assert len(warnings_logged) == 2


def test_absent_step_and_steps_out_of_order(tmp_path):
    save_steps(tmp_path, [3, 8])
    with Checkpointer(tmp_path, keep_latest=2) as checkpointer:
        with pytest.raises(CheckpointError, match=r"step 5 .*there are steps \[3, 8\]"):
            checkpointer.restore(make_state(0), step=5)
        with pytest.raises(CheckpointError, match="cannot save step 8 .*of step 8"):
            checkpointer.save(8, make_state(8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"odd": jnp.zeros(5)},
            r"leaf \['odd'\] is float32\[4\] in the checkpoint, float32\[5\] in the",
        ),
        ({"step": jnp.float32(0)}, r"\['step'\] is int32\[\] .* float32\[\] in"),
        ({"key": jax.random.key(0, impl="rbg")}, r"\['key'\] is key<fry>\[\] in"),
        ({"extra": jnp.zeros(2)}, r"leaf \['extra'\] is not in the checkpoint"),
        ({"odd": None}, r"leaf \['odd'\] is not in the state"),
    ],
)
def test_template_that_does_not_fit(tmp_path, change, message):
    save_steps(tmp_path, [1])
    with (
        Checkpointer(tmp_path, keep_latest=1) as checkpointer,
        pytest.raises(CheckpointError, match=message),
    ):
        checkpointer.restore(make_state(0) | change)


def test_leftovers_of_a_killed_writer_do_not_count_and_are_removed(tmp_path):
    save_steps(tmp_path, [1])
    leftover = tmp_path / "2.orbax-checkpoint-tmp-1700000000"
    shutil.copytree(tmp_path / "1", leftover)
    with Checkpointer(tmp_path, keep_latest=2) as checkpointer:
        _, step = checkpointer.restore(make_state(0))
        assert step == 1
        # It may belong to a process that is writing, until this one writes.
        assert leftover.exists()
        checkpointer.save(2, make_state(2))
        checkpointer.wait()
        assert checkpointer.all_steps() == [1, 2]
    assert not leftover.exists()


WRITER = """
import sys
import jax.numpy as jnp
from gan_jax.checkpoint import Checkpointer
checkpointer = Checkpointer(sys.argv[1], keep_latest=2)
for step in range(1, 10_000):
    state = {"a": jnp.full(300_000, step), "b": jnp.full(300_000, 2.0 * step)}
    checkpointer.save(step, state)
    print(step, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.013, 0.034])
def test_sigkill_leaves_a_whole_checkpoint(tmp_path, delay):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    with writer:
        for _ in range(5):
            started = int(writer.stdout.readline())
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    template = {"a": jnp.zeros(300_000, jnp.int32), "b": jnp.zeros(300_000)}
    with Checkpointer(tmp_path, keep_latest=2) as checkpointer:
        state, step = checkpointer.restore(template)
        # Saves do not overlap: the one before the last that began is whole.
        assert step >= started - 1
        np.testing.assert_array_equal(state["a"], np.full(300_000, step))
        np.testing.assert_array_equal(state["b"], np.full(300_000, 2.0 * step))
        checkpointer.save(step + 1, state)
        checkpointer.wait()
        assert len(checkpointer.all_steps()) == 2
    assert len(list(tmp_path.iterdir())) == 2


FULL_DISK = """
import resource, signal, sys
import jax.numpy as jnp
from gan_jax.checkpoint import Checkpointer, CheckpointError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpointer = Checkpointer(sys.argv[1], keep_latest=2)
checkpointer.save(1, jnp.arange(1000.0))
checkpointer.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
# Random bits: what compresses well would fit.
import numpy as np
large = np.random.default_rng(0).random(1_000_000)
try:
    checkpointer.save(2, large)
    checkpointer.wait()
except CheckpointError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(checkpointer.all_steps())
checkpointer.save(2, large)
checkpointer.close()
print(checkpointer.all_steps())
"""


def test_failed_write_is_reported_and_leaves_the_others(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        check=True,
    )
    message, after_failure, at_end = result.stdout.splitlines()
    assert message.startswith(f"cannot write a checkpoint in {tmp_path}: ")
    assert "File too large" in message
    assert (after_failure, at_end) == ("[1]", "[1, 2]")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]
    assert result.stderr == ""


def test_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        Checkpointer(tmp_path / "file" / "checkpoints", keep_latest=1) as checkpointer,
        pytest.raises(CheckpointError, match=f"cannot write .*{tmp_path}/file"),
    ):
        checkpointer.save(1, make_state(1))


def test_bad_options(tmp_path):
    with pytest.raises(ValueError, match="keep_latest must be at least 1, not 0"):
        Checkpointer(tmp_path, keep_latest=0)
