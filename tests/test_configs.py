"""Every config file and every numbered model: as the reports say, and they run."""

import dataclasses
import importlib
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER

from gan_jax import build
from gan_jax.types import Batch

FOLDER = pathlib.Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
NUMBERED = {
    "mlp_gan_mnist": range(1, 6),
    "mlp_cgan_mnist": range(6, 19),
    "mlp_cgan_fashion_mnist": (19, 20),
}
NAMED = {
    name: importlib.import_module(f"configs.{name}").VARIATIONS
    for name in ("dcgan_mnist", "cgan_mnist")
}
EVERY = [(name, None) for name in NAMES] + [
    (name, str(number)) for name, numbers in NUMBERED.items() for number in numbers
]
EVERY_IDS = [name if model is None else f"{name}:{model}" for name, model in EVERY]


def load(name, model=None):
    module = importlib.import_module(f"configs.{name}")
    return module.get_config() if model is None else module.get_config(model)


@pytest.mark.parametrize(
    ("name", "model"),
    EVERY + [(name, variation) for name in NAMED for variation in NAMED[name]],
    ids=str,
)
def test_configs_are_possible(name, model):
    config = load(name, model)

    build.check_config(config)
    for player in ("generator", "discriminator"):
        build.build_optimizer(config, player, 10)


@pytest.mark.parametrize(("name", "model"), EVERY, ids=EVERY_IDS)
def test_one_step_of_every_config(name, model, small_config, tiny_spec):
    config = load(name, model)
    convolutional = config.generator.name != "mlp"
    fields = {} if convolutional else ONE_HIDDEN_LAYER
    config = small_config(fields | {"batch_size": 4}, name=name, model=model)
    if convolutional:
        # As many pixels as their strides and pools need.
        tiny_spec = dataclasses.replace(tiny_spec, image_shape=(16, 16, 1))
    gan = build.build_gan(config, tiny_spec)
    train_step, initial_state = build.build_train_step(config, gan, 10)
    batch = Batch(
        jnp.full((4, *tiny_spec.image_shape), 7, jnp.uint8), jnp.arange(4) % 3
    )

    def step(state):
        return train_step(state, lambda i: batch)

    if convolutional:
        # Many operations: these are faster compiled as a whole, the others are not.
        initial_state, step = jax.jit(initial_state), jax.jit(step)
    before = initial_state(batch)

    after, metrics = step(before)

    assert after.step == 1
    assert all(np.isfinite(metric) for metric in metrics.values())
    for player in ("generator", "discriminator"):
        old, new = getattr(before, player).params, getattr(after, player).params
        changed = jax.tree.map(lambda *pair: not np.array_equal(*pair), old, new)
        assert any(jax.tree.leaves(changed))


@pytest.mark.parametrize("name", NUMBERED)
def test_unknown_models_list_the_known(name):
    with pytest.raises(ValueError, match="no model '99'") as caught:
        load(name, "99")

    known = str(caught.value).split("known: ")[1].split(", ")
    assert known == [str(number) for number in NUMBERED[name]]


SOFT = ("random", 0.15)

# systems.md, D. Generator in D-training, discriminator in G-training, generating.
UNCONDITIONAL = {
    "1": ("normal", 1, "eval", "eval", "eval"),
    "2": ("normal", 1, "train", "eval", "train"),
    "3": ("normal", 1, "train", "train", "eval"),
    "4": ("normal", 2, "train", "train", "eval"),
    "5": ("uniform", 2, "train", "train", "eval"),
}
# systems.md, D: epochs, label width, z, soft label, generates in, D updates, output.
CONDITIONAL = {
    "6": (100, 64, "normal", SOFT, "eval", 1, "tanh"),
    "7": (100, 64, "normal", SOFT, "eval", 1, "tanh"),
    "8": (100, 64, "normal", SOFT, "train", 1, "tanh"),
    "9": (100, 64, "normal", SOFT, "train", 2, "tanh"),
    "10": (100, 256, "normal", SOFT, "train", 1, "tanh"),
    "11": (100, 256, "normal", SOFT, "train", 2, "tanh"),
    "12": (100, 64, "uniform", SOFT, "train", 2, "tanh"),
    "13": (100, 64, "normal", ("none", None), "train", 2, "tanh"),
    "14": (100, 64, "normal", ("fixed", 0.1), "train", 2, "tanh"),
    "15": (100, 64, "normal", ("fixed", 0.15), "train", 2, "tanh"),
    "16": (100, 64, "normal", ("fixed", 0.2), "train", 2, "tanh"),
    "17": (100, 64, "normal", SOFT, "train", 2, "sigmoid"),
    "18": (200, 64, "normal", SOFT, "train", 2, "tanh"),
    "19": (100, 64, "normal", SOFT, "train", 2, "tanh"),
    "20": (200, 64, "normal", SOFT, "train", 2, "tanh"),
}


def assert_fixed_settings_of_report_d(config):
    assert (config.num_steps, config.batch_size, config.g_steps) == (0, 100, 1)
    assert config.latent.size == 100
    assert config.loss.name == "non_saturating"
    assert (config.ema_decay, config.loss.r1_gamma) == (0.0, 0.0)
    for player in ("generator", "discriminator"):
        network, optimizer = config[player], config[f"{player}_optimizer"]
        assert network.hidden_sizes == (512, 512)
        assert (network.activation, network.negative_slope) == ("leaky_relu", 0.2)
        assert network.dropout_rate == 0.5
        assert network.kernel_init == "kaiming_normal"
        assert (optimizer.name, optimizer.learning_rate) == ("adam", 2e-4)
        assert optimizer.arguments.to_dict() == {"b1": 0.5, "b2": 0.999}
        assert optimizer.schedule == "constant"
    assert config.generator.batch_norm and config.generator.output_batch_norm
    assert config.modes.discriminator_in_discriminator_step == "train"
    assert config.modes.generator_in_generator_step == "train"


@pytest.mark.parametrize("model", UNCONDITIONAL)
def test_unconditional_models_are_those_of_report_d(model):
    config = load("mlp_gan_mnist", model)

    assert_fixed_settings_of_report_d(config)
    assert (config.conditional, config.data.name) == (False, "mnist")
    assert config.num_epochs == 100
    assert (config.loss.label_smoothing, config.loss.label_smoothing_amount) == SOFT
    assert config.generator.output == "tanh"
    assert UNCONDITIONAL[model] == (
        config.latent.prior,
        config.d_steps,
        config.modes.generator_in_discriminator_step,
        config.modes.discriminator_in_generator_step,
        config.modes.generator_in_sampling,
    )


@pytest.mark.parametrize("model", CONDITIONAL)
def test_conditional_models_are_those_of_report_d(model):
    fashion = int(model) >= 19
    config = load("mlp_cgan_fashion_mnist" if fashion else "mlp_cgan_mnist", model)

    assert_fixed_settings_of_report_d(config)
    assert config.conditional
    assert config.data.name == ("fashion_mnist" if fashion else "mnist")
    epochs, width, prior, (kind, amount), mode, d_steps, output = CONDITIONAL[model]
    assert (config.num_epochs, config.d_steps) == (epochs, d_steps)
    assert config.generator.label_width == config.discriminator.label_width == width
    assert (config.latent.prior, config.generator.output) == (prior, output)
    assert config.loss.label_smoothing == kind
    assert amount in (None, config.loss.label_smoothing_amount)
    assert config.modes.generator_in_sampling == mode
    # Only model 7 is in eval mode elsewhere too.
    in_d_step = config.modes.generator_in_discriminator_step
    assert in_d_step == ("eval" if model == "7" else "train")
    assert config.modes.discriminator_in_generator_step == "train"


def test_models_by_default():
    assert load("mlp_gan_mnist") == load("mlp_gan_mnist", "3")
    assert load("mlp_cgan_mnist") == load("mlp_cgan_mnist", "9")
    assert load("mlp_cgan_fashion_mnist") == load("mlp_cgan_fashion_mnist", "19")


def test_vanilla_is_that_of_report_e():
    config = load("vanilla_gan_mnist")

    assert (config.num_steps, config.conditional) == (100_000, False)
    assert (config.latent.size, config.latent.prior) == (100, "uniform")
    for player in (config.generator, config.discriminator):
        assert (player.hidden_sizes, player.activation) == ((128,), "relu")
        assert player.dropout_rate == 0.0
    assert not config.generator.batch_norm and not config.generator.output_batch_norm
    assert config.generator.output == "tanh"
    assert (config.d_steps, config.g_steps) == (1, 1)


def test_quickstart_needs_no_data():
    config = load("quickstart")

    assert config.data.source == "embedded" and config.conditional


@pytest.mark.parametrize("name", [name for name in NAMES if name != "default"])
def test_docstrings_give_command_and_cost(name):
    docstring = importlib.import_module(f"configs.{name}").__doc__

    assert f"python main.py --config=configs/{name}.py" in docstring
    assert "Cost" in docstring
    # All fields are in default.py: others change some, and add none.
    assert set(load(name).to_dict()) == set(load("default").to_dict())


def test_every_field_has_a_comment():
    """At its line's end, above its block, or at the generator's field of that name."""
    uncommented, commented, block = [], set(), ""
    for line in (FOLDER / "default.py").read_text().splitlines():
        if not line.strip() or (line.lstrip().startswith("#") and not block):
            block = line.strip()
        field = re.match(
            r"\s+(?:config|optimizer)\.([\w.]+) = (?!ConfigDict\(\))", line
        )
        if field is None:
            continue
        section, _, name = field[1].rpartition(".")
        has_comment = "  # " in line or block.startswith("#")
        if has_comment:
            commented.add(name)
        elif section != "discriminator" or name not in commented:
            uncommented.append(field[1])

    assert len(commented) > 40
    assert uncommented == []
