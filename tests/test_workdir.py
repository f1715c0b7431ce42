"""A folder holds one run: another config is refused with the fields named."""

import json
import pathlib

import pytest
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.build import ConfigError
from gan_jax.data import DatasetSpec
from gan_jax.workdir import (
    check_evaluation_config,
    config_to_dict,
    default_workdir,
    load_config,
    locked_workdir,
    number_of_extensions,
    record_changes,
    save_config,
)


def test_config_survives_the_file(tmp_path, small_config):
    config = small_config()
    save_config(tmp_path / "new" / "run", config)

    loaded = load_config(tmp_path / "new" / "run")

    assert isinstance(loaded, ConfigDict)
    assert config_to_dict(loaded) == config_to_dict(config)
    assert loaded.generator.hidden_sizes == (16, 12)  # JSON has no tuples
    assert json.loads((tmp_path / "new" / "run" / "config.json").read_text()) == (
        config_to_dict(config)
    )
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == [
        "config.json"
    ]


def test_the_same_config_is_accepted_and_not_rewritten(tmp_path, small_config):
    save_config(tmp_path, small_config())
    before = (tmp_path / "config.json").stat()

    save_config(tmp_path, small_config())

    after = (tmp_path / "config.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_different_config_is_refused_and_every_field_named(tmp_path, small_config):
    save_config(tmp_path, small_config())
    other = small_config({"seed": 3, "generator.dropout_rate": 0.25})

    with pytest.raises(ConfigError) as caught:
        save_config(tmp_path, other)

    message = str(caught.value)
    assert str(tmp_path) in message
    assert "config.seed is 3 here, 0 there" in message
    assert "config.generator.dropout_rate is 0.25 here, 0.5 there" in message
    assert message.count(" here, ") == 2
    assert load_config(tmp_path).seed == 0


def test_fields_on_one_side_only_are_named(tmp_path, small_config):
    config = small_config()
    with config.unlocked():
        config.generator.extra = 5
    save_config(tmp_path, config)

    with pytest.raises(ConfigError, match="generator.extra is 'absent' here, 5 there"):
        save_config(tmp_path, small_config())


@pytest.mark.parametrize(
    "fields",
    [
        {"data.dir": "elsewhere"},
        {"classifier.cache_dir": "elsewhere"},
        {"eval.inception_weights": "elsewhere"},
        {"steps_per_dispatch": 7},
    ],
)
def test_what_does_not_change_the_run_may_differ(tmp_path, small_config, fields):
    save_config(tmp_path, small_config())

    save_config(tmp_path, small_config(fields))
    check_evaluation_config(tmp_path, small_config(fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"eval.num_samples": 5},
        {"eval.scores": ("gan_test",)},
        {"sampling.dropout_rate": 0.1},
        {"classifier.seed": 4},
        {"modes.generator_in_sampling": "eval"},
        {"data.source": "files"},
    ],
)
def test_how_a_run_is_judged_may_differ_in_evaluation_alone(
    tmp_path, small_config, fields
):
    save_config(tmp_path, small_config())

    check_evaluation_config(tmp_path, small_config(fields))
    with pytest.raises(ConfigError, match=next(iter(fields))):
        save_config(tmp_path, small_config(fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"latent.prior": "uniform"},
        {"data.name": "fashion_mnist"},
        {"modes.generator_in_discriminator_step": "eval"},
        {"modes.generator_in_generator_step": "eval"},
        {"num_steps": 21},
    ],
)
def test_what_was_trained_may_not_differ_in_evaluation(tmp_path, small_config, fields):
    save_config(tmp_path, small_config())

    with pytest.raises(ConfigError, match=next(iter(fields))):
        check_evaluation_config(tmp_path, small_config(fields))


def test_no_run(tmp_path):
    with pytest.raises(ConfigError, match=f"{tmp_path} holds no run"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b'{"seed": 1', b"", b"\xff\xfe", b"[1, 2]", b"3"],
    ids=["cut off", "empty", "bytes", "list", "number"],
)
def test_a_damaged_config_is_named(tmp_path, content, small_config):
    (tmp_path / "config.json").write_bytes(content)

    with pytest.raises(ConfigError, match=f"{tmp_path / 'config.json'} is damaged"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match="is damaged"):
        save_config(tmp_path, small_config())


@pytest.mark.parametrize(
    ("flag", "folder"),
    [
        ("configs/quickstart.py", "runs/quickstart"),
        ("configs/mlp_cgan_mnist.py:15", "runs/mlp_cgan_mnist_15"),
    ],
)
def test_default_workdir(flag, folder):
    assert default_workdir(flag) == pathlib.Path(folder)


def test_checkpoints_of_an_unknown_run_are_not_gone_on_with(small_config, tmp_path):
    (tmp_path / "checkpoints" / "430").mkdir(parents=True)

    with pytest.raises(ConfigError, match="holds checkpoints but no config.json"):
        save_config(tmp_path, small_config())

    assert not (tmp_path / "config.json").exists()


def test_the_history_of_a_run(tmp_path, small_config):
    config = small_config()  # 20 steps
    save_config(tmp_path, config)

    def change(step, fields, lengths):
        record_changes(tmp_path, small_config(fields), step=step, lengths=lengths)

    change(0, {"data.dir": "elsewhere"}, (20, 20))
    assert number_of_extensions(tmp_path) == 0
    assert "history" not in json.loads((tmp_path / "config.json").read_text())
    # Before the first step nothing is extended; the run is as it is then.
    change(0, {"num_steps": 25}, (20, 25))
    change(10, {"num_steps": 25, "log_every": 7}, (25, 25))
    # Epochs do not count where there are steps.
    change(15, {"num_steps": 25, "log_every": 7, "num_epochs": 9}, (25, 25))
    assert number_of_extensions(tmp_path) == 0
    last = {"num_steps": 30, "log_every": 7, "num_epochs": 9}
    change(25, last, (25, 30))
    assert number_of_extensions(tmp_path) == 1

    last = small_config(last)
    assert config_to_dict(load_config(tmp_path)) == config_to_dict(last)
    save_config(tmp_path, last)
    assert json.loads((tmp_path / "config.json").read_text())["history"] == [
        {"step": 0, "changed": {"num_steps": [20, 25]}, "steps": [20, 25]},
        {"step": 10, "changed": {"log_every": [100, 7]}},
        {"step": 15, "changed": {"num_epochs": [100, 9]}},
        {"step": 25, "changed": {"num_steps": [25, 30]}, "steps": [25, 30]},
    ]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({"num_steps": 20}, {"num_steps": 21}, None),
        ({"num_steps": 20}, {"num_steps": 19}, "num_steps is 19 here, 20 there; a run"),
        (
            {"num_steps": 0, "num_epochs": 3},
            {"num_steps": 0, "num_epochs": 2},
            "num_epochs is 2 here, 3 there; a run can be extended, not shortened",
        ),
        ({"num_steps": 0, "num_epochs": 3}, {"num_steps": 0, "num_epochs": 4}, None),
        # What takes the data to compare is not compared here.
        ({"num_steps": 0, "num_epochs": 3}, {"num_steps": 5}, None),
        # Epochs that do not count.
        ({"num_epochs": 3}, {"num_epochs": 1}, None),
        ({}, {"log_every": 3, "sample_every": 4, "checkpoint_every": 5}, None),
        ({}, {"test_every": 9, "checkpoints.keep_latest": 1}, None),
        ({}, {"checkpoints.best_metric": ""}, "best_metric is '' here"),
    ],
)
def test_what_may_change_while_a_run_goes_on(
    tmp_path, small_config, before, after, refused
):
    save_config(tmp_path, small_config(before))

    if refused is None:
        save_config(tmp_path, small_config(after))
        return
    with pytest.raises(ConfigError, match=refused):
        save_config(tmp_path, small_config(after))


def test_a_log_of_an_unknown_run_is_not_overwritten(small_config, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 3}\n')

    with pytest.raises(ConfigError, match="holds metrics.jsonl but no config.json"):
        save_config(tmp_path, small_config())

    assert not (tmp_path / "config.json").exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ConfigError, match="file is a file; --workdir must be a folder"),
        locked_workdir(tmp_path / "file"),
    ):
        pass
    with pytest.raises(ConfigError, match="file holds no run: config.json is missing"):
        load_config(tmp_path / "file")


def own_config(small_config, complete=True, fields=None, num_classes=2, hash="abc"):
    config = small_config(
        {"data.name": "own", "data.source": "folder"} | (fields or {})
    )
    names = tuple("ab"[:num_classes])
    spec = DatasetSpec("own", (28, 28, 1), num_classes, names)
    return build.completed(config, spec, hash) if complete else config


@pytest.mark.parametrize("num_classes", [1, 2])
def test_runs_of_own_data_know_them(tmp_path, small_config, num_classes):
    run = own_config(small_config, num_classes=num_classes)
    save_config(tmp_path, run)

    save_config(tmp_path, run)  # it may go on
    asked = own_config(small_config, False, {"eval.num_samples": 50})
    config = check_evaluation_config(tmp_path, asked)

    assert build.dataset_spec(config) == build.dataset_spec(run)
    assert (config.eval.num_samples, config.data.fingerprint) == (50, "abc")
    assert config.conditional == (num_classes == 2)
    with pytest.raises(ConfigError, match="different config: config.seed is 3 here"):
        check_evaluation_config(tmp_path, own_config(small_config, False, {"seed": 3}))


def test_runs_do_not_go_on_with_other_data(tmp_path, small_config):
    save_config(tmp_path, own_config(small_config))

    with pytest.raises(ConfigError, match="data.fingerprint is 'new' here, 'abc' ther"):
        save_config(tmp_path, own_config(small_config, hash="new"))
    with pytest.raises(ConfigError, match="data.name is 'mnist' here, 'own' there"):
        check_evaluation_config(tmp_path, small_config())
