"""The table of layers and, as its last two lines, the numbers of parameters."""

import pytest

from gan_jax import build
from gan_jax.data import SPECS
from gan_jax.describe import describe


@pytest.fixture(scope="module")
def lines(small_config):
    # With the sizes of report D's conditional networks.
    config = small_config(
        {
            "latent.size": 100,
            "generator.hidden_sizes": (512, 512),
            "generator.label_width": 64,
            "discriminator.hidden_sizes": (512, 512),
            "discriminator.label_width": 64,
        }
    )
    return describe(build.build_gan(config, SPECS["mnist"])).splitlines()


def test_the_last_two_lines_count_the_parameters(lines):
    # Counted by hand in tests/networks/test_mlp.py.
    assert lines[-2:] == [
        "generator: total 716224, trainable 712608",
        "discriminator: total 615553, trainable 615553",
    ]


def test_every_layer_is_listed_without_colour(lines):
    text = "\n".join(lines)

    for layer in ("hidden_0", "hidden_0_norm", "hidden_1", "output", "logit"):
        assert layer in text
    assert "\x1b" not in text
    assert max(map(len, lines)) <= 120


def test_unconditional_networks(small_config):
    config = small_config({"conditional": False})

    *_, generator, discriminator = describe(
        build.build_gan(config, SPECS["mnist"])
    ).splitlines()

    trainable = (7 * 16 + 2 * 16) + (16 * 12 + 2 * 12) + (12 * 784 + 2 * 784)
    total = trainable + 2 * (16 + 12 + 784)
    assert generator == f"generator: total {total}, trainable {trainable}"
    count = (784 * 14 + 14) + (14 * 10 + 10) + (10 + 1)
    assert discriminator == f"discriminator: total {count}, trainable {count}"
