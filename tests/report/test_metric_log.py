"""The metric log: exact, resumable, and readable by anybody."""

import io
import json
import math
import struct

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto.event_pb2 import Event, SessionLog

from gan_jax.report.metric_log import MetricLog, read_metrics


def read_events(workdir) -> list[list[Event]]:
    """The events of every event file, by the TFRecord format."""
    files = []
    for path in sorted(workdir.glob("events.out.tfevents.*")):
        content, events = path.read_bytes(), []
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            events.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
        files.append(events)
    return files


def write_steps(workdir, steps, resume_step=None):
    with MetricLog(workdir, resume_step=resume_step) as log:
        for step in steps:
            log.write(step, {"loss": step / 10})


def steps_of(workdir) -> list[int]:
    return [row["step"] for row in read_metrics(workdir)]


def test_float32_values_round_trip_exactly(tmp_path):
    generator = np.random.default_rng(0)
    values = generator.integers(0, 2**32, 300, np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    with MetricLog(tmp_path / "new", resume_step=None) as log:
        for step, value in enumerate(values):
            log.write(step, {"a": value, "b": jnp.asarray(value), "c": float(value)})
    rows = read_metrics(tmp_path / "new")
    assert len(rows) == len(values) > 200
    for name in "abc":
        read = np.array([row[name] for row in rows], np.float32)
        assert read.tobytes() == values.tobytes()


def test_lines_are_json_and_on_disk_at_once(tmp_path):
    with MetricLog(tmp_path, resume_step=None) as log:
        log.write(100, {"loss": np.float32(0.5), "accuracy": 1})
        text = (tmp_path / "metrics.jsonl").read_text()
        assert text == '{"step": 100, "loss": 0.5, "accuracy": 1.0}\n'
        log.write(200, {"loss": 0.25})
        assert read_metrics(tmp_path)[1] == {"step": 200, "loss": 0.25}


def test_what_is_not_finite_is_null_and_read_as_nan(tmp_path):
    with MetricLog(tmp_path, resume_step=None) as log:
        log.write(1, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 2.0})

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (tmp_path / "metrics.jsonl").read_text()
    row = json.loads(text, parse_constant=refuse)
    assert row == {"step": 1, "a": None, "b": None, "c": None, "d": 2.0}
    (read,) = read_metrics(tmp_path)
    assert math.isnan(read["a"]) and math.isnan(read["b"]) and read["d"] == 2.0
    # Nulls survive a resume.
    MetricLog(tmp_path, resume_step=1).close()
    assert (tmp_path / "metrics.jsonl").read_text() == text
    scalars = read_events(tmp_path)[0][-1].summary.value
    assert [value.simple_value for value in scalars][1:] == [math.inf, -math.inf, 2.0]


def test_resume_drops_what_came_after_the_checkpoint(tmp_path):
    write_steps(tmp_path, [1, 2, 3, 4, 5])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    write_steps(tmp_path, [4, 6], resume_step=3)
    assert steps_of(tmp_path) == [1, 2, 3, 4, 6]
    assert (tmp_path / "metrics.jsonl").read_text().splitlines()[:3] == lines[:3]
    # TensorBoard is told to forget the same steps.
    _, resumed = read_events(tmp_path)
    start = next(event for event in resumed if event.HasField("session_log"))
    assert (start.step, start.session_log.status) == (4, SessionLog.START)


def test_no_resume_starts_afresh(tmp_path):
    write_steps(tmp_path, [1, 2])
    write_steps(tmp_path, [1])
    assert steps_of(tmp_path) == [1]
    start = next(
        event for event in read_events(tmp_path)[1] if event.HasField("session_log")
    )
    assert start.step == 0


def test_resume_without_a_file(tmp_path):
    write_steps(tmp_path, [11], resume_step=10)
    assert steps_of(tmp_path) == [11]


@pytest.mark.parametrize("torn", ['{"step": 3, "lo', '{"step": 3, "loss": 0.3}', "é"])
def test_torn_last_line_is_dropped(tmp_path, torn):
    write_steps(tmp_path, [1, 2])
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(torn.encode()[: len(torn.encode()) - (torn == "é")])
    assert steps_of(tmp_path) == [1, 2]
    write_steps(tmp_path, [3], resume_step=5)
    assert steps_of(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("bad", ["{", "[1]", "3", '{"loss": 1}'])
def test_damage_elsewhere_is_named_and_nothing_is_lost(tmp_path, bad):
    text = '{"step": 1}\n' + bad + '\n{"step": 2}\n'
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(ValueError, match="metrics.jsonl, line 2: expected a JSON obj"):
        read_metrics(tmp_path)
    with pytest.raises(ValueError, match="line 2"):
        MetricLog(tmp_path, resume_step=1)
    assert (tmp_path / "metrics.jsonl").read_text() == text


def test_events_hold_scalars_and_pictures_at_once(tmp_path):
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    color = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    with MetricLog(tmp_path, resume_step=None) as log:
        log.write(7, {"loss": 0.5, "accuracy": 0.75})
        log.image("samples", gray, 8)
        log.image("samples", color, 9)
        (events,) = read_events(tmp_path)
    scalars, gray_event, color_event = events[-3:]
    assert scalars.step == 7
    assert {value.tag: value.simple_value for value in scalars.summary.value} == {
        "loss": 0.5,
        "accuracy": 0.75,
    }
    for event, step, array in ((gray_event, 8, gray), (color_event, 9, color)):
        (value,) = event.summary.value
        assert (event.step, value.tag) == (step, "samples")
        encoded = io.BytesIO(value.image.encoded_image_string)
        decoded = np.asarray(Image.open(encoded))  # TensorBoard's gray has 3 channels.
        np.testing.assert_array_equal(decoded, np.broadcast_to(array, (3, 4, 3)))


def test_unwritable_workdir_names_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write: .*file/metrics.jsonl'"):
        MetricLog(tmp_path / "file", resume_step=None)


def test_full_disk_names_the_file(tmp_path):
    log = MetricLog(tmp_path, resume_step=None)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device: .*metrics.jsonl'"):
        log.write(1, {"loss": 1.0})
    log.close()


def test_read_metrics_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="metrics.jsonl"):
        read_metrics(tmp_path)
