"""Sections of components: what a config may set, and what another name changes."""

import dataclasses

import pytest

from gan_jax.command_line import override
from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.objective import GAMES, TERMS
from gan_jax.sections import defaults, generator, section, term


@pytest.mark.parametrize("table", [GENERATORS, DISCRIMINATORS, GAMES, TERMS])
def test_a_section_has_the_fields_of_its_component(table):
    for name, component in table.items():
        written = section(table, name).to_dict()

        assert written.pop("name") == name
        given = set(getattr(component, "GIVEN", ()))
        fields = {field.name: field for field in dataclasses.fields(component)}
        assert set(written) == set(fields) - given
        assert all(written[each] == fields[each].default for each in written)
        assert component(**written) == component()


def test_values_have_their_fields_types():
    penalty = term("r1_penalty", gamma=2)

    assert isinstance(penalty.gamma, float) and penalty.gamma == 2.0
    with pytest.raises(ValueError, match=r"r1_penalty has no field 'gama'; .*gamma"):
        term("r1_penalty", gama=2)
    with pytest.raises(ValueError, match="is 'mpl'; known: 'mlp'"):
        generator("mpl")


def test_another_name_brings_its_fields_and_leaves_common_values(small_config):
    config = small_config().lock()
    config.generator.dropout_rate = 0.25

    override(
        config, ["--config.generator.kernel_size=3", "--config.generator.name=dcgan"]
    )

    expected = defaults(GENERATORS["dcgan"]) | {
        "name": "dcgan",
        "kernel_size": 3,
        "dropout_rate": 0.25,
        "kernel_init": "kaiming_normal",  # the mlp's
    }
    assert config.generator.to_dict() == expected


def test_terms_are_added_by_their_names(small_config):
    config = small_config().lock()

    override(
        config,
        [
            "--config.terms.r1_penalty.gamma=3",
            "--config.terms.again.weight=0.5",
            "--config.terms.again.name=gradient_penalty",
        ],
    )

    assert config.terms.to_dict() == {
        "r1_penalty": {"name": "r1_penalty", "gamma": 3.0, "every": 1},
        "again": {"name": "gradient_penalty", "weight": 0.5, "every": 1},
    }
