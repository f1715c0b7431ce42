"""README.md and docs/: every command is possible, every link leads on."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pages
import pytest
import yaml
from absl import flags
from absl.testing import flagsaver
from conftest import ONE_HIDDEN_LAYER, SMALL_MLPS, small_network
from ml_collections import ConfigDict
from pages import PAGES, ROOT, SCRIPTS, Command

import main
from gan_jax import build, sweep
from gan_jax.analyses import ANALYSES
from gan_jax.build import ConfigError
from gan_jax.checks import check_config
from gan_jax.command_line import load_config_file, set_field, update
from gan_jax.names import lookup
from gan_jax.sweep import load_sweep
from gan_jax.workdir import check_evaluation_config, save_config

COMMANDS = [command for page in PAGES + SCRIPTS for command in pages.commands(page)]
OTHER_PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "results").glob("*.md"))]
READERS = ("evaluate", "sample", "export", "report")  # modes of a run that is there
# What a run of a second or two needs.
TINY = {
    "num_steps": 4,
    "batch_size": 20,
    "log_every": 2,
    "sample_every": 2,
    "checkpoint_every": 2,
    "checkpoints.best_num_samples": 20,
    "sampling.num_samples": 20,
    "eval.num_samples": 20,
    "eval.num_splits": 2,
    "eval.num_runs": 2,
}


@pytest.fixture(autouse=True)
def public_weights(monkeypatch):
    """The file of weights that a page speaks of is there."""
    monkeypatch.setattr(build, "inception_features", lambda *place: None)


def name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """checkout(page): a folder with the configs, the sweeps and the page's files.

    It is the current one and on the Python path.
    """
    modules = set(sys.modules)

    def make(page):
        for folder in ("configs", "sweeps"):
            (tmp_path / folder).mkdir(exist_ok=True)
            for file in (ROOT / folder).glob("*.py"):
                copy = tmp_path / folder / file.name
                if not copy.exists():
                    copy.symlink_to(file)
        for file, code in pages.python_files(page).items():
            copy = tmp_path / file
            copy.unlink(missing_ok=True)  # a link to the checkout's
            copy.write_text(code, encoding="utf-8")
            sys.modules.pop(pathlib.Path(file).stem, None)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)

    yield make
    for module in set(sys.modules) - modules:
        file = getattr(sys.modules[module], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[module]


# Commands, without running them.


def test_pages_have_commands():
    assert len(PAGES) > 3 and len(SCRIPTS) > 2
    assert {command.mode for command in COMMANDS} >= {"train", "sample", "sweep"}
    assert {command.page for command in COMMANDS} >= {PAGES[0], *SCRIPTS}


@pytest.mark.parametrize("page", PAGES + SCRIPTS, ids=name)
def test_no_command_is_overlooked(page):
    found = pages.commands(page)

    assert pages.beginnings(page) <= {command.line for command in found}
    assert all(command.arguments() for command in found)


def test_commands_and_links_are_found_in_any_code(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        """# A page: with `code`

    FLAG=1 python main.py --workdir=DIR \\
        [--mode=MODE] --config.a="('b', 'c')" && echo  # twice

```sh
first$ python main.py --config=configs/NAME.py:N &
```
1. `python main.py --workdir=a` and [a link](#a-page-with-code), [no link](#a-page)

  python main.py --in=no_code
[none](none.md) [one](page.md#a-page-with-code) `[code](none)` <img src="none.png">
""",
        encoding="utf-8",
    )

    found = pages.commands(page)

    assert [(each.line, each.arguments()) for each in found] == [
        (3, ["--workdir=DIR", "--mode=evaluate", "--config.a=('b', 'c')"]),
        (7, ["--config=configs/quickstart.py:9"]),
        (9, ["--workdir=a"]),
    ]
    assert pages.beginnings(page) == {11}
    assert pages.broken_links(page) == ["#a-page", "none.md", "none.png"]


def check(command: Command) -> None:
    """Raises, or fails, where main.py would refuse the command at its start."""
    arguments = command.arguments()
    if command.mode == "sweep":
        check_sweep(arguments)
        return
    workdir = pathlib.Path("run")
    if command.mode in READERS:
        workdir.mkdir()
        save_config(workdir, parse(training_of(command).arguments(), workdir))
    config = parse(arguments, workdir)
    check_config(config)
    if command.mode in READERS:
        check_evaluation_config(workdir, config)
    analysis = command.flag("analysis")
    if analysis and analysis not in ANALYSES:
        assert callable(lookup(analysis, {}))


def check_sweep(arguments: list[str]) -> None:
    with parsed(arguments):
        file, settings = flags.FLAGS.sweep, flags.FLAGS.set
    folder = pathlib.Path(file.partition(":")[0]).absolute().parent
    for run in load_sweep(file):
        config = sweep.build_config(run, folder)
        for setting in settings:
            set_field(config, setting)
        check_config(config)


def parse(arguments: list[str], workdir: pathlib.Path) -> ConfigDict:
    """The config that main.py makes of its arguments."""
    with parsed(arguments) as overrides:
        return main.build_config(workdir, overrides)


@contextlib.contextmanager
def parsed(arguments: list[str]) -> Iterator[list[str]]:
    """Flags have these values in the block; yields what is for the config."""
    with flagsaver.flagsaver():
        try:
            _, *overrides = main.parse_flags(["main.py", *arguments])
            main.check_flags(flags.FLAGS, overrides)
        except SystemExit as error:
            raise ConfigError(str(error)) from error
        yield overrides


def training_of(command: Command) -> Command:
    """The command that trains what this one evaluates or samples from."""
    if command.flag("config"):
        text = f"{pages.PROGRAM} --config={command.flag('config')}"
        return Command(command.page, command.line, text)
    trainings = [
        each
        for each in COMMANDS
        if each.mode == "train" and each.flag("workdir") == command.flag("workdir")
    ]
    # The last one before it on its page, or else the first of another page.
    before = [each for each in trainings if each.page == command.page]
    before = [each for each in before if each.line < command.line]
    if before or trainings:
        return (before[-1:] or trainings)[0]
    text = f"{pages.PROGRAM} --config=configs/quickstart.py"
    return Command(command.page, command.line, text)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_commands_are_possible(command, checkout):
    checkout(command.page)

    check(command)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--config=configs/none.py --workdir=DIR", "No such file"),
        ("--config=configs/quickstart.py --confg=1", "confg"),
        ("--config=configs/quickstart.py --config.sed=1", "no field 'sed'"),
        ("--config=configs/quickstart.py --config.d_steps=0", "d_steps is 0"),
        ("--config=configs/quickstart.py --analysis=training", "is for --mode=sample"),
        ("--workdir=runs/quickstart --mode=sample --analysis=dreams", "is 'dreams'"),
        ("--workdir=runs/quickstart --mode=evaluate --config.seed=1", "config.seed"),
        ("--mode=sweep --sweep=sweeps/report_d.py:table_2", "no function table_2"),
        ("--mode=sweep --sweep=sweeps/report_d.py:modes --set=a=1", "no field 'a'"),
        ("--config='configs/quickstart.py", "No closing quotation"),
    ],
)
def test_impossible_commands_are_found(text, message, checkout):
    checkout(PAGES[0])

    with pytest.raises(ValueError, match=message):
        check(Command(PAGES[0], 1, f"python main.py {text}"))


# Files for clusters.


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_scripts_can_be_read(script):
    if script.suffix == ".yaml":
        *_, jobset = yaml.safe_load_all(script.read_text(encoding="utf-8"))
        (job,) = jobset["spec"]["replicatedJobs"]
        job = job["template"]["spec"]
        # What JAX counts the processes by.
        assert job["parallelism"] == job["completions"] == 2
        assert job["completionMode"] == "Indexed"
        return
    subprocess.run(["bash", "-n", script], check=True)


# Stand-ins for what the scripts call: a program that saves when it is told to stop.
PROGRAM = """#!/bin/bash
trap 'echo saved; exit 0' TERM
echo $$ > started
while :; do sleep 0.05; done
"""
STAND_INS = {
    "srun": PROGRAM,
    "python": PROGRAM,
    "scancel": "#!/bin/bash\nkill -TERM $(cat started)\n",
    "scontrol": "#!/bin/bash\necho $@\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_scripts_save_a_run_that_is_to_stop(script, tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program, text in STAND_INS.items():
        path = tmp_path / ".venv" / "bin" / program
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    text, number = script.read_text(encoding="utf-8"), signal.SIGUSR1
    if script.suffix == ".yaml":
        *_, jobset = yaml.safe_load_all(text)
        (job,) = jobset["spec"]["replicatedJobs"]
        (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
        text = f'PATH="$PWD/.venv/bin:$PATH"\n{container["args"][0]}'
        number = signal.SIGTERM
    environment = os.environ | {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "2"}
    process = subprocess.Popen(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "started").exists():
        assert process.poll() is None
        time.sleep(0.02)

    time.sleep(0.5)  # for the shell to note its child's number
    process.send_signal(number)
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    if script.suffix == ".yaml":
        assert (output.split(), process.returncode) == (["saved"], 1)
    else:
        assert (output.splitlines(), process.returncode) == (["saved", "requeue 7"], 0)


# Links.


@pytest.mark.parametrize("page", PAGES + OTHER_PAGES, ids=name)
def test_links_lead_somewhere(page):
    assert pages.broken_links(page) == []


# Commands that are run.


def kind(command: Command) -> tuple[str, ...]:
    """Commands of one kind do the same; one of them is run."""
    analysis = command.flag("analysis") or ""
    return command.mode, analysis.rpartition(":")[2]


def distinct(commands: list[Command]) -> list[Command]:
    """The first command of each kind, but those for several processes."""
    first = {}
    for command in commands:
        if "--distributed" not in command.arguments():
            first.setdefault(kind(command), command)
    return list(first.values())


def shrink(config: ConfigDict) -> ConfigDict:
    """A config file's config, for a run of seconds."""
    with config.unlocked():
        if config.generator.name == "mlp":
            config.update_from_flattened_dict(SMALL_MLPS | ONE_HIDDEN_LAYER)
        else:
            small_network(config.generator)
            small_network(config.discriminator)
        update(config, TINY)
        # It trains one more classifier.
        config.eval.scores = tuple(
            each for each in config.eval.scores if each != "gan_train"
        )
    return config.lock()


@pytest.fixture
def run_tiny(tiny_world, checkout, monkeypatch, capsys):
    """run_tiny(arguments) -> what main.py prints, on few images, with a quick judge."""
    for module in (main, sweep):
        monkeypatch.setattr(
            module,
            "load_config_file",
            lambda *arguments: shrink(load_config_file(*arguments)),
        )
    monkeypatch.setattr(sweep, "load_sweep", lambda file: load_sweep(file)[:2])
    monkeypatch.setattr(main, "let_second_signal_end_process", lambda: None)

    def run(arguments):
        with parsed(arguments) as overrides:
            main.main(["main.py", *overrides])
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_each_kind_of_command_runs(run_tiny, checkout):
    """In the order of the pages; runs of earlier commands are there for later ones."""
    for command in distinct(COMMANDS):
        checkout(command.page)
        arguments = command.arguments()
        if command.mode == "score":
            continue  # images that no command has made; see test_score
        if command.mode in ("train", *READERS):
            training = command
            if command.mode in ("export", "report"):  # of any run
                text = f"{pages.PROGRAM} --config=configs/quickstart.py"
                training = Command(command.page, command.line, text)
            elif command.mode != "train":
                training = training_of(command)
            # Other commands' DIR is another folder.
            workdir = pathlib.Path("runs", str(training).replace("/", "-"))
            if training != command:
                # Of a run of a few steps there are no other checkpoints; and a report
                # is of the one run that is there.
                arguments = [
                    each
                    for each in arguments
                    if not each.startswith(("--step=", "--runs=", "--output="))
                ]
                if not workdir.exists():
                    checkout(training.page)
                    run_tiny([*training.arguments(), f"--workdir={workdir}"])
            arguments.append(f"--workdir={workdir}")
        before = time.time()

        output = run_tiny(arguments)

        made = {
            path.name
            for path in pathlib.Path().rglob("*")
            if path.stat().st_mtime >= before
        }
        assert output, command
        assert set(MADE[command.mode]) <= made, command
        if command.flag("analysis"):
            assert f"{kind(command)[1]}.png" in made, command


# What each mode leaves behind.
MADE = {
    "train": ["config.json", "metrics.jsonl", "curves.png", "evaluation.json"],
    "evaluate": ["evaluation.json"],
    "sample": [],
    "export": ["generator.safetensors", "sample.jax", "README.md", "samples.png"],
    "report": ["report.html"],
    "describe": [],
    "sweep": ["table.md", "table.csv", "evaluation.json"],
}
