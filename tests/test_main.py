"""The program as its users run it: files, resuming after any end, errors in a line."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import build, training
from gan_jax.data import SPECS
from gan_jax.generator import load_generator, open_checkpoints
from gan_jax.workdir import load_config

# Programs, signals and a trained judge.
pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]
NUM_STEPS = 1500
SMALL = [
    "--config=configs/default.py",
    "--config.data.source=embedded",
    f"--config.num_steps={NUM_STEPS}",
    "--config.batch_size=20",
    "--config.d_steps=2",
    "--config.ema_decay=0.9",
    "--config.latent.size=8",
    "--config.generator.hidden_sizes=(16,)",
    "--config.generator.label_width=4",
    "--config.discriminator.hidden_sizes=(16,)",
    "--config.discriminator.label_width=4",
    "--config.log_every=10",
    "--config.sample_every=1000",
    "--config.checkpoint_every=300",
    # Interrupts then come between logged steps too.
    "--config.steps_per_dispatch=3",
    "--config.checkpoints.best_metric=",
    "--config.eval.num_samples=200",
    "--config.eval.num_runs=2",
    "--config.eval.scores=('inception_score','gan_test')",
]
TIMED = {"steps_per_second", "seconds_per_epoch"}


@pytest.fixture(scope="module")
def start():
    """start(arguments) -> the running program."""
    running = []

    def start(arguments, **options):
        program = subprocess.Popen(
            [sys.executable, "main.py", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        running.append(program)
        return program

    yield start
    for program in running:
        program.kill()
        program.communicate()


@pytest.fixture(scope="module")
def run(start):
    """run(arguments) -> (standard output, standard error); the program succeeds."""

    def run(arguments):
        program = start(arguments)
        output, errors = program.communicate(timeout=500)
        assert program.returncode == 0, errors
        return output, errors

    return run


@pytest.fixture(scope="module")
def finished(run, tmp_path_factory):
    """(workdir, standard output, standard error) of an uninterrupted run."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    return workdir, *run([*SMALL, f"--workdir={workdir}"])


def wait_for(condition, program):
    """Until the condition holds; fails if the program ends before."""
    deadline = time.monotonic() + 400
    while not condition():
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def logged_rows(workdir):
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def saved_steps(workdir):
    names = [path.name for path in (workdir / "checkpoints").glob("*")]
    return sorted(int(name) for name in names if name.isdigit())


def final_state(workdir):
    """Everything in the last checkpoint, as NumPy arrays."""
    config = load_config(workdir)
    gan = build.build_gan(config, SPECS["mnist"])
    template = jax.eval_shape(lambda: training.build_training(config, gan, 1)[1])
    with open_checkpoints(config, workdir) as checkpoints:
        state, step = checkpoints.restore(template)
    assert step == config.num_steps
    state = state.replace(gan=state.gan.replace(key=jax.random.key_data(state.gan.key)))
    return jax.tree.map(np.asarray, state)


def assert_same_run(workdir, expected):
    """The same metrics, but for the times, and the same state, bit by bit."""

    def untimed(row):
        return {name: value for name, value in row.items() if name not in TIMED}

    rows = [untimed(row) for row in logged_rows(workdir)]
    assert rows == [untimed(row) for row in logged_rows(expected)]
    jax.tree.map(
        np.testing.assert_array_equal, final_state(workdir), final_state(expected)
    )


def test_training_writes_the_files(finished):
    workdir, output, errors = finished

    assert errors == ""  # no progress bar where there is no terminal
    config = json.loads((workdir / "config.json").read_text())
    assert config["num_steps"] == NUM_STEPS
    assert config["generator"]["hidden_sizes"] == [16]
    rows = logged_rows(workdir)
    assert [row["step"] for row in rows] == list(range(10, NUM_STEPS + 1, 10))
    metrics = {
        "discriminator_loss",
        "generator_loss",
        "real_accuracy",
        "fake_accuracy",
    }
    test_metrics = {f"test_{name}" for name in metrics}
    for row in rows:
        # An epoch is 500 steps.
        on_test_images = test_metrics if row["step"] % 500 == 0 else set()
        assert set(row) == TIMED | {"step"} | metrics | on_test_images
        assert 0 <= row["real_accuracy"] <= 1 and 0 <= row["fake_accuracy"] <= 1
        assert row["discriminator_loss"] > 0 and row["generator_loss"] > 0
    assert list(workdir.glob("**/events.out.tfevents*"))
    grids = sorted(path.name for path in (workdir / "samples").iterdir())
    assert grids == [f"step_{step:08d}.png" for step in (0, 1000, NUM_STEPS)]
    for picture in (workdir / "curves.png", workdir / "samples" / grids[-1]):
        with Image.open(picture) as image:
            image.verify()
    assert saved_steps(workdir) == [900, 1200, 1500]
    assert f"Training for {NUM_STEPS:,} steps (3.0 epochs of 500) on cpu" in output


def test_training_ends_with_the_evaluation(finished):
    workdir, output, _ = finished
    evaluation = json.loads((workdir / "evaluation.json").read_text())

    assert evaluation["step"] == NUM_STEPS
    # The judge, well trained, on the embedded 2,000 test images.
    assert evaluation["real_accuracy"] > 0.96
    assert evaluation["classifier"]["name"] == "lenet"
    assert evaluation["classifier"]["test_accuracy"] == evaluation["real_accuracy"]
    ceiling = evaluation["inception_score_real"]["mean"]
    assert 8.5 < ceiling <= 10
    assert 1 <= evaluation["inception_score"]["mean"] < ceiling
    assert 0 <= evaluation["gan_test"]["mean"] <= 1
    assert evaluation["gan_test"]["std"] >= 0
    assert "gan_train" not in evaluation and "best" not in evaluation
    assert f"{evaluation['real_accuracy']:.2%} of the real test images" in output
    assert f"{100 * evaluation['gan_test']['mean']:.2f}" in output.splitlines()[-1]


def test_a_second_call_does_not_train_again(finished, run):
    workdir, output, _ = finished
    watched = [workdir / "metrics.jsonl", *workdir.glob("samples/*")]
    before = [path.read_bytes() for path in watched]
    manifest = workdir / "checkpoints" / str(NUM_STEPS)
    saved_at = manifest.stat().st_mtime_ns

    again, errors = run([*SMALL, f"--workdir={workdir}"])

    assert f"Resuming {workdir} at step 1,500 of 1,500" in again
    assert "Training for" not in again
    # The same scores, from the cached judge.
    assert again.splitlines()[-2:] == output.splitlines()[-2:]
    assert [path.read_bytes() for path in watched] == before
    assert manifest.stat().st_mtime_ns == saved_at
    assert errors == ""


def test_samples(finished, run):
    workdir, *_ = finished

    # The config is found in the run's folder.
    output, _ = run([f"--workdir={workdir}", "--mode=sample"])

    assert str(workdir / "samples.npz") in output
    with np.load(workdir / "samples.npz") as samples:
        images, labels = samples["images"], samples["labels"]
    assert images.dtype == np.uint8 and images.shape == (200, 28, 28, 1)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, np.tile(np.arange(10), 20))
    assert len(np.unique(images, axis=0)) == 200
    with Image.open(workdir / "samples.png") as image:
        image.verify()


def test_export(finished, run, tmp_path):
    workdir, *_ = finished

    output, errors = run(
        [f"--workdir={workdir}", "--mode=export", f"--output={tmp_path / 'out'}"]
    )

    assert (output, errors) == (f"Wrote {tmp_path / 'out'}\n", "")
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"| GAN-test | {100 * evaluation['gan_test']['mean']:.2f} ± " in card
    loaded, own = load_generator(tmp_path / "out"), load_generator(workdir)
    key = jax.random.key(1)
    np.testing.assert_array_equal(loaded.sample(key, 30), own.sample(key, 30))


def test_samples_as_asked_for(finished, run, tmp_path):
    workdir, *_ = finished
    asked = ["--classes=7,2", "--num=3", "--seed=4", "--truncation=1.5"]

    run([f"--workdir={workdir}", "--mode=sample", f"--output={tmp_path}", *asked])
    run(
        [
            f"--workdir={workdir}",
            "--mode=sample",
            f"--output={tmp_path}",
            "--format=png",
            *asked,
        ]
    )

    with np.load(tmp_path / "samples.npz") as samples:
        assert samples["labels"].tolist() == [7, 2, 7]
        images = samples["images"]
    for index, label in enumerate([7, 2, 7]):
        with Image.open(tmp_path / "images" / f"{index:06d}_{label}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), images[index, ..., 0])


def test_samples_of_another_number_in_another_place(finished, run, tmp_path):
    """Without --config, and not asked how many the scores are of."""
    workdir, *_ = finished
    watched = [workdir / "config.json", *workdir.glob("samples.*")]
    before = [path.read_bytes() for path in watched]

    output, _ = run(
        [
            f"--workdir={workdir}",
            "--mode=sample",
            "--config.sampling.num_samples=3",
            f"--output={tmp_path / 'new' / 'place'}",
        ]
    )

    assert f"Wrote {tmp_path / 'new' / 'place' / 'samples.npz'}" in output
    with np.load(tmp_path / "new" / "place" / "samples.npz") as samples:
        assert samples["images"].shape == (3, 28, 28, 1)
        assert samples["labels"].tolist() == [0, 1, 2]
    assert [path.read_bytes() for path in watched] == before


def test_judging_with_other_settings_without_the_config(finished, run, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")

    output, _ = run(
        [
            f"--workdir={tmp_path / 'run'}",
            "--mode=evaluate",
            "--config.eval.num_samples=50",
            "--config.eval.scores=('inception_score',)",
        ]
    )

    assert "GAN-test" not in output
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["num_samples"] == 50 and "gan_test" not in evaluation


def test_training_goes_on_without_its_console(tmp_path):
    """As in `main.py ... | head -1`."""
    workdir = tmp_path / "piped"
    with subprocess.Popen(
        [sys.executable, "main.py", *SMALL, f"--workdir={workdir}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout.readline().startswith("Training for 1,500 steps")
        program.stdout.close()
        seen = len(logged_rows(workdir))
        wait_for(lambda: len(logged_rows(workdir)) > seen + 3, program)
        program.send_signal(signal.SIGTERM)
        assert program.stderr.read() == ""
        assert program.wait() == 0
    assert saved_steps(workdir)


def test_a_device_that_is_not_there():
    program = subprocess.run(
        [sys.executable, "main.py", *DESCRIBE],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cuda"},
        capture_output=True,
        text=True,
    )

    assert program.returncode == 1 and program.stdout == ""
    last = program.stderr.splitlines()[-1]
    assert last.startswith("error: JAX finds no device (JAX_PLATFORMS is 'cuda')")
    assert "Traceback" not in program.stderr


def test_describe(run):
    output, errors = run([*SMALL, "--mode=describe"])

    # Inputs 8 and 784, 12 units for them and 4 for the label; batch norm.
    trainable = (8 * 12 + 10 * 4 + 2 * 16) + (16 * 784 + 2 * 784)
    total = trainable + 2 * 16 + 2 * 784
    discriminator = (784 * 12 + 12 + 10 * 4 + 4) + (16 + 1)
    assert output.splitlines()[-2:] == [
        f"generator: total {total}, trainable {trainable}",
        f"discriminator: total {discriminator}, trainable {discriminator}",
    ]
    assert errors == ""


# Convolutional configs with few filters.
CONVOLUTIONAL = {
    "acgan_cifar": [
        "--config.discriminator.filters=(2,2,2,2,2,2)",
        "--config.generator.projection_filters=4",
        "--config.generator.filters=(2,2,2)",
        "--config.eval.scores=('inception_score','gan_test')",
    ],
    "wgan_svhn": [
        "--config.discriminator.filters=(2,2,2)",
        "--config.discriminator.dense_sizes=(4,)",
        "--config.generator.projection_filters=4",
        "--config.generator.filters=(2,2)",
    ],
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_systems_from_files_to_scores(run, tmp_path, name):
    random = np.random.default_rng(0)
    data = name.split("_")[1].replace("cifar", "cifar10")
    np.savez(
        tmp_path / f"{data}.npz",
        x_train=random.integers(256, size=(40, 32, 32, 3), dtype=np.uint8),
        y_train=np.arange(40) % 10,
        x_test=random.integers(256, size=(20, 32, 32, 3), dtype=np.uint8),
        y_test=np.arange(20) % 10,
    )
    workdir = tmp_path / "run"

    run(
        [
            f"--config=configs/{name}.py",
            f"--workdir={workdir}",
            "--config.data.source=files",
            f"--config.data.dir={tmp_path}",
            "--config.num_steps=3",
            "--config.batch_size=10",
            "--config.log_every=2",
            "--config.checkpoints.best_metric=",
            "--config.classifier.name=lenet",
            "--config.eval.num_samples=20",
            "--config.eval.num_runs=2",
            "--config.eval.num_splits=2",
            "--config.eval.inception_sizes=(30,)",
            *CONVOLUTIONAL[name],
        ]
    )

    rows = logged_rows(workdir)
    assert [row["step"] for row in rows] == [2, 3]
    losses = {"discriminator_loss", "generator_loss"}
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    assert evaluation["inception_score_of"]["30"]["mean"] >= 1
    if name == "acgan_cifar":
        losses |= {"discriminator_class_loss", "generator_class_loss"}
        # Of the data and of noise: ln 10 each before anything is learned.
        assert 3.5 < rows[0]["discriminator_class_loss"] < 6
        assert evaluation["gan_test"]["num_runs"] == 2
    else:
        assert "gan_test" not in evaluation
    assert losses <= rows[0].keys()
    assert len(list((workdir / "samples").glob("*.png"))) == 2


def test_killed_at_any_moment_a_run_goes_on_exactly(finished, start, run, tmp_path):
    workdir = tmp_path / "killed"
    program = start([*SMALL, f"--workdir={workdir}"])
    wait_for(lambda: 300 in saved_steps(workdir), program)
    program.kill()
    program.communicate()

    assert program.returncode == -signal.SIGKILL
    assert saved_steps(workdir)[-1] < NUM_STEPS
    assert not (workdir / "evaluation.json").exists()
    output, _ = run([*SMALL, f"--workdir={workdir}"])
    assert f"Resuming {workdir} at step" in output
    assert_same_run(workdir, finished[0])


def test_signals_save_and_tell_how_to_resume(finished, start, tmp_path):
    workdir = tmp_path / "stopped and resumed"  # a space, to be quoted
    command = [*SMALL, f"--workdir={workdir}"]
    stopped_at = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        program = start(command)
        seen = stopped_at
        wait_for(lambda seen=seen: len(logged_rows(workdir)) > seen // 10 + 3, program)
        program.send_signal(number)
        output, errors = program.communicate(timeout=400)

        assert program.returncode == 0, errors
        assert errors == ""
        *_, last = output.splitlines()
        assert last.startswith("Stopped. To resume: python ")
        # Saved where it stopped, not at the checkpoint before.
        assert stopped_at < saved_steps(workdir)[-1] < NUM_STEPS
        stopped_at = saved_steps(workdir)[-1]
        assert logged_rows(workdir)[-1]["step"] == stopped_at // 10 * 10
        assert not (workdir / "evaluation.json").exists()
        resume = shlex.split(last.removeprefix("Stopped. To resume: "))
        assert resume[:2] == ["python", "main.py"]
        command = resume[2:]

    program = start(command)
    output, errors = program.communicate(timeout=400)
    assert program.returncode == 0, errors
    assert f"Resuming {workdir} at step {stopped_at:,} of 1,500" in output
    assert_same_run(workdir, finished[0])


def test_a_torn_checkpoint_is_told_and_passed_over(finished, run, tmp_path):
    workdir = tmp_path / "torn"
    shutil.copytree(finished[0], workdir)
    files = (workdir / "checkpoints" / str(NUM_STEPS)).rglob("*")
    largest = max((path for path in files if path.is_file()), key=os.path.getsize)
    os.truncate(largest, largest.stat().st_size // 2)

    output, errors = run([*SMALL, f"--workdir={workdir}"])

    assert f"Resuming {workdir} at step 1,200 of 1,500" in output
    (warning,) = errors.splitlines()
    assert f"Skipping damaged checkpoint {workdir / 'checkpoints' / '1500'}" in warning
    assert_same_run(workdir, finished[0])


QUICKSTART = "--config=configs/quickstart.py"
DESCRIBE = [QUICKSTART, "--mode=describe"]
# {arguments}: what the one line must say. {run}: a finished run; {empty}: a folder.
MISTAKES = {
    "unknown field": ([*DESCRIBE, "--config.nope=3"], r"(no|unknown).* field.*nope"),
    "unknown nested field": (
        [*DESCRIBE, "--config.generator.hiden_sizes=(3,)"],
        r"(no|unknown).* field.*hiden_sizes",
    ),
    "unknown section": (
        [*DESCRIBE, "--config.evl.num_samples=10"],
        "no field 'evl.num_samples'; did you mean 'eval.num_samples'",
    ),
    "text in a tuple": (
        [*DESCRIBE, "--config.generator.hidden_sizes=('a',)"],
        r"config\.generator\.hidden_sizes is \('a',\); it must be a tuple of whole num",
    ),
    "not a number": (
        [*DESCRIBE, "--config.generator_optimizer.learning_rate=nan"],
        r"config\.generator_optimizer\.learning_rate is nan",
    ),
    "seed of 33 bits": (
        [*DESCRIBE, "--config.seed=4294967296"],
        "config.seed is 4294967296; it must be from 0 to 4294967295",
    ),
    "workdir in a bucket": (
        [QUICKSTART, "--workdir=gs://bucket/run"],
        "workdir is 'gs://bucket/run'; it must be a path in a mounted file system",
    ),
    "config in a bucket": (
        ["--config=gs:/b/c.py", "--mode=describe"],
        "gs:?.*(mounted file system|No such file)",
    ),
    "other settings of training": (
        ["--workdir={run}", "--mode=evaluate", "--config.seed=7"],
        "{run} holds a run of a different config: config.seed is 7 here, 0 there",
    ),
    "overrides without a run": (
        ["--workdir={empty}", "--mode=evaluate", "--config.eval.num_samples=3"],
        "{empty} holds no run",
    ),
    "overrides of a sweep": (
        ["--mode=sweep", "--sweep=sweeps/report_d.py:modes", "--config.seed=3"],
        "takes --sweep=sweeps/NAME.py and --set, but no --config",
    ),
    "a shorter run": (
        [*SMALL, "--workdir={run}", "--config.num_steps=10"],
        "{run} holds a longer run: config.num_steps is 10 here, 1500 there; a run can",
    ),
    "wrong type": ([*DESCRIBE, "--config.batch_size=many"], r"config\.batch_size=many"),
    "unknown name": ([*DESCRIBE, "--config.data.name=emnist"], "'emnist'.*'mnist'"),
    "unknown optimiser": (
        [QUICKSTART, "--workdir={empty}/a", "--config.generator_optimizer.name=adamm"],
        r"config\.generator_optimizer\.name is 'adamm'",
    ),
    "impossible combination": (
        ["--config=configs/mlp_gan_mnist.py", "--config.eval.scores=('gan_test',)"],
        "gan_test.*config.conditional is False",
    ),
    "no data folder": (
        [QUICKSTART, "--workdir={empty}/a", "--config.data.source=files"],
        "data.dir",
    ),
    "missing data folder": (
        [
            QUICKSTART,
            "--workdir={empty}/a",
            "--config.data.source=files",
            "--config.data.dir={empty}/none",
        ],
        "{empty}/none",
    ),
    "unknown model": (
        ["--config=configs/mlp_cgan_mnist.py:99", "--mode=describe"],
        "no model '99' here; known: 6, 7",
    ),
    "missing config file": (
        ["--config=configs/none.py", "--mode=describe"],
        r"^error: configs/none\.py: FileNotFoundError: No such file or directory$",
    ),
    "no config": ([], "--config.* is missing"),
    "unknown flag": ([*DESCRIBE, "--workdri=x"], "workdri"),
    "unknown mode": ([QUICKSTART, "--mode=draw"], "mode=draw.*train.*describe"),
    "stray argument": ([*DESCRIBE, "stray"], "stray"),
    "no run to evaluate": (
        ["--workdir={empty}", "--mode=evaluate"],
        "{empty} holds no run",
    ),
    "default folder": (
        [QUICKSTART, "--mode=evaluate", "--config.batch_size=3"],
        "runs/quickstart ",
    ),
    "another config": (
        [*SMALL, "--workdir={run}", "--config.seed=7"],
        "{run} holds a run of a different config: config.seed is 7 here, 0 there",
    ),
    "no such step": (
        ["--workdir={run}", "--mode=evaluate", "--step=7"],
        "step 7|{run}/checkpoints/7",
    ),
    "unknown analysis": (
        ["--workdir={run}", "--mode=sample", "--analysis=dreams"],
        "analysis=dreams.*samples.*interpolation.*neighbours",
    ),
    "malformed groups": (
        [
            "--workdir={run}",
            "--mode=sample",
            "--analysis=arithmetic",
            "--groups=0+1,2",
        ],
        "--groups is '0\\+1,2'; it must be three groups",
    ),
    "unknown class": (
        ["--workdir={run}", "--mode=sample", "--classes=3,trouser"],
        "^error: --classes: mnist has no class 'trouser'; known: 0, 1, ",
    ),
    "no samples": (
        ["--workdir={run}", "--mode=sample", "--num=0"],
        "^error: --num is 0; it must be >= 1$",
    ),
    "another format": (
        ["--workdir={run}", "--mode=sample", "--format=gif"],
        "format=gif.*npz.*png",
    ),
    "classes of an export": (
        ["--workdir={run}", "--mode=export", "--classes=3"],
        "--classes is for --mode=sample",
    ),
    "export of no such step": (
        ["--workdir={run}", "--mode=export", "--step=7"],
        "step 7|{run}/checkpoints/7",
    ),
    "analysis in training": (
        [*SMALL, "--workdir={run}", "--analysis=dropout"],
        "--analysis is for --mode=sample",
    ),
    "sweep without a file": (["--mode=sweep"], "takes --sweep=sweeps/NAME.py"),
    "sweep of a config": (
        [QUICKSTART, "--mode=sweep", "--sweep=sweeps/report_d.py:modes"],
        "takes --sweep=sweeps/NAME.py and --set, but no --config",
    ),
    "settings in training": (
        [QUICKSTART, "--set=num_steps=3"],
        "--sweep and --set are for --mode=sweep",
    ),
    "runs in training": (
        [QUICKSTART, "--runs=runs/one"],
        "--runs is for --mode=report",
    ),
    "report of a config": (
        ["--mode=report", QUICKSTART],
        "--mode=report takes --workdir=DIR and --runs=DIR1,DIR2, but no --config",
    ),
    "no run to report": (
        ["--mode=report", "--workdir={empty}"],
        "{empty} holds no run",
    ),
    "missing sweep file": (
        ["--mode=sweep", "--sweep=sweeps/none.py", "--workdir={empty}/a"],
        r"sweeps/none\.py: .*No such file",
    ),
    "unknown field of a sweep": (
        [
            "--mode=sweep",
            "--sweep=sweeps/report_d.py:modes",
            "--workdir={empty}/a",
            "--set=num_step=3",
        ],
        "--set=num_step=3: .*no field 'num_step'.*num_steps.*model_6",
    ),
    "folder that is a file": (
        [*SMALL, "--workdir={run}/metrics.jsonl"],
        r"^error: {run}/metrics\.jsonl is a file; --workdir must be a folder$",
    ),
}
# Imports once and forks for every list of arguments, since importing takes longer than
# the mistake; each child then is main.py itself.
FORK = """
import json, os, runpy, sys
import gan_jax.describe, gan_jax.train, ml_collections.config_flags
for number, arguments in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if not child:
        for stream, name in ((1, "out"), (2, "err")):
            file = os.open(f"{sys.argv[2]}/{number}.{name}", os.O_CREAT | os.O_RDWR)
            os.dup2(file, stream)
        os.chdir(sys.argv[3])
        sys.argv = ["main.py", *arguments]
        runpy.run_path("main.py", run_name="__main__")
        os._exit(0)
    with open(f"{sys.argv[2]}/{number}.code", "w") as file:
        file.write(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""


@pytest.fixture(scope="module")
def mistakes(finished, tmp_path_factory):
    """{name: (exit code, standard output, standard error, places)}."""
    folder = tmp_path_factory.mktemp("mistakes")
    places = {
        "{run}": str(finished[0]),
        "{empty}": str(tmp_path_factory.mktemp("empty")),
    }

    def placed(text):
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    arguments = [[placed(text) for text in given] for given, _ in MISTAKES.values()]
    subprocess.run(
        [sys.executable, "-c", FORK, json.dumps(arguments), folder, ROOT],
        cwd=ROOT,
        check=True,
        timeout=500,
    )
    return {
        name: (
            *(
                (folder / f"{number}.{part}").read_text()
                for part in ("code", "out", "err")
            ),
            placed(expected),
        )
        for number, (name, (_, expected)) in enumerate(MISTAKES.items())
    }


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_end_in_one_clear_line(mistakes, name):
    code, output, errors, expected = mistakes[name]

    assert code == "1"
    assert errors.count("\n") == 1, errors
    assert errors.startswith("error: ")
    assert "Traceback" not in errors
    assert re.search(expected, errors), errors
    assert output == ""


def test_the_real_size_killed_and_resumed_ends_in_the_same_bits(tmp_path):
    # As users' programs are compiled.
    assert_killed_run_is_the_whole_one(tmp_path, {"XLA_FLAGS": ""})


def assert_killed_run_is_the_whole_one(folder, environment):
    """2,000 steps in one go, and killed at about 700, in programs of their own."""
    arguments = [
        "--config=configs/mlp_cgan_mnist.py:9",
        "--config.data.source=embedded",
        "--config.num_steps=2000",
        "--config.log_every=50",
        "--config.checkpoint_every=350",
        "--config.checkpoints.best_metric=",
        "--config.eval.num_samples=1000",
        "--config.eval.scores=('inception_score',)",
    ]

    def program(name):
        return subprocess.Popen(
            [sys.executable, "main.py", *arguments, f"--workdir={folder / name}"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )

    assert program("whole").wait() == 0
    killed = program("killed")
    wait_for(lambda: 700 in saved_steps(folder / "killed"), killed)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert saved_steps(folder / "killed")[-1] < 2000
    assert program("killed").wait() == 0
    assert_same_run(folder / "killed", folder / "whole")
