"""--set=FIELD=VALUE has the checks of --config.FIELD=VALUE."""

import pytest

from gan_jax.build import ConfigError
from gan_jax.command_line import set_field


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
    ("setting", "message"),
    [
        ("num_steps", "--set=num_steps must be --set=FIELD=VALUE"),
        ("num_step=3", "no field 'num_step'; did you mean 'num_steps'\\?"),
        (
            "generator.hiden_sizes=(3,)",
            "no field 'generator.hiden_sizes'; did you mean 'generator.hidden_sizes'",
        ),
        ("nope.x=3", "--set=nope.x=3: config has no field 'nope.x'"),
        ("num_steps=many", "--set=num_steps=many: invalid literal for int"),
        ("=3", "--set==3: "),
    ],
)
def test_what_is_wrong_is_told(small_config, setting, message):
    config = small_config()
    before = config.to_dict()

    with pytest.raises(ConfigError, match=f"(?s){message}"):
        set_field(config, setting)

    assert config.to_dict() == before
