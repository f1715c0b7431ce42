"""The fully connected networks against NumPy and hand-counted parameters."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import numpy_mlp
import pytest

from gan_jax.gan import count_params
from gan_jax.networks.initializers import KERNEL_INITIALIZERS
from gan_jax.networks.mlp import (
    ConditionalDense,
    MLPDiscriminator,
    MLPGenerator,
)
from gan_jax.objective.terms import gradient_penalty

SMALL = {"num_classes": 3, "hidden_sizes": (16, 12), "label_width": 5}
LABELS = jnp.array([2, 0, 1, 1, 2])
LATENTS = jax.random.normal(jax.random.key(1), (5, 7))
IMAGES = jax.random.uniform(jax.random.key(2), (5, 4, 3, 1), minval=-1.0)
VANILLA = {
    "hidden_sizes": (128,),
    "activation": "relu",
    "dropout_rate": 0.0,
    "kernel_init": "xavier_normal",
}


def small_generator(**changes):
    arguments = {"dropout_rate": 0.0, "image_shape": (4, 3, 1)}
    return MLPGenerator(**(SMALL | arguments | changes))


def small_discriminator(**changes):
    return MLPDiscriminator(**(SMALL | {"dropout_rate": 0.0} | changes))


def initialized(module, inputs, labels):
    variables = module.init(jax.random.key(0), inputs, labels, train=False)
    return numpy_mlp.randomized(variables)


def sizes(module, inputs, labels):
    return count_params(
        jax.eval_shape(
            lambda key: module.init(key, inputs, labels, train=False),
            jax.random.key(0),
        )
    )


ONE_LATENT, ONE_IMAGE = jnp.zeros((1, 100)), jnp.zeros((1, 28, 28, 1))
ONE_LABEL = jnp.zeros(1, jnp.int32)


@pytest.mark.parametrize("label_width", [64, 256])
def test_parameters_of_the_conditional_networks(label_width):
    input_width = 512 - label_width
    # No bias where batch norm (scale and bias, mean and variance) follows.
    trainable = (
        (100 * input_width + 10 * label_width + 2 * 512)
        + (512 * 512 + 2 * 512)
        + (512 * 784 + 2 * 784)
    )
    total = trainable + 2 * (512 + 512 + 784)
    discriminator = (
        (784 * input_width + input_width + 10 * label_width + label_width)
        + (512 * 512 + 512)
        + (512 + 1)
    )

    generator = MLPGenerator(label_width=label_width)
    assert sizes(generator, ONE_LATENT, ONE_LABEL) == (total, trainable)
    assert sizes(MLPDiscriminator(label_width=label_width), ONE_IMAGE, ONE_LABEL) == (
        discriminator,
        discriminator,
    )


def test_parameters_of_the_unconditional_networks():
    trainable = (100 * 512 + 2 * 512) + (512 * 512 + 2 * 512) + (512 * 784 + 2 * 784)
    total = trainable + 2 * (512 + 512 + 784)
    discriminator = (784 * 512 + 512) + (512 * 512 + 512) + (512 + 1)

    assert sizes(MLPGenerator(), ONE_LATENT, None) == (total, trainable)
    assert sizes(MLPDiscriminator(), ONE_IMAGE, None) == (discriminator, discriminator)


def test_parameters_of_the_vanilla_networks():
    generator = MLPGenerator(**VANILLA, norm="none")
    # 100 * 128 + 128 + 128 * 784 + 784, and 784 * 128 + 128 + 128 + 1.
    assert sizes(generator, ONE_LATENT, None) == (114_064, 114_064)
    assert sizes(MLPDiscriminator(**VANILLA), ONE_IMAGE, None) == (100_609, 100_609)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("labels", [LABELS, None], ids=["conditional", "unconditional"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"output_norm": False, "output": "sigmoid"},
        {"norm": "none", "activation": "relu", "hidden_sizes": (16,)},
    ],
    ids=["default", "no output norm", "vanilla"],
)
def test_generator_forward(changes, labels, train):
    module = small_generator(**changes)
    variables = initialized(module, LATENTS, labels)

    images, _ = module.apply(
        variables, LATENTS, labels, train=train, mutable=["batch_stats"]
    )

    expected, seen = numpy_mlp.generator(
        variables,
        LATENTS,
        labels,
        train=train,
        slope=0.0 if module.activation == "relu" else 0.2,
        output=module.output,
    )
    assert images.shape == (5, 4, 3, 1)
    assert bool(seen) == module.mixes_examples
    np.testing.assert_allclose(images.reshape(5, 12), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("labels", [LABELS, None], ids=["conditional", "unconditional"])
@pytest.mark.parametrize("hidden_sizes", [(16,), (16, 12)])
def test_discriminator_forward(hidden_sizes, labels, train):
    module = small_discriminator(hidden_sizes=hidden_sizes, negative_slope=0.3)
    variables = initialized(module, IMAGES, labels)

    logits = module.apply(variables, IMAGES, labels, train=train).logits

    expected = numpy_mlp.discriminator(variables, IMAGES, labels, slope=0.3)
    assert logits.shape == (5,)
    np.testing.assert_allclose(logits, expected, rtol=2e-5, atol=2e-5)


def test_batch_norm_updates_its_statistics_in_train_mode_alone():
    module = small_generator()
    variables = initialized(module, LATENTS, LABELS)

    def statistics_after(train):
        _, updates = module.apply(
            variables, LATENTS, LABELS, train=train, mutable=["batch_stats"]
        )
        return updates["batch_stats"]

    _, seen = numpy_mlp.generator(variables, LATENTS, LABELS, train=True)
    updated = statistics_after(train=True)
    assert set(updated) == {"hidden_0_norm", "hidden_1_norm", "output_norm"}
    for name, batch in seen.items():
        before = variables["batch_stats"][name]
        # PyTorch's momentum of 0.1: the new batch counts a tenth.
        mean = 0.9 * before["mean"] + 0.1 * batch.mean(axis=0)
        variance = 0.9 * before["var"] + 0.1 * batch.var(axis=0)
        np.testing.assert_allclose(updated[name]["mean"], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(updated[name]["var"], variance, rtol=1e-4, atol=1e-5)
    jax.tree.map(
        np.testing.assert_array_equal,
        statistics_after(train=False),
        variables["batch_stats"],
    )


def test_batch_norm_epsilon():
    module = small_generator(hidden_sizes=(16,), output_norm=False)
    variables = initialized(module, LATENTS, None)
    kernel = variables["params"]["hidden_0"]["input"]["kernel"]
    kernel *= 3e-3  # The units' variance is now about that of epsilon.

    images, _ = module.apply(
        variables, LATENTS, None, train=True, mutable=["batch_stats"]
    )

    expected, seen = numpy_mlp.generator(variables, LATENTS, None, train=True)
    assert 1e-6 < np.median(seen["hidden_0_norm"].var(axis=0)) < 1e-4
    np.testing.assert_allclose(images.reshape(5, 12), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "fan_in", "fan_out", "expected"),
    [
        ("kaiming_normal", 784, 512, (2 / 784) ** 0.5),
        ("kaiming_normal", 512, 784, (2 / 512) ** 0.5),
        ("xavier_normal", 784, 128, (2 / (784 + 128)) ** 0.5),
    ],
)
def test_kernel_initialization(name, fan_in, fan_out, expected):
    kernel = KERNEL_INITIALIZERS[name](jax.random.key(0), (fan_in, fan_out))

    # 100,000 draws and more: the standard error of the deviation is below 0.25 %.
    np.testing.assert_allclose(kernel.std(), expected, rtol=0.01)
    assert abs(kernel.mean()) < 0.01 * expected
    # Normal, not truncated at two deviations: 0.27 % lie beyond three.
    beyond = np.mean(np.abs(kernel) > 3 * expected)
    np.testing.assert_allclose(beyond, 0.0027, rtol=0.2)


@pytest.mark.slow
def test_every_kernel_is_initialized_by_its_own_fan_in():
    module = MLPGenerator(hidden_sizes=(1024, 2048), label_width=512)
    params = module.init(jax.random.key(0), ONE_LATENT, ONE_LABEL, train=False)[
        "params"
    ]

    kernels = {
        100: params["hidden_0"]["input"]["kernel"],
        10: params["hidden_0"]["label"]["kernel"],
        1024: params["hidden_1"]["kernel"],
        2048: params["output"]["kernel"],
    }
    for fan_in, kernel in kernels.items():
        assert kernel.shape[0] == fan_in
        np.testing.assert_allclose(kernel.std(), (2 / fan_in) ** 0.5, rtol=0.04)


def test_each_unit_of_the_first_layer_sees_the_input_or_the_label():
    layer = ConditionalDense(
        features=6,
        label_width=2,
        num_classes=3,
        use_bias=True,
        kernel_init="kaiming_normal",
    )
    inputs = jnp.ones((1, 4))
    variables = layer.init(jax.random.key(0), inputs, jnp.array([0]))

    def outputs(inputs, label):
        return np.asarray(layer.apply(variables, inputs, jnp.array([label])))[0]

    base = outputs(inputs, 0)
    np.testing.assert_array_equal(
        outputs(2 * inputs, 0) != base, [True] * 4 + [False] * 2
    )
    np.testing.assert_array_equal(outputs(inputs, 1) != base, [False] * 4 + [True] * 2)


def test_labels_have_no_place_in_unconditional_networks():
    params = small_generator().init(jax.random.key(0), LATENTS, None, train=False)

    assert set(params["params"]["hidden_0"]) == {"input"}
    assert params["params"]["hidden_0"]["input"]["kernel"].shape == (7, 16)


def counting_discriminator(dropout_rate):
    """Its logit is the sum of 1,000 units, each 1 before dropout."""
    module = MLPDiscriminator(hidden_sizes=(1000,), dropout_rate=dropout_rate)
    images = jnp.zeros((20, 2, 2, 1))
    params = module.init(jax.random.key(0), images, None, train=False)["params"]
    params["hidden_0"]["input"]["bias"] = jnp.ones(1000)
    params["logit"]["kernel"] = jnp.ones((1000, 1))
    return lambda key, train: (
        module.apply(
            {"params": params}, images, None, train=train, rngs={"dropout": key}
        ).logits
    )


def test_dropout_in_train_mode():
    logits_of = counting_discriminator(dropout_rate=0.75)

    logits = logits_of(jax.random.key(0), True)

    # Kept units, a quarter, count 1 / (1 - 0.75) = 4; 20,000 draws in all.
    np.testing.assert_array_equal(logits % 4, np.zeros(20))
    np.testing.assert_allclose(logits.mean(), 1000, atol=5 * (3 * 1000 / 20) ** 0.5)
    assert len(np.unique(logits)) > 5  # drawn for every example
    assert not np.array_equal(logits, logits_of(jax.random.key(1), True))


def test_no_dropout_in_eval_mode():
    logits_of = counting_discriminator(dropout_rate=0.75)

    np.testing.assert_array_equal(logits_of(jax.random.key(0), False), np.full(20, 1e3))


def test_generator_drops_in_train_mode_alone():
    module = small_generator(dropout_rate=0.5, norm="none")
    variables = initialized(module, LATENTS, LABELS)

    def images(seed, train):
        rngs = {"dropout": jax.random.key(seed)}
        return module.apply(variables, LATENTS, LABELS, train=train, rngs=rngs)

    assert not np.array_equal(images(0, True), images(1, True))
    np.testing.assert_array_equal(images(0, True), images(0, True))
    np.testing.assert_array_equal(images(0, False), images(1, False))


@pytest.mark.parametrize(
    ("changes", "mixes"),
    [
        ({}, True),
        ({"output_norm": False}, True),
        ({"norm": "none"}, False),
    ],
)
def test_an_image_depends_on_its_batch_as_declared(changes, mixes):
    module = small_generator(**changes)
    variables = initialized(module, LATENTS, LABELS)

    def first_image(latents):
        return module.apply(
            variables, latents, LABELS, train=True, mutable=["batch_stats"]
        )[0][0]

    others_changed = LATENTS.at[1:].multiply(2.0)
    changed = not np.allclose(first_image(LATENTS), first_image(others_changed))
    assert module.mixes_examples is mixes
    assert changed is mixes


def test_virtual_batch_norm_by_hand():
    """Salimans et al. 2016, section 3.5: with a reference batch of 3 and itself."""
    module = small_generator(
        norm="virtual", reference_examples=3, hidden_sizes=(6,), output_norm=False
    )
    variables = initialized(module, LATENTS, None)
    reference = np.random.default_rng(3).normal(size=(3, 7))
    variables["reference"] = {"inputs": jnp.asarray(reference, jnp.float32)}
    params = jax.tree.map(lambda leaf: np.asarray(leaf, float), variables["params"])
    hidden, norm, output = (
        params[name] for name in ("hidden_0", "hidden_0_norm", "output")
    )

    images = module.apply(variables, LATENTS, None, train=True)

    inputs = np.concatenate([reference, np.asarray(LATENTS)])
    features = inputs @ hidden["input"]["kernel"]
    first, others = features[:3], features[3:]
    mean = (3 * first.mean(0) + others) / 4
    variance = (3 * (first**2).mean(0) + others**2) / 4 - mean**2
    normalized = (others - mean) / np.sqrt(variance + 1e-5)
    normalized = normalized * norm["scale"] + norm["bias"]
    activated = np.where(normalized > 0, normalized, 0.2 * normalized)
    expected = np.tanh(activated @ output["kernel"] + output["bias"])
    np.testing.assert_allclose(images.reshape(5, -1), expected, rtol=1e-4, atol=1e-5)
    assert not module.mixes_examples and module.reference_size == 3


def test_modules_can_be_compared_and_hashed():
    # jit's cache needs it.
    assert hash(small_generator()) == hash(small_generator())
    assert small_generator() == small_generator()


def test_the_gradient_penalty_has_gradients():
    """Second derivatives, against central differences in one direction."""
    module = small_discriminator()
    params = initialized(module, IMAGES, LABELS)["params"]
    fractions = jax.random.uniform(jax.random.key(3), (5,))

    @jax.jit
    def penalty(params):
        def logits_of(images):
            return module.apply({"params": params}, images, LABELS, train=True).logits

        return gradient_penalty(logits_of, IMAGES, IMAGES[::-1], fractions)

    assert float(penalty(params)) > 0.01
    jax.test_util.check_grads(
        penalty, (params,), order=1, modes=["rev"], eps=1e-3, atol=1e-2, rtol=1e-2
    )


def test_output_and_activation_may_be_any_functions():
    fields = {
        "image_shape": (4, 4, 1),
        "hidden_sizes": (8,),
        "norm": "none",
        "conditioning": "none",
    }
    linear = MLPGenerator(output="linear", **fields)
    own = MLPGenerator(output="jax.numpy:sin", **fields)
    latents = jax.random.normal(jax.random.key(0), (3, 5))
    variables = linear.init(jax.random.key(1), latents, None, train=False)

    images = own.apply(variables, latents, None, train=False)

    own.check()
    expected = np.sin(linear.apply(variables, latents, None, train=False))
    np.testing.assert_allclose(images, expected, rtol=1e-6)
    assert own.value_range == (-1.0, 1.0)
    halved = MLPGenerator(activation="operator:mul", **fields)  # by the slope
    halved.check()
    assert halved.apply(variables, latents, None, train=False).shape == (3, 4, 4, 1)
