"""Fields of a config, and config files: right types, and one line for mistakes."""

import pathlib
import types

import pytest

from gan_jax.build import ConfigError
from gan_jax.checks import check_config
from gan_jax.command_line import (
    call_file,
    check_flags,
    load_config_file,
    override,
    parse_flags,
    set_field,
    update,
)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_steps=20", 20),
        ("generator.dropout_rate=1e-1", 0.1),
        ("data.flip=true", True),
        ("data.dir=/a folder/x=y", "/a folder/x=y"),
        ("data.dir=", ""),
        ("generator.hidden_sizes=(3, 4)", (3, 4)),
        ("eval.scores=('gan_test',)", ("gan_test",)),
        ("eval.inception_sizes=()", ()),
    ],
)
def test_values_get_their_fields_types(small_config, setting, value):
    config = small_config()

    set_field(config, setting)

    section = config
    *sections, field = setting.partition("=")[0].split(".")
    for name in sections:
        section = section[name]
    assert section[field] == value
    assert type(section[field]) is type(value)


@pytest.mark.parametrize(
    ("given", "overrides", "error"),
    [
        ({"mode": "train", "config": "c.py"}, [], "--runs is for --mode=report"),
        ({"mode": "evaluate", "workdir": "w"}, [], "--runs is for --mode=report"),
        ({"mode": "report"}, [], "takes --workdir=DIR"),
        ({"mode": "report", "workdir": "w", "config": "c.py"}, [], "no --config"),
        ({"mode": "report", "workdir": "w"}, ["--config.seed=1"], "no --config"),
    ],
)
def test_reports_take_folders_alone(given, overrides, error):
    absent = {"sweep": None, "set": [], "workdir": None, "config": None}
    flags = types.SimpleNamespace(**absent | {"runs": ["a", "b"]} | given)

    with pytest.raises(SystemExit, match=error):
        check_flags(flags, overrides)


@pytest.mark.parametrize("way", [override, update])
def test_schedules_are_added_by_their_ends(small_config, way):
    config = small_config().lock()
    fields = {
        "schedules.terms.r1_penalty.gamma.until": 0.5,
        "schedules.terms.r1_penalty.gamma.end": 2,
        "schedules.ema_decay.end": 0.9,
        "terms.r1_penalty.gamma": 0.1,
    }
    if way is override:
        fields = [f"--config.{field}={value}" for field, value in fields.items()]

    way(config, fields)

    assert config.schedules.to_dict() == {
        "terms": {
            "r1_penalty": {"gamma": {"end": 2.0, "until": 0.5, "shape": "cosine"}}
        },
        "ema_decay": {"end": 0.9, "until": 1.0, "shape": "cosine"},
    }
    check_config(config)
    with pytest.raises(ConfigError, match="no field 'schedules.ema.until'"):
        way(
            config,
            ["--config.schedules.ema.until=1.0"]
            if way is override
            else {"schedules.ema.until": 1.0},
        )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("num_steps", "--set=num_steps must be --set=FIELD=VALUE"),
        ("num_step=3", "no field 'num_step'; did you mean 'num_steps'\\?"),
        (
            "generator.hiden_sizes=(3,)",
            "no field 'generator.hiden_sizes'; did you mean 'generator.hidden_sizes'",
        ),
        ("nope.x=3", "--set=nope.x=3: config has no field 'nope.x'"),
        # Names of sections, not of fields alone.
        ("evl.num_samples=3", "no field 'evl.num_samples'; .* 'eval.num_samples'"),
        ("Generator.name=x", "no field 'Generator.name'; .* 'generator.name'"),
        ("seed.x=1", "config has no field 'seed.x'"),
        ("eval=3", "config.eval has fields: .*eval.num_samples, .*eval.scores"),
        ("num_steps=many", "--set=num_steps=many: invalid literal for int"),
        ("num_steps=1e3", "--set=num_steps=1e3: invalid literal for int"),
        ("=3", "--set==3: "),
        ("a b=3", "no field 'a b'"),
        ("seed[0]=3", r"no field 'seed\[0\]'"),
    ],
)
def test_what_is_wrong_is_told(small_config, setting, message):
    config = small_config()
    before = config.to_dict()

    with pytest.raises(ConfigError, match=f"(?s){message}"):
        set_field(config, setting)

    assert config.to_dict() == before


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("None", None),
        ("1e-8", 1e-8),
        ("0.9", 0.9),
        ("True", True),
        ("false", False),
        ("bfloat16", "bfloat16"),
    ],
)
def test_arguments_of_optimisers_may_be_any(small_config, text, value):
    config = small_config()

    set_field(config, f"generator_optimizer.arguments.b1={text}")
    set_field(config, f"discriminator_optimizer.arguments.anything={text}")

    assert config.generator_optimizer.arguments.b1 == value
    assert config.discriminator_optimizer.arguments.to_dict() == {
        "b1": 0.5,
        "b2": 0.999,
        "anything": value,
    }


def test_an_argument_that_stands_alone_is_true(small_config):
    config = small_config()

    override(config, ["--config.generator_optimizer.arguments.nesterov"])

    assert config.generator_optimizer.arguments.nesterov is True

    override(config, ["--noconfig.generator_optimizer.arguments.nesterov"])

    assert config.generator_optimizer.arguments.nesterov is False


def test_an_optimiser_without_adams_arguments(small_config):
    config = small_config()
    arguments = [
        f"--config.{player}_optimizer.{setting}"
        for player in ("generator", "discriminator")
        for setting in (
            "name=rmsprop",
            "arguments.b1=None",
            "arguments.b2=None",
            "arguments.decay=0.9",
        )
    ]

    override(config, arguments)

    check_config(config)
    with pytest.raises(ConfigError, match="arguments has c3, which optax.rmsprop"):
        override(config, ["--config.generator_optimizer.arguments.c3=1"])
        check_config(config)


def test_the_forms_that_flags_may_have(small_config):
    arguments = [
        "main.py",
        "--config.seed",
        "3",
        "-config.num_steps=7",
        "--config.sampling.dropout_rate",
        "-1",
        "--config.data.flip",
        "--noconfig.conditional",
        "--config.eval.scores=('inception_score',)",
        "--config.generator.hidden_sizes",
        "(5, 4)",
    ]
    config = small_config()

    program, *overrides = parse_flags(arguments)
    override(config, overrides)

    assert program == "main.py"
    assert (config.seed, config.num_steps) == (3, 7)
    assert config.sampling.dropout_rate == -1.0
    assert config.data.flip is True and config.conditional is False
    assert config.eval.scores == ("inception_score",)
    assert config.generator.hidden_sizes == (5, 4)


def test_fields_set_from_python(small_config):
    config = small_config()

    update(
        config,
        {
            "num_steps": 3,
            "generator.hidden_sizes": (4,),
            "generator_optimizer.arguments.eps": 1e-7,
            "generator_optimizer.arguments.b1": None,
        },
    )

    assert (config.num_steps, config.generator.hidden_sizes) == (3, (4,))
    arguments = config.generator_optimizer.arguments.to_dict()
    assert arguments == {"b1": None, "b2": 0.999, "eps": 1e-7}
    with pytest.raises(ConfigError, match="evl.x: config has no field 'evl.x'"):
        update(config, {"evl.x": 3})
    with pytest.raises(ConfigError, match="num_steps: .*int"):
        update(config, {"num_steps": "many"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config():\n    return nothing", "line 2: NameError: name 'nothing'"),
        ("import nothing_of_that_name", "line 1: ModuleNotFoundError: No module"),
        ("def get_config(:", "SyntaxError: invalid syntax"),
        ("x = 3", "NameError: it has no function get_config"),
        ("def get_config():\n    pass", r"get_config\(\) must return a ConfigDict"),
        ("def get_config():\n    raise KeyError('a')", "line 2: KeyError: 'a'"),
    ],
)
def test_mistakes_in_a_config_file_are_told_with_their_place(tmp_path, text, message):
    file = tmp_path / "own.py"
    file.write_text(text)

    with pytest.raises(ConfigError, match=f"^{file}.*{message}"):
        load_config_file(file)


def test_a_config_file_that_is_not_there():
    with pytest.raises(ConfigError) as caught:
        load_config_file(pathlib.Path("configs/none.py"))

    assert str(caught.value) == (
        "configs/none.py: FileNotFoundError: No such file or directory"
    )


def test_a_config_is_locked_and_may_have_an_argument(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from ml_collections import ConfigDict\n\n\n"
        "def get_config(name='usual'):\n    return ConfigDict({'name': name})\n"
    )

    assert load_config_file(file).name == "usual"
    config = load_config_file(file, "a:b")
    assert config.name == "a:b" and config.is_locked
    assert call_file(file, "get_config", "c").name == "c"
