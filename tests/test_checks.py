"""What is wrong with a config is said, field and reason."""

import dataclasses
import importlib
import math
from contextlib import nullcontext
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from gan_jax import build, checks
from gan_jax.build import ConfigError, flatten
from gan_jax.checks import check_config
from gan_jax.command_line import update
from gan_jax.data import DatasetSpec
from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.networks.classifiers import CLASSIFIERS, check_image_shape
from gan_jax.networks.mlp import MLPGenerator
from gan_jax.objective.terms import L1

UNCONDITIONAL = {"conditional": False, "eval.scores": ("inception_score",)}
OWN = {"data.name": "own", "data.source": "files"}


def test_the_defaults_are_accepted(small_config):
    check_config(small_config())


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("parallel", "threads", "'jit'"),
        ("data.feed", "disk", "'device', 'host'"),
        ("data.name", "mnist2", "'fashion_mnist'"),
        ("latent.prior", "gaussian", "'normal', 'uniform'"),
        ("generator.name", "dcgan0", "'mlp'"),
        ("discriminator.name", "dcgan0", "'mlp'"),
        ("generator.activation", "elu0", "'leaky_relu', 'relu'"),
        ("discriminator.kernel_init", "he", "'kaiming_normal', 'xavier_normal'"),
        ("generator.output", "relu", "'tanh', 'sigmoid'"),
        ("modes.generator_in_sampling", "test", "'train', 'eval'"),
        ("modes.discriminator_in_generator_step", "", "'train', 'eval'"),
        ("loss.name", "hinge0", "'non_saturating', 'minimax', 'wasserstein'"),
        ("loss.label_smoothing", "soft", "'none', 'fixed', 'random'"),
        ("generator_optimizer.schedule", "step", "'constant', 'cosine', 'linear'"),
        ("discriminator_optimizer.schedule", "step", "'constant', 'cosine', 'linear'"),
        (
            "checkpoints.best_metric",
            "fid0",
            "'gan_test', 'gan_train'",
        ),
        ("classifier.name", "resnet0", "'lenet', 'resnet'"),
    ],
)
def test_unknown_names_list_the_known(small_config, field, value, known):
    with pytest.raises(ConfigError) as caught:
        check_config(small_config({field: value}))

    assert f"config.{field} is {value!r}" in str(caught.value)
    assert known in str(caught.value)


def test_unknown_score_lists_the_known(small_config):
    config = small_config({"eval.scores": ("inception_score", "fid0")})

    with pytest.raises(ConfigError, match="eval.scores is 'fid0'.*'gan_train'"):
        check_config(config)


@pytest.mark.parametrize(
    ("field", "bad", "good"),
    [
        ("num_steps", -1, 1),
        ("batch_size", 0, 2),
        ("d_steps", 0, 1),
        ("g_steps", 0, 1),
        ("latent.size", 0, 1),
        ("log_every", 0, 1),
        ("sample_every", 0, 1),
        ("checkpoint_every", 0, 1),
        ("steps_per_dispatch", 0, 1),
        ("checkpoints.keep_latest", 0, 1),
        ("sampling.batch_size", -1, 10),
        ("eval.num_runs", 1, 2),  # a sample standard deviation needs two
        ("eval.gan_train_runs", 0, 1),
        ("eval.gan_train_samples", -1, 0),
        ("eval.num_splits", 0, 1),
        ("terms.r1_penalty.gamma", -0.5, 0.0),
        ("loss.label_smoothing_amount", 1.5, 1.0),
        ("loss.label_smoothing_amount", -0.1, 0.0),
        ("ema_decay", 1.0, 0.99),
        ("generator.dropout_rate", 1.0, 0.0),
        ("discriminator.dropout_rate", -0.5, 0.0),
        ("generator_optimizer.arguments.b1", 1.5, 0.0),
        ("generator_optimizer.arguments.b1", 1.0, 0.9),
        ("discriminator_optimizer.arguments.b2", -0.1, 0.99),
        ("generator_optimizer.learning_rate", 0.0, 1e-9),
        ("generator_optimizer.learning_rate", -1.0, 1e-9),
        ("generator.negative_slope", -0.2, 0.0),
        ("discriminator.negative_slope", 1.5, 1.0),
        ("seed", -1, 0),
        ("seed", 2**32, 2**32 - 1),
        ("classifier.seed", 2**32, 2**32 - 1),
        ("classifier.seed", -1, 0),
    ],
)
def test_ranges(small_config, field, bad, good):
    check_config(small_config({field: good}))
    with pytest.raises(ConfigError, match=rf"config\.{field} is {bad}; it must be"):
        check_config(small_config({field: bad}))


def test_nothing_to_train_for(small_config):
    with pytest.raises(ConfigError, match="num_steps and config.num_epochs"):
        check_config(small_config({"num_steps": 0, "num_epochs": 0}))
    check_config(small_config({"num_steps": 0, "num_epochs": 1}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"conditional": False},
            "eval.scores has gan_test, which needs the labels.*conditional is False",
        ),
        (
            UNCONDITIONAL | {"checkpoints.best_metric": "gan_test"},
            "best_metric has gan_test, .*conditional is False",
        ),
        ({"generator.label_width": 16}, r"generator.label_width is 16.*size, 16"),
        ({"discriminator.label_width": 0}, r"discriminator.label_width is 0"),
        (
            {"loss.name": "wasserstein"},
            "loss.label_smoothing is 'random', but Wasserstein has no target",
        ),
        (
            {"sampling.dropout_rate": 0.1, "modes.generator_in_sampling": "eval"},
            "sampling.dropout_rate is set.*'eval'",
        ),
        ({"data.grayscale": True}, "data.grayscale is True.*mnist have one channel"),
        ({"data.name": "svhn", "data.flip": True}, "data.flip is True.*of svhn"),
        (
            {"eval.num_samples": 19},
            "eval.num_samples has 19 images for config.eval.num_splits, 10; .*20",
        ),
        (
            {"checkpoints.best_num_samples": 19},
            "checkpoints.best_num_samples has 19 images for config.eval.num_splits, 10",
        ),
    ],
)
def test_impossible_combinations(small_config, fields, message):
    with pytest.raises(ConfigError, match=message):
        check_config(small_config(fields))


@pytest.mark.parametrize(
    "fields",
    [
        UNCONDITIONAL | {"generator.label_width": 0},
        {"loss.name": "wasserstein", "loss.label_smoothing": "none"},
        {"sampling.dropout_rate": 0.0},
        {"checkpoints.best_metric": "gan_test"},
        {"checkpoints.best_metric": ""},
        {"data.name": "cifar10", "data.grayscale": True, "data.flip": True},
        {"classifier.name": "resnet"},
    ],
)
def test_possible_combinations(small_config, fields):
    check_config(small_config(fields))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        (
            "cgan_mnist",
            {"discriminator.conditioning": "embedding"},
            "discriminator.conditioning is 'embedding'.*DCGANDiscriminator can do: "
            "one_hot, branches, auxiliary",
        ),
        (
            "upsample_gan_mnist",
            {"conditional": True, "generator.conditioning": "branches"},
            "generator.conditioning is 'branches'.*UpsamplingGenerator can do: "
            "one_hot, embedding",
        ),
        (
            "default",
            {"generator.conditioning": "none"},
            "generator.conditioning is 'none'.*MLPGenerator can do: one_hot",
        ),
        ("dcgan_mnist", {"generator.norm": "layer"}, "generator.norm is 'layer'"),
        (
            "dcgan_mnist",
            {"generator.strides": (2, 2)},
            "generator.strides has 2 numbers",
        ),
        (
            "wgan_svhn",
            {"terms.gradient_penalty.weight": 10.0},
            "terms.gradient_penalty.weight is 10.0.*depends on the others of its batch",
        ),
        (
            "vtgan_cifar",
            {"terms.r1_penalty.gamma": 1.0},
            "terms.r1_penalty.gamma is 1.0.*minibatch discrimination",
        ),
        (
            "acgan_cifar",
            {"terms.generator_class_loss.smoothing": 1.5},
            r"terms.generator_class_loss.smoothing is 1.5.*\[0, 1\]",
        ),
        (
            "default",
            {"discriminator_optimizer.weight_clip": -0.1},
            "discriminator_optimizer.weight_clip is -0.1.*>= 0",
        ),
        (
            "default",
            {"terms.gradient_penalty.weight": -1.0},
            "terms.gradient_penalty.weight is -1.0.*>= 0",
        ),
        (
            "acgan_cifar",
            {"terms.discriminator_class_loss.weight": 0.0},
            "'auxiliary', but no term trains",
        ),
        (
            "default",
            {"terms.discriminator_class_loss.classify_generated": False},
            "terms.discriminator_class_loss.*no auxiliary",
        ),
        (
            "acgan_cifar",
            {"conditional": False, "eval.scores": ("inception_score",)},
            "conditioning is 'auxiliary'.*conditional is False",
        ),
        (
            "vtgan_cifar",
            {"joint_batches": True},
            "joint_batches is True.*minibatch discrimination must not",
        ),
        ("default", {"test_every": -1}, "test_every is -1.*>= 0"),
        (
            "default",
            {"terms.mode_seeking.weight": -1.0},
            "terms.mode_seeking.weight is -1.0.*>= 0",
        ),
        (
            "default",
            {"terms.mode_seeking.weight": 0.1, "terms.l1.weight": 1.0},
            "images of different classes: l1 'real', mode_seeking 'paired'",
        ),
        (
            "default",
            {
                "terms.mode_seeking.weight": 0.1,
                "batch_size": 1,
                "generator.norm": "none",
            },
            "terms.mode_seeking: .* takes a batch_size of 2, not 1",
        ),
        (
            "default",
            {
                "terms.mode_seeking.weight": 0.0,
                "schedules.terms.mode_seeking.weight.end": 1.0,
                "parallel": "pmap",
            },
            "terms.mode_seeking: .* under config.parallel 'pmap'; use 'jit'",
        ),
        (
            "acgan_cifar",
            {"schedules.terms.generator_class_loss.smoothing.end": 3.0},
            "terms.generator_class_loss.smoothing is 3.0",
        ),
        (
            "default",
            {
                "schedules.generator_optimizer.learning_rate.end": 0.0,
                "schedules.generator_optimizer.learning_rate.shape": "step",
            },
            "learning_rate.until is 1.0, the end of training, where a 'step' comes",
        ),
        (
            "default",
            {"terms.l1.name": "test_checks:DiscriminatorPairs", "parallel": "pmap"},
            "terms.l1: .* under config.parallel 'pmap'; use 'jit'",
        ),
        ("default", {"terms.l1.name": "test_checks:Wishful"}, "fake_labels is 'Real'"),
        ("default", {"augmentations": ("math:pi",)}, "'math:pi', which is no function"),
        (
            "default",
            {"eval.scores": ("gan_jax.metrics:frechet_distance",)},
            "'gan_jax.metrics:frechet_distance', which is no Metric",
        ),
        ("default", {"generator.kernel_init": "math:pi"}, "math:pi', which is no func"),
        (
            "default",
            {"augmentation_probability": 0.5},
            "augmentation_probability is 0.5, but config.augmentations has none",
        ),
        (
            "default",
            {
                "eval.scores": ("gan_train_filtered",),
                "eval.pool_checkpoints": 4,
            },
            "pool_checkpoints is 4, more than the config.checkpoints.keep_latest, 3",
        ),
        (
            "default",
            {"eval.augmentation_real_sizes": (100.5,)},
            "augmentation_real_sizes has 100.5; each must be a whole number",
        ),
        (
            "default",
            {"simultaneous_updates": True, "d_steps": 2},
            "simultaneous_updates is True.*d_steps or config.g_steps is not 1",
        ),
        (
            "mlp_cgan_mnist",
            {
                "d_steps": 1,
                "simultaneous_updates": True,
                "modes.generator_in_generator_step": "eval",
            },
            "simultaneous_updates is True.*modes.generator_in_generator_step differ",
        ),
        (
            "default",
            {
                "simultaneous_updates": True,
                "terms.gradient_penalty.weight": 1.0,
                "loss.name": "wasserstein",
                "loss.label_smoothing": "none",
            },
            "simultaneous_updates is True.*classes",
        ),
        (
            "default",
            {"eval.inception_sizes": (20, 19)},
            "inception_sizes has 19 images for config.eval.num_splits, 10",
        ),
        ("default", {"eval.inception_sizes": (20.0,)}, "has 20.0; each must be a who"),
        ("default", {"eval.inception_sizes": (20.5,)}, "inception_sizes.*whole number"),
    ],
)
def test_what_a_network_or_loss_cannot_do(name, fields, message):
    config = importlib.import_module(f"configs.{name}").get_config()
    update(config, fields)

    with pytest.raises(ConfigError, match=message):
        checks.check_config(config)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"batch_size": 1},
            "batch_size is 1, but config.generator compares the examples of a batch",
        ),
        (
            {
                "batch_size": 1,
                "generator.norm": "none",
            },
            None,
        ),
        ({"sampling.batch_size": 1}, "sampling.batch_size is 1, .*at least 10, one of"),
        # Three images a batch cannot hold ten classes.
        ({"sampling.batch_size": 3}, "sampling.batch_size is 3, .*at least 10, one of"),
        (
            {"sampling.batch_size": 0, "batch_size": 9},
            "config.batch_size is 9, but .*modes.generator_in_sampling is 'train'"
            r".*at least 10, one of every class \(config.sampling.batch_size\)",
        ),
        ({"sampling.batch_size": 0, "batch_size": 10}, None),
        # Images that do not depend on their batch.
        ({"sampling.batch_size": 1, "modes.generator_in_sampling": "eval"}, None),
        (
            {
                "sampling.batch_size": 1,
                "conditional": False,
                "eval.scores": ("inception_score",),
            },
            "sampling.batch_size is 1, .*at least 2",
        ),
        (
            {
                "sampling.batch_size": 3,
                "conditional": False,
                "eval.scores": ("inception_score",),
            },
            None,
        ),
    ],
)
def test_batches_too_small_for_what_is_computed_over_them(
    small_config, fields, message
):
    config = small_config(fields)

    if message is None:
        check_config(config)
        return
    with pytest.raises(ConfigError, match=message):
        check_config(config)


def test_a_discriminator_with_a_batch_of_its_own(small_config):
    """Its batch norm takes two examples, which joint batches of one and one have."""
    fields = {
        "batch_size": 1,
        "generator.norm": "none",
        "modes.generator_in_sampling": "eval",
        "discriminator.norm": "batch",
        "discriminator.minibatch_kernels": 0,
        "joint_batches": False,
        "terms.gradient_penalty.weight": 0.0,
        "terms.r1_penalty.gamma": 0.0,
        "eval.scores": ("inception_score",),
    }
    config = small_config(fields, name="dcgan_mnist")

    with pytest.raises(ConfigError, match="batch_size is 1, but config.discriminator"):
        check_config(config)
    config.joint_batches = True
    check_config(config)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_nan_or_infinite(small_config, value):
    """Every float field of the default config, and of the convolutional networks."""
    tried = 0
    for name in ("default", "dcgan_mnist"):
        fields = flatten(small_config(name=name).to_dict())
        for field in (field for field in fields if isinstance(fields[field], float)):
            with pytest.raises(ConfigError, match=rf"config\.{field} is .*finite num"):
                check_config(small_config({field: value}, name=name))
            tried += 1
    assert tried > 25


def test_arguments_that_only_some_optimisers_take(small_config):
    config = small_config({"generator_optimizer.name": "rmsprop"})
    arguments = config.generator_optimizer.arguments
    with config.unlocked(), arguments.ignore_type():
        arguments.b1 = arguments.b2 = None
        arguments.decay = 1.2
    with pytest.raises(ConfigError, match=r"arguments.decay is 1.2; .*\[0, 1\)"):
        check_config(config)
    arguments.decay = 0.9
    with arguments.unlocked():
        arguments.eps = -1e-8
    with pytest.raises(ConfigError, match=r"arguments.eps is -1e-08; it must be >= 0"):
        check_config(config)
    arguments.eps = 0.0
    check_config(config)


def test_a_population_is_not_fed_by_the_host(small_config):
    config = small_config({"population": 3, "data.feed": "host"})

    with pytest.raises(ConfigError, match="feed is 'host', but config.population is 3"):
        check_config(config)


def test_seeds_of_a_population_are_all_in_range(small_config):
    fields = {"population": 3, "seed": 2**32 - 3}
    check_config(small_config(fields))

    with pytest.raises(ConfigError, match=r"seed is 4294967294.*population is 3"):
        check_config(small_config(fields | {"seed": 2**32 - 2}))


def test_the_largest_seed_is_one_of_its_own():
    """JAX keeps 32 bits of a seed."""
    data = {
        seed: jax.random.key_data(jax.random.key(seed)).tolist()
        for seed in (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
    }

    assert [words for _, words in data.values()] == list(data)
    assert len({tuple(words) for words in data.values()}) == 5


@pytest.mark.parametrize(
    ("name", "field", "value", "kind"),
    [
        ("default", "generator.hidden_sizes", ("a",), "whole numbers"),
        ("default", "generator.hidden_sizes", (512.0,), "whole numbers"),
        ("default", "discriminator.hidden_sizes", ((16,),), "whole numbers"),
        ("default", "discriminator.hidden_sizes", (True, 3), "whole numbers"),
        ("dcgan_mnist", "generator.dense_sizes", (None,), "whole numbers"),
        ("dcgan_mnist", "generator.filters", ("2", 3), "whole numbers"),
        ("dcgan_mnist", "generator.strides", (1, 2, 2.0), "whole numbers"),
        ("dcgan_mnist", "discriminator.filters", (2, 3, "4"), "whole numbers"),
        ("dcgan_mnist", "discriminator.kernel_sizes", (2, 2, 2.5), "whole numbers"),
        ("dcgan_mnist", "discriminator.strides", (2, 2, "2"), "whole numbers"),
        ("r3gan_mnist", "generator.widths", (4.0,), "whole numbers"),
        ("dcgan_mnist", "discriminator.dense_sizes", (4.0,), "whole numbers"),
        ("dcgan_mnist", "discriminator.norm_layers", (1, 1, 1), "True or False"),
        ("dcgan_mnist", "discriminator.pool_layers", ("no",) * 3, "True or False"),
    ],
)
def test_elements_of_tuples_have_their_type(small_config, name, field, value, kind):
    """Every tuple field of every network."""
    with pytest.raises(ConfigError) as caught:
        check_config(small_config({field: value}, name=name))

    expected = f"config.{field} is {value!r}; it must be a tuple of {kind}"
    assert str(caught.value) == expected


class OwnGenerator(MLPGenerator):
    anything: tuple = ()
    widths: tuple = (1, 2.5)
    names: tuple = ("a",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"anything": ("a", 1), "widths": (2, 3), "names": ()}, ""),
        ({"anything": 3}, "anything is 3; it must be a tuple$"),
        ({"widths": ("a",)}, "must be a tuple of whole numbers or numbers"),
        ({"names": (1,)}, "names is \\(1,\\); it must be a tuple of str"),
    ],
)
def test_tuples_of_ones_own_network(fields, message):
    network = OwnGenerator(**fields)
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        network.check()


def test_the_networks_have_no_other_tuples():
    """Otherwise the test above lacks one."""
    tuples = {
        field.name
        for network in (*GENERATORS.values(), *DISCRIMINATORS.values())
        for field in dataclasses.fields(network)
        if isinstance(field.default, tuple) and field.name != "image_shape"
    }

    assert tuples == {
        "hidden_sizes",
        "dense_sizes",
        "filters",
        "strides",
        "kernel_sizes",
        "norm_layers",
        "pool_layers",
        "widths",
    }


def test_splits_of_two_images_each_will_do(small_config):
    check_config(
        small_config({"eval.num_samples": 20, "checkpoints.best_num_samples": 20})
    )
    # Without an Inception Score nothing is split.
    check_config(
        small_config(
            {
                "eval.num_samples": 3,
                "eval.scores": ("gan_test",),
                "checkpoints.best_metric": "gan_test",
                "checkpoints.best_num_samples": 3,
            }
        )
    )


@pytest.mark.parametrize("kind", ["fixed", "two_sided"])
def test_smoothing_that_leaves_nothing_to_tell_apart(small_config, kind):
    fields = {"loss.label_smoothing": kind, "loss.label_smoothing_amount": 1.0}

    with pytest.raises(
        ConfigError, match=f"amount is 1, with which '{kind}' smoothing"
    ):
        check_config(small_config(fields))
    check_config(small_config(fields | {"loss.label_smoothing_amount": 0.9}))
    check_config(small_config(fields | {"loss.label_smoothing": "random"}))


@pytest.mark.parametrize(
    ("name", "argument", "value", "message"),
    [
        ("adam", "nesterov", "off", "nesterov is 'off'; it must be True or False"),
        ("adam", "nesterov", 1, "nesterov is 1; it must be True or False"),
        ("adam", "b1", "abc", "b1 is 'abc'; it must be a number"),
        ("adam", "b1", "nan", "b1 is 'nan'; it must be a number"),
        ("adam", "eps", 1j, "eps is 1j; it must be a number"),
        ("adam", "eps", True, "eps is True; it must be a number"),
        ("adam", "eps", "{}", "eps is '{}'; it must be a number"),
        ("sgd", "momentum", "much", "momentum is 'much'; it must be a number"),
        ("adam", "learning_rate", 1.0, "arguments has learning_rate, which"),
        ("adam", "mu_dtype", "foo", "cannot be used: optax.adam: .*foo"),
        ("lbfgs", "memory_size", 3, "cannot be used: optax.lbfgs: "),
    ],
)
def test_arguments_that_no_optimiser_can_use(
    small_config, name, argument, value, message
):
    config = small_config({"generator_optimizer.name": name})
    arguments = config.generator_optimizer.arguments
    with arguments.unlocked(), arguments.ignore_type():
        if name != "adam":
            arguments.b1 = arguments.b2 = None
        arguments[argument] = value

    with pytest.raises(ConfigError, match=f"config.generator_optimizer.*{message}"):
        check_config(config)


def test_a_config_that_is_not_whole():
    with pytest.raises(ConfigError, match="config is not whole, it lacks .*modes"):
        check_config(ConfigDict({"seed": 3}))


def test_without_classes_nothing_is_conditional_or_scored(small_config):
    spec = DatasetSpec("own", (32, 32, 3), 1, ("all",))
    config = small_config(name="own_images")
    assert config.generator.norm == "conditional_batch"

    config = build.completed(config, spec, "hash")

    check_config(config)
    assert (config.conditional, config.eval.scores) == (False, ())
    assert config.checkpoints.best_metric == ""
    assert config.generator.norm == "batch"
    assert not build.build_gan(config, spec).conditional


def test_without_classes_scores_that_need_no_judge_stay(small_config):
    scores = ("inception_score", "gan_test", "frechet_distance", "copying")
    fields = {"eval.features": "conftest:small_network", "eval.scores": scores}
    config = small_config(fields, name="own_images")
    config.checkpoints.best_metric = "frechet_distance"

    config = build.completed(config, DatasetSpec("own", (32, 32, 3), 1, ("all",)), "")

    # The Inception Score of a function's features would be of the judge's logits.
    assert config.eval.scores == ("frechet_distance", "copying")
    assert config.checkpoints.best_metric == "frechet_distance"
    check_config(config)


def test_a_pool_has_its_checkpoints(small_config):
    fields = {
        "eval.scores": ("gan_train_filtered",),
        "eval.pool_checkpoints": 3,
        "checkpoint_every": 6000,
    }
    config = small_config(fields)

    checks.check_length(config, 12_001)
    with pytest.raises(ConfigError, match="is 3, but 12,000 steps have 2 .*6,000"):
        checks.check_length(config, 12_000)
    config.eval.scores = ("gan_train",)
    checks.check_length(config, 1)


def test_networks_for_own_data_are_checked_before_they_are_read(small_config):
    fields = {"data.name": "mine", "data.source": "folder", "data.image_size": (16,)}
    config = small_config(fields, name="dcgan_mnist")
    checks.check_config(config)
    # As if the pictures had no classes.
    own = small_config({"conditional": False}, name="own_images")
    assert own.data.image_size and own.generator.norm == "conditional_batch"
    checks.check_config(own)
    config.discriminator.negative_slope = 3.0

    with pytest.raises(ConfigError, match="discriminator.negative_slope is 3.0"):
        checks.check_config(config)


def test_what_depends_on_own_data_is_checked_once_they_are_known(small_config):
    # Without classes both would do, for there are no scores.
    config = small_config(OWN | {"conditional": False})
    check_config(config)

    config = build.completed(config, DatasetSpec("own", (6, 5, 3), 2, ("a", "b")), "")
    with pytest.raises(ConfigError, match="gan_test, which needs the labels"):
        check_config(config)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data.source": "folder"}, "config.data.source is 'folder': mnist is a known"),
        ({"data.name": "own"}, "config.data.name is 'own'; known: 'mnist'"),
        (OWN | {"data.name": ""}, "config.data.source is 'files': unknown data set ''"),
        (
            OWN | {"data.test_fraction": 1.0},
            "config.data.test_fraction is 1.0; it must",
        ),
        (OWN | {"data.on_error": "go"}, "config.data.on_error is 'go'; known: 'stop'"),
        (
            OWN | {"data.image_size": (1, 2, 3)},
            r"config.data.image_size is \(1, 2, 3\)",
        ),
    ],
)
def test_impossible_own_data(small_config, fields, message):
    with pytest.raises(ConfigError, match=message):
        check_config(small_config(fields))


@pytest.mark.parametrize("field", ["eval.scores", "checkpoints.best_metric"])
@pytest.mark.parametrize(
    ("score", "labels", "message"),
    [
        ("coverage", [0, 1, 2, 3, 4], "test images is 5; .* more than 5"),
        ("kernel_distance", [3], "test images is 1; .* takes 2"),
        ("class_frechet_distance", range(10), "images of a class is 1; .* 2"),
    ],
)
def test_too_few_test_images_for_a_score(
    small_config, tiny_mnist, field, score, labels, message
):
    rows = [np.flatnonzero(tiny_mnist.test_labels == label)[0] for label in labels]
    few = dataclasses.replace(
        tiny_mnist,
        test_images=tiny_mnist.test_images[rows],
        test_labels=tiny_mnist.test_labels[rows],
    )
    config = small_config({field: (score,) if field == "eval.scores" else score})

    checks.check_comparisons(config, tiny_mnist)
    with pytest.raises(ConfigError, match=f"{field} has {score}, .*{message}"):
        checks.check_comparisons(config, few)


@pytest.mark.parametrize(
    "score", ["class_frechet_distance", "class_diversity", "class_ms_ssim"]
)
def test_too_few_generated_images_of_each_class(small_config, tiny_mnist, score):
    config = small_config({"eval.scores": (score,), "eval.num_samples": 10})

    with pytest.raises(ConfigError, match="generated images of a class is 1; .* 2"):
        checks.check_comparisons(config, tiny_mnist)
    checks.check_comparisons(config, tiny_mnist, np.array([4, 4, 1]))
    with pytest.raises(ConfigError, match="generated images of a class is 1; .* 2"):
        checks.check_comparisons(config, tiny_mnist, np.arange(10))


def test_images_too_small_for_a_score(small_config, tiny_mnist):
    spec = dataclasses.replace(tiny_mnist.spec, image_shape=(10, 28, 1))
    small = dataclasses.replace(tiny_mnist, spec=spec)
    config = small_config({"eval.scores": ("class_ms_ssim",)})

    checks.check_comparisons(config, tiny_mnist)
    with pytest.raises(ConfigError, match="images of 11 pixels and more, not of 10"):
        checks.check_comparisons(config, small)


def test_a_class_has_enough_images_in_every_set(small_config, tiny_mnist):
    """Here one class has two for testing, and only others have two for training."""
    rows = np.flatnonzero(tiny_mnist.test_labels == 0)[:2]
    few = dataclasses.replace(
        tiny_mnist,
        test_images=tiny_mnist.test_images[rows],
        test_labels=tiny_mnist.test_labels[rows],
        train_images=tiny_mnist.train_images[tiny_mnist.train_labels != 0],
        train_labels=tiny_mnist.train_labels[tiny_mnist.train_labels != 0],
    )

    with pytest.raises(ConfigError, match="images of a class is 0; .* 2"):
        checks.check_comparisons(
            small_config({"eval.scores": ("class_frechet_distance",)}), few
        )


@dataclasses.dataclass(frozen=True)
class Wishful(L1):
    """A term of one's own whose wish is misspelt."""

    fake_labels = "Real"


@dataclasses.dataclass(frozen=True)
class DiscriminatorPairs(L1):
    """A term of one's own that compares pairs in the discriminator's update."""

    player = "discriminator"
    fake_labels = "paired"


def test_a_component_is_a_dataclass():
    config = importlib.import_module("configs.default").get_config()

    with pytest.raises(ConfigError, match="loss.name is 'math:sin', which is no datac"):
        update(config, {"loss.name": "math:sin"})


def test_unconditional_images_have_no_classes_to_disagree_on():
    config = importlib.import_module("configs.default").get_config()
    update(
        config,
        {
            "conditional": False,
            "terms.mode_seeking.weight": 0.1,
            "terms.l1.weight": 1.0,
            "eval.scores": ("inception_score",),
        },
    )

    checks.check_config(config)


@pytest.mark.parametrize(
    ("judge", "shape", "message"),
    [
        ("lenet", (15, 28), "'lenet', which takes images of 16 pixels and more, not"),
        ("resnet", (25, 26), "'resnet', which takes even heights and widths, not of"),
        ("resnet", (8, 6), "'resnet', which takes images of 8 pixels and more, not"),
    ],
)
def test_a_judge_takes_no_smaller_images(small_config, judge, shape, message):
    config = small_config({"classifier.name": judge})
    spec = DatasetSpec("own", (*shape, 1), 2, ("a", "b"))

    with pytest.raises(ConfigError, match=message):
        checks._check_judge(config, spec)
    # It is trained for other features, too: it counts the classes.
    config.eval.features = "own:features"
    config.eval.scores = ("frechet_distance",)
    config.checkpoints.best_metric = ""
    with pytest.raises(ConfigError, match=message):
        checks._check_judge(config, spec)
    checks._check_judge(config, DatasetSpec("own", (*shape, 1), 0, ()))
    # What no score needs is not asked of the images.
    config.eval.scores, config.checkpoints.best_metric = (), ""
    checks._check_judge(config, spec)


@pytest.mark.parametrize(("judge", "side"), [("lenet", 16), ("resnet", 8)])
def test_a_judge_takes_the_smallest_images_it_says(judge, side):
    check_image_shape(judge, (side, side, 1))
    network = CLASSIFIERS[judge](num_classes=2)
    images = jnp.zeros((1, side, side, 1), jnp.uint8)

    jax.eval_shape(partial(network.init, train=False), jax.random.key(0), images)
