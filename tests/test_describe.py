"""The table of layers and, as its last two lines, the numbers of parameters."""

import importlib

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


# systems.md, B: published totals, generator and discriminator.
B1 = ((2_330_944, 2_305_472), (212_865, 212_865))
B4 = ((2_730_304, 2_697_152), (2_750_593, 2_750_401))
PUBLISHED = {
    "dcgan_tutorial_mnist": B1,
    "dcgan_small_kernel_mnist": ((1_674_560, 1_649_088), (207_105, 207_105)),
    "wgan_mnist": B1,
    "wgan_gp_mnist": B1,
    "dcgan_svhn": B4,
    "dcgan_small_kernel_svhn": ((2_073_920, 2_040_768), (1_059_441, 1_058_993)),
    "wgan_svhn": B4,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_totals(name):
    config = importlib.import_module(f"configs.{name}").get_config()

    text = describe(build.build_gan(config, build.dataset_spec(config)))

    assert text.splitlines()[-2:] == [
        f"{player}: total {total}, trainable {trainable}"
        for player, (total, trainable) in zip(
            ("generator", "discriminator"), PUBLISHED[name], strict=True
        )
    ]


@pytest.mark.parametrize("name", ["dcgan_vbn_mnist", "vtgan_cifar", "cgan_mnist"])
def test_every_kind_of_network_is_described(name):
    config = importlib.import_module(f"configs.{name}").get_config()

    text = describe(build.build_gan(config, build.dataset_spec(config)))

    assert text.splitlines()[-1].startswith("discriminator: total ")
    # The label branch is there only where labels are seen.
    assert ("label_branch" in text) is (name == "cgan_mnist")
