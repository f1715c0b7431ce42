"""Sweeps: the finished is kept, failures are told, what others do is left alone."""

import csv
import fcntl
import json
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import ONE_HIDDEN_LAYER, SMALL_FIELDS, SMALL_MLPS

from gan_jax import checks
from gan_jax import sweep as sweep_module
from gan_jax.build import ConfigError
from gan_jax.checkpoint import CheckpointError
from gan_jax.data import DataError
from gan_jax.lock import BusyError
from gan_jax.report.metric_log import MetricLogError
from gan_jax.sweep import (
    Run,
    Score,
    SweepError,
    build_config,
    load_sweep,
    run_sweep,
)
from gan_jax.train import TrainingDivergedError
from gan_jax.workdir import evaluation_settings, load_config, save_config

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = str(ROOT / "configs" / "mlp_cgan_mnist.py")
TABLES = ("table_3", "table_4", "table_5", "table_7", "table_8", "table_9", "modes")
SWEEPS = [f"sweeps/report_d.py:{name}" for name in TABLES] + [
    f"sweeps/report_a.py:{name}" for name in ("batch_sizes", "filters", "optimizers")
]
TINY = (
    SMALL_FIELDS
    | SMALL_MLPS
    | ONE_HIDDEN_LAYER
    | {
        "num_steps": 4,
        "data.source": "embedded",
        "checkpoints.best_metric": "",
        "eval.num_samples": 60,
        "eval.num_runs": 2,
        "eval.scores": ("inception_score", "gan_test"),
    }
)


def make_run(name, seed=0, **fields):
    """A run of model 9 with a seed; `fields` of Run."""
    return Run(name, **{"config": CONFIG, "settings": {"seed": seed}} | fields)


@pytest.fixture
def sweep(tmp_path):
    """sweep(runs, settings=()) writes a sweep file and runs it in tmp_path/sweep."""

    def sweep(runs, settings=()):
        file = tmp_path / "file.py"
        file.write_text(
            "from gan_jax.sweep import Run, Score\n\n\n"
            f"def get_sweep():\n    return {runs!r}\n"
        )
        return run_sweep(str(file), tmp_path / "sweep", settings)

    return sweep


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sweep"


@pytest.fixture
def work(monkeypatch):
    """Training and judging that take no time.

    Has what was trained, in order, and {name: function of no arguments} to be called
    in place of a training.
    """

    class Work:
        trained = []
        instead = {}

    def train(config, workdir):
        save_config(workdir, config)
        Work.trained.append(workdir.name)
        return Work.instead.get(workdir.name, lambda: True)()

    def evaluate(config, workdir):
        result = {
            "step": config.num_epochs * 600,
            "seed": config.seed,
            "settings": evaluation_settings(config),
            "data": {"num_train": 60_000},
            "gan_test": {"mean": 0.9, "std": 0.0012},
        }
        (workdir / "evaluation.json").write_text(json.dumps(result))
        return result

    Work.trained, Work.instead = [], {}
    monkeypatch.setattr(sweep_module, "train", train)
    monkeypatch.setattr(sweep_module, "evaluate", evaluate)
    monkeypatch.setattr(sweep_module, "format_scores", lambda result: "scores")
    return Work


def states(folder):
    """{run: state} of the table."""
    with (folder / "table.csv").open() as file:
        return {row["run"]: row["state"] for row in csv.DictReader(file)}


def failing(error):
    def fail():
        raise error

    return fail


@pytest.mark.slow
def test_a_real_run_and_a_broken_one(sweep, folder, tiny_world, capsys):
    published = {"gan_test": Score(0.75, 0.01)}
    runs = [
        make_run("broken", overrides=TINY | {"batch_size": 0}),
        make_run("whole", overrides=TINY, published=published),
    ]

    with pytest.raises(SweepError, match=r"1 of 2 runs failed \(broken\)"):
        sweep(runs)

    found = states(folder)
    assert found == {
        "broken": "error: config.batch_size is 0; it must be >= 1",
        "whole": "finished",
    }
    output = capsys.readouterr().out
    assert f"broken: {found['broken']}\n" in output
    assert output.count("Training for 4 steps") == 1
    watched = folder / "whole" / "evaluation.json"
    evaluated_at = watched.stat().st_mtime_ns
    evaluation = json.loads(watched.read_text())
    mean, std = (100 * evaluation["gan_test"][part] for part in ("mean", "std"))
    score = evaluation["inception_score"]
    # 400 images in batches of 6 are 66 steps.
    line = (
        f"| whole | 0 | 0.06061 | 4 | 1 | {mean:.2f} ± {std:.2f} | 75.00 ± 1.00 | "
        f"{score['mean']:.3f} ± {score['std']:.3f} | finished |"
    )
    assert line in (folder / "table.md").read_text(encoding="utf-8").splitlines()

    assert sweep(runs[1:])

    assert watched.stat().st_mtime_ns == evaluated_at
    output = capsys.readouterr().out
    assert "whole: finished\n" in output and line in output
    assert "Training" not in output and "Resuming" not in output


def test_finished_runs_are_kept(sweep, folder, work):
    runs = [make_run("a"), make_run("b")]
    assert sweep(runs)
    assert work.trained == ["a", "b"]

    # A folder of data may move.
    assert sweep([*runs, make_run("c")], ["data.dir=/elsewhere"])

    assert work.trained == ["a", "b", "c"]
    # Half trained, and evaluated at an earlier step since: not finished.
    (folder / "a" / "evaluation.json").unlink()
    evaluation = json.loads((folder / "b" / "evaluation.json").read_text())
    (folder / "b" / "evaluation.json").write_text(json.dumps(evaluation | {"step": 1}))
    assert sweep(runs)
    assert work.trained == ["a", "b", "c", "a", "b"]
    assert states(folder) == {"a": "finished", "b": "finished"}


def test_a_finished_sweep_is_extended(sweep, folder, work):
    assert sweep([make_run("a")], ["num_epochs=1"])
    assert sweep([make_run("a")], ["num_epochs=2"])
    assert work.trained == ["a", "a"]


def test_scores_of_another_protocol_are_not_the_sweeps(sweep, folder, work):
    """A run of the sweep, evaluated by hand with fewer images since."""
    runs = [make_run("a")]
    assert sweep(runs)
    file = folder / "a" / "evaluation.json"
    whole = json.loads(file.read_text())
    settings = whole["settings"] | {"eval.num_samples": 100}
    file.write_text(json.dumps(whole | {"settings": settings, "gan_test": 0.5}))

    assert sweep(runs)

    assert json.loads(file.read_text()) == whole
    # Where the judges are kept does not matter.
    assert sweep(runs, ["classifier.cache_dir=/elsewhere"])
    assert work.trained == ["a", "a"]


def test_a_folder_of_another_config_is_left_alone(sweep, folder, work):
    assert sweep([make_run("a")])
    before = (folder / "a" / "config.json").read_bytes()

    with pytest.raises(SweepError, match="a"):
        sweep([make_run("a"), make_run("b")], ["seed=3"])

    assert work.trained == ["a", "b"]
    assert (folder / "a" / "config.json").read_bytes() == before
    found = states(folder)
    assert "config.seed is 3 here, 0 there" in found["a"]
    assert found["b"] == "finished"


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("wrong\nhere"),
        DataError("wrong here"),
        CheckpointError("wrong here"),
        MetricLogError("wrong here"),
        TrainingDivergedError("wrong here"),
        OSError(28, "wrong here"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_run_is_told_passed_over_and_tried_again(
    sweep, folder, work, capsys, error
):
    runs = [make_run("a"), make_run("b")]
    work.instead["a"] = failing(error)

    with pytest.raises(SweepError, match=r"1 of 2 runs failed \(a\)"):
        sweep(runs)

    assert work.trained == ["a", "b"]
    assert re.search("^a: error: .*wrong here$", capsys.readouterr().out, re.M)
    found = states(folder)
    assert re.fullmatch("error: .*wrong here", found["a"])
    assert found["b"] == "finished"
    del work.instead["a"]
    assert sweep(runs)
    assert work.trained == ["a", "b", "a"]
    assert states(folder) == {"a": "finished", "b": "finished"}


def test_an_error_of_the_program_is_recorded_and_the_others_go_on(sweep, folder, work):
    work.instead["a"] = failing(AssertionError("a defect"))

    with pytest.raises(
        SweepError, match=r"1 of 2 runs failed \(a\).*the first: AssertionError: a def"
    ):
        sweep([make_run("a"), make_run("b")])

    assert work.trained == ["a", "b"]
    assert states(folder) == {"a": "error: AssertionError: a defect", "b": "finished"}
    # Where it happened is kept.
    lines = (folder / "a.error").read_text().splitlines()
    assert lines[0] == "AssertionError: a defect"
    assert lines[1] == "Traceback (most recent call last):"
    assert any("test_sweep.py" in line for line in lines)


def test_a_config_is_found_from_the_sweep_files_folder(tmp_path, monkeypatch, work):
    """Wherever the program is called."""
    project = tmp_path / "project"
    (project / "sweeps").mkdir(parents=True)
    (project / "configs").mkdir()
    (project / "configs" / "own.py").write_text(
        "from configs import mlp_cgan_mnist\n\n\n"
        "def get_config(model='9'):\n"
        "    return mlp_cgan_mnist.get_config(model)\n"
    )
    run = make_run("a", config="configs/own.py:15")
    file = project / "sweeps" / "file.py"
    file.write_text(
        "from gan_jax.sweep import Run, Score\n\n\n"
        f"def get_sweep():\n    return [{run!r}]\n"
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert run_sweep("../project/sweeps/file.py", tmp_path / "out", ())

    assert work.trained == ["a"]
    expected = build_config(make_run("b", config=f"{CONFIG}:15"), ROOT)
    saved = load_config(tmp_path / "out" / "a")
    assert saved.loss.label_smoothing == expected.loss.label_smoothing


def test_a_run_that_another_program_is_at_is_left_alone(sweep, folder, work):
    work.instead["a"] = failing(BusyError("another process is at the run"))

    assert sweep([make_run("a"), make_run("b")])

    assert states(folder) == {"a": "running elsewhere", "b": "finished"}
    assert not (folder / "a.error").exists()


def test_warnings_stand_in_the_table(sweep, folder, work, monkeypatch):
    evaluate = sweep_module.evaluate

    def with_warnings(config, workdir):
        result = evaluate(config, workdir) | {"warnings": ["no sixes", "a poor judge"]}
        (workdir / "evaluation.json").write_text(json.dumps(result))
        return result

    monkeypatch.setattr(sweep_module, "evaluate", with_warnings)

    assert sweep([make_run("a")])

    assert states(folder) == {"a": "finished; warning: no sixes; a poor judge"}


def test_arguments_of_optimisers_may_be_any(sweep, folder, work):
    overrides = {
        "generator_optimizer.arguments.eps": 1e-7,
        "generator_optimizer.arguments.b1": None,
    }

    assert sweep(
        [make_run("a", overrides=overrides)],
        ["discriminator_optimizer.arguments.eps=1e-6"],
    )

    config = load_config(folder / "a")
    assert config.generator_optimizer.arguments.to_dict() == {
        "b1": None,
        "b2": 0.999,
        "eps": 1e-7,
    }
    assert config.discriminator_optimizer.arguments.eps == 1e-6


def test_a_run_without_a_config_is_told(sweep, folder, work):
    runs = [
        make_run("unknown_model", config=f"{CONFIG}:99"),
        make_run("no_file", config="configs/none.py"),
        make_run("no_field", overrides={"generator.hiden_sizes": (3,)}),
        make_run("wrong_type", overrides={"num_steps": "many"}),
        make_run("good"),
    ]

    with pytest.raises(SweepError, match="4 of 5"):
        sweep(runs, ["num_epochs=2"])

    found = states(folder)
    assert "no model '99' here; known: 6, 7" in found["unknown_model"]
    assert "configs/none.py: " in found["no_file"]
    assert "hiden_sizes" in found["no_field"]
    assert "num_steps" in found["wrong_type"]
    assert all(state.startswith("error: ") for state in list(found.values())[:4])
    assert work.trained == ["good"]
    assert load_config(folder / "good").num_epochs == 2


def test_interrupted_in_training_or_in_judging_it_goes_on_later(
    sweep, folder, work, monkeypatch
):
    runs = [make_run("a"), make_run("b"), make_run("c")]
    work.instead["b"] = lambda: False
    assert not sweep(runs)
    assert work.trained == ["a", "b"]
    assert states(folder) == {"a": "finished", "b": "unfinished", "c": "not run"}

    del work.instead["b"]
    with monkeypatch.context() as patch:
        patch.setattr(
            sweep_module, "evaluate", lambda *arguments: failing(KeyboardInterrupt())()
        )
        assert not sweep(runs)
    assert work.trained == ["a", "b", "b"]
    assert states(folder) == {"a": "finished", "b": "unfinished", "c": "not run"}

    assert sweep(runs)
    assert work.trained == ["a", "b", "b", "b", "c"]
    assert set(states(folder).values()) == {"finished"}


def test_a_run_of_another_process_is_left_to_it_until_it_dies(
    sweep, folder, work, capsys
):
    folder.mkdir()
    program = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    runs = [make_run("a"), make_run("b")]
    with subprocess.Popen(
        [sys.executable, "-c", program, folder / "a.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"locked\n"

        assert sweep(runs)

        assert work.trained == ["b"]
        assert states(folder) == {"a": "running elsewhere", "b": "finished"}
        assert "Other processes are at a." in capsys.readouterr().out
        other.kill()

    assert sweep(runs)
    assert work.trained == ["b", "a"]


def test_what_another_process_gave_up_is_done_in_the_end(sweep, folder, work):
    folder.mkdir()
    other = (folder / "a.lock").open("w")
    fcntl.flock(other, fcntl.LOCK_EX)

    def give_up():
        other.close()
        return True

    work.instead["b"] = give_up

    assert sweep([make_run("a"), make_run("b")])

    assert work.trained == ["b", "a"]
    assert set(states(folder).values()) == {"finished"}


def test_what_failed_meanwhile_in_another_process_is_not_repeated(sweep, folder, work):
    runs = [make_run("a"), make_run("b")]

    def meanwhile():
        (folder / "b.error").write_text("it diverged\n")
        return True

    work.instead["a"] = meanwhile

    with pytest.raises(SweepError, match=r"\(b\)"):
        sweep(runs)

    assert work.trained == ["a"]
    assert states(folder) == {"a": "finished", "b": "error: it diverged"}
    assert sweep(runs)
    assert work.trained == ["a", "b"]


def test_a_run_is_locked_while_it_is_trained(sweep, folder, work):
    def try_to_lock():
        with (folder / "a.lock").open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    work.instead["a"] = try_to_lock

    assert sweep([make_run("a")])
    with (folder / "a.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_gan_train_has_a_deviation_where_there_are_several_runs(sweep, folder, work):
    assert sweep([make_run("a")])
    path = folder / "a" / "evaluation.json"
    scores = {"gan_train": 0.7, "gan_train_std": 0.03}
    path.write_text(json.dumps(json.loads(path.read_text()) | scores))

    assert sweep([make_run("a")])

    assert "| 70.00 ± 3.00 | finished |" in (folder / "table.md").read_text()


def test_scores_over_seeds_where_there_are_several(sweep, folder, work):
    assert sweep([make_run("a")])
    path = folder / "a" / "evaluation.json"
    evaluation = json.loads(path.read_text()) | {
        "seeds": [0, 1, 2],
        "over_seeds": {
            "gan_test": {"mean": 0.8, "std": 0.02},
            "gan_train": {"mean": 0.7, "std": 0.03},
        },
    }
    path.write_text(json.dumps(evaluation))

    assert sweep([make_run("a")], ["data.dir=a|b"])

    table = (folder / "table.md").read_text()
    assert (
        "| a | 0 | 100 | 60,000 | 3 | 80.00 ± 2.00 | 70.00 ± 3.00 | finished |"
        in table.splitlines()
    )
    # Says what it is a table of, and how it was made.
    assert table.startswith("# ") and "--set=data.dir=a|b" in table.splitlines()[0]
    assert "standard deviation over" in table


@pytest.mark.parametrize("setting", ["num_epoch=3", "num_epochs=few", "num_epochs"])
def test_a_wrong_setting_ends_the_sweep_before_it_begins(sweep, folder, work, setting):
    with pytest.raises(SweepError, match=f"--set={setting}.*of run a"):
        sweep([make_run("a"), make_run("b")], [setting])

    assert work.trained == [] and not folder.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("get_sweeps = 3", "no function get_sweep"),
        ("import nonsense", "No module named 'nonsense'"),
        ("def get_sweep(:", "SyntaxError"),
        ("get_sweep = lambda: []", "must return a list of Run"),
        (
            "from gan_jax.sweep import *\nget_sweep = lambda: Run('a', '', {})",
            r"must return a list of Run, not Run\(",
        ),
        ("def get_sweep():\n  yield 3", r"must return a list of Run, not \[3\]"),
        ("def get_sweep():\n  yield 1 / 0", "line 2: ZeroDivisionError"),
        ("get_sweep = lambda: [3]", "must return a list of Run"),
        ("from gan_jax.sweep import *\nget_sweep = lambda: [Run('a/b', '', {})]", "/"),
        (
            "from gan_jax.sweep import *\nget_sweep = lambda: [Run('a', '', {})] * 2",
            "two runs have the name 'a'",
        ),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_sweep_is_told(tmp_path, text, message):
    file = tmp_path / "no_sweep.py"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SweepError, match=f"no_sweep.py.*{message}"):
        load_sweep(str(file))


def test_a_sweep_may_yield_its_runs(tmp_path):
    file = tmp_path / "yields.py"
    file.write_text(
        "from gan_jax.sweep import Run\n"
        "def get_sweep():\n  yield Run('a', '', {})\n  yield Run('b', '', {})\n"
    )

    assert [run.name for run in load_sweep(str(file))] == ["a", "b"]


@pytest.fixture
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("file", SWEEPS)
def test_the_sweep_files(file, in_root):
    runs = load_sweep(file)

    assert len({tuple(run.settings) for run in runs}) == 1
    assert len({tuple(run.settings.values()) for run in runs}) == len(runs)
    for run in runs:
        config = build_config(run, ROOT / "sweeps")
        checks.check_config(config)
        smoothing = config.loss.label_smoothing
        amount = config.loss.label_smoothing_amount
        actual = {
            "label width": config.generator.label_width
            if config.generator.name == "mlp"
            else None,
            "D:G": f"{config.d_steps}:{config.g_steps}",
            "z": config.latent.prior,
            "soft label": {
                "none": "none",
                "fixed": f"{amount:g}",
                "random": f"{amount:g} random",
            }[smoothing],
            "output": config.generator.output,
            "published epochs": config.num_epochs,
            "in discriminator steps": config.modes.generator_in_discriminator_step,
            "in sampling": config.modes.generator_in_sampling,
            "batch size": config.batch_size,
            "filters": f"x {config.generator.get('filter_multiplier', 1)}",
            "optimiser": config.generator_optimizer.name,
        }
        for name, value in run.settings.items():
            expected = value.lower() if name == "optimiser" else value
            assert actual[name] == expected, run.name


@pytest.mark.parametrize("name", ["", ":table_6"])
def test_a_file_of_several_sweeps_tells_their_names(in_root, name):
    with pytest.raises(SweepError) as caught:
        load_sweep(f"sweeps/report_d.py{name}")

    wanted = name[1:] or "get_sweep"
    assert f"it has no function {wanted}; it has modes, table_3" in str(caught.value)


def test_published_scores(in_root):
    def published(file):
        runs = load_sweep(f"sweeps/{file}")
        return {run.config.removeprefix("configs/"): run.published for run in runs}

    table_3 = published("report_d.py:table_3")
    assert table_3["mlp_cgan_mnist.py:11"] == {
        "gan_test": (0.9254, 0.0030),
        "gan_train": (0.8700, None),
    }
    assert published("report_d.py:table_5")["mlp_cgan_mnist.py:16"] == {
        "gan_test": (0.9004, 0.0043),
        "gan_train": (0.9283, None),
    }
    assert published("report_d.py:table_9")["mlp_cgan_fashion_mnist.py:20"] == {
        "gan_test": (0.4357, 0.0057),
        "gan_train": (0.7846, None),
    }
    # No GAN-train and no spread is published of the one that collapsed.
    assert published("report_d.py:modes")["mlp_cgan_mnist.py:7"] == {
        "gan_test": (0.0, None)
    }
    assert published("report_a.py:batch_sizes")["cgan_mnist.py:batch_32"] == {
        "gan_test": (0.971, None)
    }
    assert published("report_a.py:filters")["cgan_mnist.py:double_filters"] == {
        "gan_test": (0.978, None)
    }
    assert published("report_a.py:optimizers")["cgan_mnist.py:rmsprop"] == {
        "gan_test": (0.948, None)
    }
