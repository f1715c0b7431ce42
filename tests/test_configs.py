"""Every config file and every numbered model: as the reports say, and they run."""

import dataclasses
import importlib
import operator
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER, stack

from gan_jax import build, checks, training
from gan_jax.data import DatasetSpec
from gan_jax.metrics import METRICS
from gan_jax.types import Batch

PLAYERS = ("generator", "discriminator")
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
VARIATIONS = [(name, variation) for name in NAMED for variation in NAMED[name]]
VARIATIONS += [(name, "gpu") for name in NAMES if name.startswith(("sngan", "r3gan"))]
# The others take minutes; test_lowering.py traces every config.
QUICKLY_STEPPED = [("mlp_gan_mnist", "2")]


def load(name, model=None):
    module = importlib.import_module(f"configs.{name}")
    return module.get_config() if model is None else module.get_config(model)


def one_step(name, model, small_config, tiny_spec, jit=jax.jit):
    """(state before, state after, metrics) of a config's train step, shrunk."""
    convolutional = load(name, model).generator.name != "mlp"
    fields = {} if convolutional else ONE_HIDDEN_LAYER
    config = small_config(fields | {"batch_size": 4}, name=name, model=model)
    if convolutional:
        # As many pixels as their strides and pools need.
        tiny_spec = dataclasses.replace(tiny_spec, image_shape=(16, 16, 1))
    gan = build.build_gan(config, tiny_spec)
    train_step, initial_state = training.build_train_step(config, gan, 10)
    batch = Batch(
        jnp.full((4, *tiny_spec.image_shape), 7, jnp.uint8), jnp.arange(4) % 3
    )
    before = jit(initial_state)(batch)
    return before, *jit(train_step)(before, stack([batch] * config.d_steps))


@pytest.mark.parametrize(("name", "model"), EVERY + VARIATIONS, ids=str)
def test_configs_are_possible(name, model):
    config = load(name, model)

    checks.check_config(config)
    for player in PLAYERS:
        build.build_optimizer(config, player, 10)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param(*each, marks=() if each in QUICKLY_STEPPED else pytest.mark.slow)
        for each in EVERY + VARIATIONS
    ],
    ids=[":".join(filter(None, each)) for each in EVERY + VARIATIONS],
)
def test_one_step_of_every_config(name, model, small_config, tiny_spec):
    # Many operations are faster compiled as a whole, few are not.
    jit = jax.jit if load(name, model).generator.name != "mlp" else lambda step: step

    before, after, metrics = one_step(name, model, small_config, tiny_spec, jit)

    assert after.step == 1
    assert all(np.isfinite(metric) for metric in metrics.values())
    for player in PLAYERS:
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
    assert (config.ema_decay, config.terms.to_dict()) == (0.0, {})
    for player in PLAYERS:
        network, optimizer = config[player], config[f"{player}_optimizer"]
        assert network.hidden_sizes == (512, 512)
        assert (network.activation, network.negative_slope) == ("leaky_relu", 0.2)
        assert network.dropout_rate == 0.5
        assert network.kernel_init == "kaiming_normal"
        assert (optimizer.name, optimizer.learning_rate) == ("adam", 2e-4)
        assert optimizer.arguments.to_dict() == {"b1": 0.5, "b2": 0.999}
        assert optimizer.schedule == "constant"
    assert config.generator.norm == "batch" and config.generator.output_norm
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
    assert config.generator.norm == "none"
    assert config.generator.output == "tanh"
    assert (config.d_steps, config.g_steps) == (1, 1)


def layers(network, *fields):
    """Settings of a network's layers, one tuple per layer."""
    return list(zip(*(network[field] for field in fields), strict=True))


CONV = ("filters", "kernel_sizes", "strides", "norm_layers", "pool_layers")


def assert_adam(config, learning_rate, **arguments):
    for player in PLAYERS:
        optimizer = config[f"{player}_optimizer"]
        assert (optimizer.name, optimizer.learning_rate) == ("adam", learning_rate)
        assert optimizer.arguments.to_dict() == arguments


def test_dcgan_is_that_of_report_a():
    config = load("dcgan_mnist")

    assert (config.data.name, config.batch_size) == ("mnist", 128)
    assert (config.conditional, config.loss.name) == (False, "non_saturating")
    assert (config.latent.size, config.latent.prior) == (100, "normal")
    assert config.loss.label_smoothing == "none"
    assert_adam(config, 1e-3, b1=0.5, b2=0.999)
    generator, discriminator = config.generator, config.discriminator
    assert generator.dense_sizes == (1024,) and generator.projection_filters == 256
    assert (generator.filters, generator.strides) == ((128, 64), (1, 2, 2))
    assert (generator.kernel_size, generator.output) == (5, "tanh")
    assert generator.projection_norm and generator.projection_activation
    assert layers(discriminator, *CONV) == [
        (filters, 5, 2, True, False) for filters in (64, 128, 256)
    ]
    assert (discriminator.dense_sizes, discriminator.dense_norm) == ((4,), True)
    assert discriminator.dropout_rate == 0.3
    assert generator.norm == discriminator.norm == "batch"
    assert not generator.norm_after_activation
    assert not discriminator.norm_after_activation
    assert config.joint_batches
    # Which has the statistics of both kinds of images.
    assert config.modes.discriminator_in_generator_step == "eval"


def test_variations_of_report_a():
    def variation(name, *fields):
        config = load("dcgan_mnist", name)
        return tuple(operator.attrgetter(field)(config) for field in fields)

    assert variation("ratio_1_5", "d_steps", "g_steps") == (1, 5)
    norms = ("generator.norm", "discriminator.norm")
    assert variation("virtual_batch_norm", *norms) == ("virtual", "virtual")
    assert load("dcgan_vbn_mnist") == load("dcgan_mnist", "virtual_batch_norm")
    multipliers = ("generator.filter_multiplier", "discriminator.filter_multiplier")
    assert variation("double_filters", *multipliers) == (2, 2)
    assert variation("batch_64", "batch_size") == (64,)
    assert variation("batch_32", "batch_size") == (32,)
    assert variation("slow", "generator_optimizer.learning_rate") == (1e-4,)
    for name in ("sgd", "adagrad", "rmsprop"):
        optimizers = ("generator_optimizer.name", "discriminator_optimizer.name")
        assert variation(name, *optimizers) == (name, name)
    # More layers leave the published sizes and strides as they are; so both networks
    # have the depths 3 and 3, 4 and 4, 5 and 5, the generator's last layer included.
    convolutions = {
        "plain": ((128, 64), (1, 2, 2), (64, 128, 256), (2, 2, 2)),
        "deeper": ((256, 128, 64), (1, 1, 2, 2), (64, 128, 256, 256), (2, 2, 2, 1)),
        "deepest": (
            (256, 128, 128, 64),
            (1, 1, 1, 2, 2),
            (64, 128, 256, 256, 256),
            (2, 2, 2, 1, 1),
        ),
        "deeper_discriminator": (
            (128, 64),
            (1, 2, 2),
            (64, 128, 256, 256),
            (2, 2, 2, 1),
        ),
        "shallower_discriminator": ((128, 64), (1, 2, 2), (64, 128), (2, 2)),
    }
    fields = ("generator.filters", "generator.strides")
    fields += ("discriminator.filters", "discriminator.strides")
    for name, expected in convolutions.items():
        assert variation(name, *fields) == expected


def test_cgan_is_that_of_report_a():
    config = load("cgan_mnist")

    assert config.conditional and config.batch_size == 128
    assert config.generator.conditioning == "branches"
    assert (config.generator.dense_sizes, config.generator.branch_kernel_size) == (
        (),
        3,
    )
    assert config.discriminator.conditioning == "branches"
    branch = (
        config.discriminator.branch_filters,
        config.discriminator.branch_kernel_size,
    )
    assert branch == (64, 5)
    plain = load("dcgan_mnist")
    assert config.generator.filters == plain.generator.filters
    for field in (*CONV, "dense_sizes", "dropout_rate"):
        assert config.discriminator[field] == plain.discriminator[field]
    assert load("cgan_mnist", "batch_32").batch_size == 32
    doubled = load("cgan_mnist", "double_filters")
    assert [doubled[player].filter_multiplier for player in PLAYERS] == [2, 2]
    for name in ("sgd", "adagrad", "rmsprop"):
        varied = load("cgan_mnist", name)
        assert [varied[f"{player}_optimizer"].name for player in PLAYERS] == [name] * 2
    # The architecture stays the published one; the dropout's rate is not published.
    best = load("cgan_mnist", "best")
    assert best.discriminator.dropout_rate == 0.5
    best.discriminator.dropout_rate = config.discriminator.dropout_rate
    assert [best[player] for player in PLAYERS] == [
        config[player] for player in PLAYERS
    ]


# systems.md, B: the critic's or discriminator's convolutions and dense layers.
REPORT_B = {
    "dcgan_tutorial_mnist": (
        [(64, 5, 2, False, False), (128, 5, 2, False, False)],
        (),
        5,
    ),
    "dcgan_small_kernel_mnist": (
        [(64, 5, 2, False, True), (128, 5, 2, False, True)],
        (),
        3,
    ),
    "dcgan_svhn": (
        [(32, 7, 1, True, True), (64, 5, 1, True, True), (128, 3, 1, False, True)],
        (1024, 512),
        5,
    ),
    "dcgan_small_kernel_svhn": (
        [
            (32, 7, 1, True, True),
            (64, 5, 1, True, True),
            (128, 3, 1, True, True),
            (64, 2, 1, False, True),
        ],
        (1024, 512, 216),
        3,
    ),
}


@pytest.mark.parametrize("name", REPORT_B)
def test_gans_are_those_of_report_b(name):
    config = load(name)
    convolutions, dense_sizes, kernel_size = REPORT_B[name]

    svhn = name.endswith("svhn")
    assert (config.data.name, config.data.grayscale) == (
        ("svhn", True) if svhn else ("mnist", False)
    )
    assert (config.batch_size, config.num_epochs) == (256, 100)
    assert_adam(config, 1e-4, b1=0.9, b2=0.999, eps=1e-7)
    assert layers(config.discriminator, *CONV) == convolutions
    assert config.discriminator.dense_sizes == dense_sizes
    assert config.discriminator.dropout_rate == (0.0 if svhn else 0.3)
    assert config.generator.kernel_size == kernel_size
    assert not config.generator.use_bias
    assert not config.joint_batches
    assert not config.generator.norm_after_activation
    assert config.discriminator.norm_after_activation or not svhn
    for network in (config.generator, config.discriminator):
        assert network.negative_slope == 0.3
        assert (network.norm_momentum, network.norm_epsilon) == (0.99, 1e-3)


def test_wasserstein_gans():
    for name, baseline, weight_clip in (
        ("wgan_mnist", "dcgan_tutorial_mnist", 0.01),
        ("wgan_svhn", "dcgan_svhn", 0.1),
    ):
        config = load(name)
        assert config.loss.name == "wasserstein"
        assert config.discriminator_optimizer.weight_clip == weight_clip
        assert (config.d_steps, config.g_steps) == (5, 1)
        for player in PLAYERS:
            optimizer = config[f"{player}_optimizer"]
            assert (optimizer.name, optimizer.learning_rate) == ("rmsprop", 5e-5)
            arguments = optimizer.arguments.to_dict()
            assert arguments == {"decay": 0.99, "eps_in_sqrt": False}
        assert config.generator == load(baseline).generator
        assert config.discriminator == load(baseline).discriminator
    config = load("wgan_gp_mnist")
    assert (config.loss.name, config.terms.gradient_penalty.weight) == (
        "wasserstein",
        10.0,
    )
    assert (config.d_steps, config.discriminator_optimizer.weight_clip) == (5, 0.0)
    assert_adam(config, 1e-4, b1=0.0, b2=0.9)
    assert config.discriminator.norm == "none"
    assert config.discriminator.dropout_rate == 0.0


@pytest.mark.parametrize("name", ["acgan_cifar", "vtgan_cifar"])
def test_gans_are_those_of_report_c(name):
    config = load(name)
    generator, discriminator = config.generator, config.discriminator

    assert (config.data.name, config.batch_size) == ("cifar10", 100)
    assert config.num_epochs == 500 and config.conditional
    assert not config.joint_batches  # minibatch discrimination sees one kind alone
    assert (config.latent.size, config.latent.prior) == (110, "uniform")
    assert_adam(config, 2e-4, b1=0.5, b2=0.999)
    assert generator.conditioning == "embedding"
    assert (generator.projection_filters, generator.filters) == (512, (256, 128, 64))
    assert (generator.strides, generator.dense_sizes) == ((2, 2, 2, 2), ())
    assert generator.projection_activation and not generator.projection_norm
    assert discriminator.conditioning == "auxiliary"
    assert layers(discriminator, *CONV) == [
        (16, 5, 2, False, False),
        (32, 5, 1, True, False),
        (64, 3, 2, True, False),
        (128, 5, 1, True, False),
        (256, 3, 2, True, False),
        (512, 3, 1, False, False),
    ]
    for network in (generator, discriminator):
        assert network.norm_after_activation and network.negative_slope == 0.01
    smoothed = name == "vtgan_cifar"
    assert discriminator.minibatch_kernels == (30 if smoothed else 0)
    assert discriminator.minibatch_kernel_dim == 5
    assert config.loss.label_smoothing == ("two_sided" if smoothed else "none")
    class_losses = {"discriminator_class_loss", "generator_class_loss"}
    assert set(config.terms) == class_losses
    for term in config.terms.values():
        assert (term.weight, term.smoothing) == (1.0, 0.1 if smoothed else 0.0)
    assert not smoothed or config.loss.label_smoothing_amount == 0.1
    # A choice: the report's generator minimises the discriminator's own source loss.
    assert config.loss.name == "non_saturating"
    assert config.terms.discriminator_class_loss.classify_generated


def test_dcgans_are_those_of_report_e():
    config = load("dcgan_dropout_mnist")
    generator, discriminator = config.generator, config.discriminator
    assert (config.latent.prior, config.latent.size) == ("uniform", 100)
    assert (generator.projection_filters, generator.filters) == (128, (64, 32))
    assert (generator.strides, generator.dropout_rate) == ((2, 2, 1), 0.5)
    assert not generator.projection_norm and not generator.projection_activation
    assert layers(discriminator, *CONV) == [
        (filters, 5, 2, True, False) for filters in (32, 64, 128)
    ]
    assert discriminator.norm_after_activation and not generator.norm_after_activation
    assert (discriminator.dropout_rate, discriminator.dense_sizes) == (0.0, ())
    assert not config.joint_batches
    assert_adam(config, 2e-4, b1=0.5, b2=0.999)

    config = load("upsample_gan_mnist")
    generator, discriminator = config.generator, config.discriminator
    assert generator.dropout_rate == discriminator.dropout_rate == 0.5
    assert (generator.name, generator.num_filters) == ("upsampling", 64)
    assert (generator.num_blocks, generator.kernel_size) == (2, 3)
    assert generator.norm == discriminator.norm == "none"
    assert layers(discriminator, *CONV) == [
        (64, 3, strides, False, False) for strides in (1, 2, 1, 2)
    ]


def test_quickstart_needs_no_data():
    config = load("quickstart")

    assert config.data.source == "embedded" and config.conditional


@pytest.mark.parametrize(
    ("size", "shape", "strides"),
    [
        ("16", (16, 16, 3), (2, 2)),
        ("28", (28, 28, 1), (2, 2)),
        ("32", (32, 32, 3), (2, 2, 2)),
        ("40x48", (40, 48, 3), (2, 2, 2)),
        ("16x128", (16, 128, 1), (2, 2)),
        ("64", (64, 64, 1), (2, 2, 2, 2)),
        ("100", (100, 100, 3), (2, 2)),
        ("128", (128, 128, 3), (2, 2, 2, 2, 2)),
    ],
)
def test_networks_of_own_images_are_as_deep_as_their_size_allows(size, shape, strides):
    config = load("own_images", size)
    assert config.data.image_size == shape[:2]
    spec = DatasetSpec("own", shape, 3, ("a", "b", "c"))

    config = build.completed(config, spec, "")
    checks.check_config(config)

    assert config.generator.strides == (*strides, 1)
    assert config.discriminator.strides == sum(((each, 1) for each in strides), ())
    gan = build.build_gan(config, spec)
    variables, _ = jax.eval_shape(gan.init, jax.random.key(0), gan.no_examples())
    assert variables["params"]["projection"]["kernel"].shape[1] % 16 == 0
    if size == "28":
        mnist = load("sngan_mnist")
        assert [config[each] for each in PLAYERS] == [mnist[each] for each in PLAYERS]


@pytest.mark.parametrize(
    ("size", "shape", "widths"),
    [
        ("r3gan-28", (28, 28, 1), (96, 48, 16)),
        ("r3gan-40x48", (40, 48, 3), (128, 96, 48, 16)),
        ("r3gan-128", (128, 128, 3), (128, 128, 128, 96, 48, 16)),
    ],
)
def test_r3gan_of_own_images(size, shape, widths):
    config = load("own_images", size)
    spec = DatasetSpec("own", shape, 3, ("a", "b", "c"))

    config = build.completed(config, spec, "")
    checks.check_config(config)

    assert config.generator.widths == widths == config.discriminator.widths[::-1]
    gan = build.build_gan(config, spec)
    jax.eval_shape(gan.init, jax.random.key(0), gan.no_examples())
    if size == "r3gan-28":
        mnist = load("r3gan_mnist")
        assert [config[each] for each in PLAYERS] == [mnist[each] for each in PLAYERS]


BAD_SIZES = [
    "12",
    "30",
    "132",
    "64x",
    "x64",
    "large",
    "64x30",
    "gan-64",
    "r3gan-",
    "r3gan",
]


@pytest.mark.parametrize("size", BAD_SIZES)
def test_sizes_of_own_images_that_cannot_be(size):
    with pytest.raises(ValueError, match=f"no size '{size.removeprefix('r3gan-')}'"):
        load("own_images", size)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "default"])
def test_docstrings_give_command_cost_and_scores(name):
    docstring = importlib.import_module(f"configs.{name}").__doc__

    assert f"python main.py --config=configs/{name}.py" in docstring
    assert "Cost" in docstring
    # Scores stand in results/ alone, on a page that there is.
    page = re.search(r"results/\w+\.md", docstring)
    if page is None:
        assert "not been run" in " ".join(docstring.split())
    else:
        assert (FOLDER.parent / page[0]).is_file()
    # All fields are in default.py: others change some, and add none.
    assert set(load(name).to_dict()) == set(load("default").to_dict())


def test_published_numbers_are_of_scores():
    published = {
        (name, model): load(name, model).published.to_dict()
        for name, model in EVERY + VARIATIONS
    }

    assert {score for each in published.values() for score in each} <= set(METRICS)
    assert published["mlp_cgan_mnist", "11"] == {
        "gan_test": "92.54 ± 0.30",
        "gan_train": "87.00",
    }
    assert published["cgan_mnist", "batch_32"] == {"gan_test": "97.1"}
    assert not published["quickstart", None]


def test_every_field_has_a_comment():
    """At its line's end, above its block, or at another network's field of the name."""
    uncommented, commented, block = [], set(), ""
    for line in (FOLDER / "default.py").read_text().splitlines():
        if not line.strip() or (line.lstrip().startswith("#") and not block):
            block = line.strip()
        field = re.match(
            r"\s+(?:config|optimizer|network)\.([\w.]+) = (?!ConfigDict\(\))", line
        )
        if field is None:
            continue
        section, _, name = field[1].rpartition(".")
        has_comment = "  # " in line or block.startswith("#")
        if has_comment:
            commented.add(name)
        elif section not in ("discriminator", "") or name not in commented:
            uncommented.append(field[1])

    assert len(commented) > 40
    assert uncommented == []
