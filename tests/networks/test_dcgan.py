"""The convolutional networks against plain ones of XLA's convolutions, NHWC."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.upsampling import UpsamplingGenerator
from gan_jax.objective.terms import gradient_penalty

CLASSES = 3
LABELS = jnp.array([2, 0, 2, 0, 2])  # class 1 is absent
LATENTS = jax.random.normal(jax.random.key(1), (5, 6))
IMAGES = jax.random.uniform(jax.random.key(2), (5, 8, 4, 2), minval=-1.0)
FRACTIONS = jax.random.uniform(jax.random.key(0), (5,))
SLOPE = 0.3
SMALL = {"num_classes": CLASSES, "negative_slope": SLOPE, "norm_epsilon": 1e-3}


def generator(**changes):
    settings = {
        "image_shape": (8, 4, 2),
        "dense_sizes": (),
        "projection_filters": 4,
        "filters": (5, 3),
        "strides": (1, 2, 2),
        "kernel_size": 3,
    }
    return DCGANGenerator(**(SMALL | settings | changes))


def discriminator(**changes):
    settings = {
        "filters": (3, 4),
        "kernel_sizes": (3, 2),
        "strides": (2, 1),
        "norm_layers": (True, True),
        "pool_layers": (False, False),
        "dense_sizes": (),
        "dropout_rate": 0.0,
    }
    return DCGANDiscriminator(**(SMALL | settings | changes))


def randomized(module, inputs, labels):
    """Its variables, none of them at its special first value."""
    shapes = jax.eval_shape(lambda: module.init(KEY, inputs, labels, train=False))
    random = np.random.default_rng(9)

    def draw(leaf):
        if leaf.dtype != jnp.float32:  # labels of a reference batch
            return jnp.asarray(random.integers(CLASSES, size=leaf.shape), leaf.dtype)
        if leaf.ndim == 1:  # positive, as variances must be
            return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        return jnp.asarray(0.4 * random.standard_normal(leaf.shape), leaf.dtype)

    return jax.tree.map(draw, shapes)


KEY = jax.random.key(0)


def apply(module, variables, inputs, labels, *, train):
    return jax.jit(
        lambda variables: module.apply(
            variables, inputs, labels, train=train, mutable=["batch_stats"]
        )
    )(variables)[0]


class Plain:
    """Layers by name, as the reports write them: NHWC, one after the other."""

    def __init__(self, variables, *, train):
        self.params = variables["params"]
        self.statistics = variables.get("batch_stats", {})
        self.train = train

    def bias(self, name, outputs):
        if "bias" in self.params[name]:
            return outputs + self.params[name]["bias"].reshape(
                (1,) * (outputs.ndim - 1) + (-1,)
            )
        return outputs

    def dense(self, name, inputs):
        return self.bias(name, inputs @ self.params[name]["kernel"])

    def conv(self, name, inputs, strides=1, kernel=None, function=None):
        kernel = self.params[name]["kernel"] if kernel is None else kernel
        outputs = (function or lax.conv_general_dilated)(
            inputs,
            kernel,
            (strides, strides),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return self.bias(name, outputs)

    def conv_transpose(self, name, inputs, strides=1, kernel=None):
        return self.conv(name, inputs, strides, kernel, lax.conv_transpose)

    def batch_norm(self, name, inputs):
        name = f"{name}_norm"
        axes = tuple(range(inputs.ndim - 1))
        if self.train:
            mean, variance = inputs.mean(axes), inputs.var(axes)
        else:
            mean, variance = (self.statistics[name][key] for key in ("mean", "var"))
        scale, bias = self.params[name]["scale"], self.params[name]["bias"]
        mean, variance, scale, bias = (
            value.reshape((1,) * len(axes) + (-1,))
            for value in (mean, variance, scale, bias)
        )
        return (inputs - mean) / jnp.sqrt(variance + 1e-3) * scale + bias


def leaky_relu(inputs):
    return jnp.where(inputs > 0, inputs, SLOPE * inputs)


def max_pool(inputs):
    return lax.reduce_window(
        inputs, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
    )


def assert_close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("train", [True, False])
def test_generator_of_reports_a_and_b(train):
    module = generator(dense_sizes=(7,))
    variables = randomized(module, LATENTS, None)

    images = apply(module, variables, LATENTS, None, train=train)

    plain = Plain(variables, train=train)
    outputs = leaky_relu(plain.batch_norm("dense_0", plain.dense("dense_0", LATENTS)))
    outputs = plain.batch_norm("projection", plain.dense("projection", outputs))
    outputs = leaky_relu(outputs).reshape(5, 2, 1, 4)
    for layer, strides in enumerate((1, 2)):
        name = f"conv_{layer}"
        outputs = plain.conv_transpose(name, outputs, strides)
        outputs = leaky_relu(plain.batch_norm(name, outputs))
    assert_close(images, jnp.tanh(plain.conv_transpose("conv_2", outputs, 2)))
    # Biases where no norm follows, and there alone.
    biased = {name for name, layer in variables["params"].items() if "bias" in layer}
    assert {name for name in biased if "norm" not in name} == {"conv_2"}


def test_generator_of_report_c():
    module = generator(
        norm_after_activation=True, projection_norm=False, conditioning="embedding"
    )
    variables = randomized(module, LATENTS, LABELS)

    images = apply(module, variables, LATENTS, LABELS, train=True)

    plain = Plain(variables, train=True)
    embedded = variables["params"]["class_embedding"]["embedding"][LABELS]
    outputs = leaky_relu(plain.dense("projection", LATENTS * embedded))
    outputs = outputs.reshape(5, 2, 1, 4)
    for layer, strides in enumerate((1, 2)):
        name = f"conv_{layer}"
        outputs = leaky_relu(plain.conv_transpose(name, outputs, strides))
        outputs = plain.batch_norm(name, outputs)
    assert_close(images, jnp.tanh(plain.conv_transpose("conv_2", outputs, 2)))


def test_generator_of_report_e():
    module = generator(
        projection_norm=False,
        projection_activation=False,
        strides=(2, 2, 1),
        dropout_rate=0.5,
    )
    variables = randomized(module, LATENTS, None)

    images = apply(module, variables, LATENTS, None, train=False)

    plain = Plain(variables, train=False)
    outputs = plain.dense("projection", LATENTS).reshape(5, 2, 1, 4)
    for layer in range(2):
        name = f"conv_{layer}"
        outputs = plain.conv_transpose(name, outputs, 2)
        outputs = leaky_relu(plain.batch_norm(name, outputs))
    assert_close(images, jnp.tanh(plain.conv_transpose("conv_2", outputs)))


def test_one_hot_labels_are_joined_to_latents():
    module = generator(conditioning="one_hot")
    variables = randomized(module, LATENTS, LABELS)

    images = apply(module, variables, LATENTS, LABELS, train=True)

    joined = jnp.concatenate([LATENTS, jax.nn.one_hot(LABELS, CLASSES)], axis=1)
    unconditional = generator(conditioning="none")
    assert_close(images, apply(unconditional, variables, joined, None, train=True))


def test_embeddings_are_joined_to_latents():
    module = generator(conditioning="joined_embedding", embedding_size=4)
    variables = randomized(module, LATENTS, LABELS)

    images = apply(module, variables, LATENTS, LABELS, train=True)

    params = dict(variables["params"])
    table = params.pop("class_embedding")["embedding"]
    assert table.shape == (CLASSES, 4)
    joined = jnp.concatenate([LATENTS, table[LABELS]], axis=1)
    unconditional = generator(conditioning="none")
    plain = variables | {"params": params}
    assert_close(images, apply(unconditional, plain, joined, None, train=True))


def test_the_last_kernel_may_have_a_size_of_its_own():
    module = generator(output_kernel_size=2)
    shapes = jax.eval_shape(lambda: module.init(KEY, LATENTS, LABELS, train=True))
    params = shapes["params"]

    sizes = [params[f"conv_{layer}"]["kernel"].shape[:2] for layer in range(3)]
    assert sizes == [(3, 3), (3, 3), (2, 2)]


def test_conditional_batch_norm():
    """Each example as from a generator whose norms have its class's scale and bias."""
    module = generator(conditioning="one_hot", norm="conditional_batch")
    module.check()
    variables = randomized(module, LATENTS, LABELS)

    images = apply(module, variables, LATENTS, LABELS, train=False)

    plain = generator(conditioning="one_hot")
    tables = {
        name.removesuffix("_classes"): table
        for name, table in variables["params"].items()
        if name.endswith("_classes")
    }
    assert set(tables) == {"projection_norm", "conv_0_norm", "conv_1_norm"}
    for label in np.unique(LABELS):
        of_class = {
            name: {field: values[label] for field, values in table.items()}
            for name, table in tables.items()
        }
        same_class = variables | {"params": variables["params"] | of_class}
        expected = apply(plain, same_class, LATENTS, LABELS, train=False)
        rows = np.flatnonzero(label == LABELS)
        assert_close(images[rows], expected[rows])


def test_conditional_batch_norm_needs_labels():
    for module in (
        generator(conditioning="none", norm="conditional_batch"),
        discriminator(conditioning="auxiliary", norm="conditional_batch"),
    ):
        with pytest.raises(ValueError, match="norm is 'conditional_batch', which need"):
            module.check()


def test_projection_adds_a_product_with_the_classs_vector():
    module = discriminator(conditioning="projection", dense_sizes=(6,))
    variables = randomized(module, IMAGES, LABELS)

    verdict = apply(module, variables, IMAGES, LABELS, train=True)

    params = dict(variables["params"])
    table = params.pop("class_embedding")["kernel"]
    plain = variables | {"params": params}
    module = discriminator(conditioning="none", dense_sizes=(6,))
    # Logits that are the last features, one after the other.
    features = []
    for feature in range(6):
        kernel = jnp.zeros((6, 1)).at[feature].set(1.0)
        logit = {"logit": {"kernel": kernel, "bias": jnp.zeros(1)}}
        chosen = plain | {"params": params | logit}
        features.append(apply(module, chosen, IMAGES, None, train=True).logits)
    products = (jnp.stack(features, axis=1) * table[LABELS]).sum(axis=1)
    logits = apply(module, plain, IMAGES, None, train=True).logits
    assert_close(verdict.logits, logits + products)


def branch_generator(plain, variables, train):
    """Report A's, with its maps joined and every example on its own."""
    branches = []
    one_hot = jax.nn.one_hot(LABELS, CLASSES)
    for kind, inputs in (("latent", LATENTS), ("label", one_hot)):
        name = f"{kind}_projection"
        outputs = plain.batch_norm(name, plain.dense(name, inputs))
        outputs = leaky_relu(outputs).reshape(5, 2, 1, 4)
        branches.append(plain.conv_transpose(f"{kind}_branch", outputs))
    joined = jnp.concatenate(branches, axis=-1)
    params = variables["params"]
    kernel = jnp.concatenate(
        [params["conv_0"]["kernel"], params["conv_0_label"]["kernel"]], axis=2
    )
    outputs = plain.conv_transpose("conv_0", joined, kernel=kernel)
    outputs = leaky_relu(plain.batch_norm("conv_0", outputs))
    outputs = plain.conv_transpose("conv_1", outputs, 2)
    outputs = leaky_relu(plain.batch_norm("conv_1", outputs))
    return jnp.tanh(plain.conv_transpose("conv_2", outputs, 2))


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_branches_of_the_generator(train):
    module = generator(conditioning="branches")
    variables = randomized(module, LATENTS, LABELS)
    weights = jax.random.normal(KEY, (5, 8, 4, 2))

    def gradients(function):
        def loss(params):
            images = function(variables | {"params": params})
            return jnp.sum(images * weights), images

        return jax.jit(jax.grad(loss, has_aux=True))(variables["params"])

    given, images = gradients(
        lambda variables: module.apply(
            variables, LATENTS, LABELS, train=train, mutable=["batch_stats"]
        )[0]
    )
    expected, expected_images = gradients(
        lambda variables: branch_generator(
            Plain(variables, train=train), variables, train
        )
    )

    # Computed once per class there, for every example here.
    assert_close(images, expected_images)
    jax.tree.map(
        lambda *pair: np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-4),
        given,
        expected,
    )


def test_branches_of_the_discriminator():
    module = discriminator(conditioning="branches", branch_filters=3)
    variables = randomized(module, IMAGES, LABELS)

    verdict = apply(module, variables, IMAGES, LABELS, train=True)

    plain = Plain(variables, train=True)
    one_hot = jax.nn.one_hot(LABELS, CLASSES)
    maps = plain.dense("label_maps", one_hot).reshape(5, 8, 4, 3)
    joined = jnp.concatenate(
        [plain.conv("image_branch", IMAGES), plain.conv("label_branch", maps)], axis=-1
    )
    params = variables["params"]
    kernel = jnp.concatenate(
        [params["conv_0"]["kernel"], params["conv_0_label"]["kernel"]], axis=2
    )
    outputs = plain.conv("conv_0", joined, 2, kernel=kernel)
    outputs = leaky_relu(plain.batch_norm("conv_0", outputs))
    outputs = leaky_relu(plain.batch_norm("conv_1", plain.conv("conv_1", outputs)))
    logits = plain.dense("logit", outputs.reshape(5, -1))[:, 0]
    assert verdict.class_logits is None
    assert_close(verdict.logits, logits)


def test_one_hot_labels_are_channels_of_the_discriminator():
    module = discriminator(conditioning="one_hot", norm="none")
    variables = randomized(module, IMAGES, LABELS)

    verdict = apply(module, variables, IMAGES, LABELS, train=True)

    plain = Plain(variables, train=True)
    maps = jnp.zeros((5, 8, 4, CLASSES)) + jax.nn.one_hot(LABELS, CLASSES).reshape(
        5, 1, 1, CLASSES
    )
    params = variables["params"]
    kernel = jnp.concatenate(
        [params["conv_0"]["kernel"], params["conv_0_label"]["kernel"]], axis=2
    )
    joined = jnp.concatenate([IMAGES, maps], axis=-1)
    outputs = leaky_relu(plain.conv("conv_0", joined, 2, kernel=kernel))
    outputs = leaky_relu(plain.conv("conv_1", outputs))
    assert_close(verdict.logits, plain.dense("logit", outputs.reshape(5, -1))[:, 0])


def test_discriminator_of_report_a():
    module = discriminator(dense_sizes=(4,), dense_norm=True)
    variables = randomized(module, IMAGES, None)

    verdict = apply(module, variables, IMAGES, None, train=True)

    plain = Plain(variables, train=True)
    outputs = plain.conv("conv_0", IMAGES, 2)
    outputs = leaky_relu(plain.batch_norm("conv_0", outputs))
    outputs = leaky_relu(plain.batch_norm("conv_1", plain.conv("conv_1", outputs)))
    outputs = plain.dense("dense_0", outputs.reshape(5, -1))
    outputs = leaky_relu(plain.batch_norm("dense_0", outputs))
    assert_close(verdict.logits, plain.dense("logit", outputs)[:, 0])


def test_discriminator_of_report_b():
    module = discriminator(
        strides=(1, 1),
        norm_after_activation=True,
        norm_layers=(True, False),
        pool_layers=(True, True),
        dense_sizes=(6, 5),
        dense_norm=False,
    )
    variables = randomized(module, IMAGES, None)

    verdict = apply(module, variables, IMAGES, None, train=True)

    plain = Plain(variables, train=True)
    outputs = max_pool(leaky_relu(plain.conv("conv_0", IMAGES)))
    outputs = plain.batch_norm("conv_0", outputs)
    outputs = max_pool(leaky_relu(plain.conv("conv_1", outputs)))
    outputs = leaky_relu(plain.dense("dense_0", outputs.reshape(5, -1)))
    outputs = leaky_relu(plain.dense("dense_1", outputs))
    assert_close(verdict.logits, plain.dense("logit", outputs)[:, 0])


@pytest.mark.parametrize("kernels", [0, 3])
def test_discriminator_of_report_c(kernels):
    module = discriminator(
        norm_after_activation=True,
        norm_layers=(False, True),
        conditioning="auxiliary",
        minibatch_kernels=kernels,
        minibatch_kernel_dim=2,
    )
    variables = randomized(module, IMAGES, None)

    verdict = apply(module, variables, IMAGES, None, train=True)

    plain = Plain(variables, train=True)
    outputs = leaky_relu(plain.conv("conv_0", IMAGES, 2))
    outputs = leaky_relu(plain.conv("conv_1", outputs))
    features = plain.batch_norm("conv_1", outputs).reshape(5, -1)
    if kernels:
        tensor = variables["params"]["minibatch_discrimination"]["kernel"]
        projections = np.einsum("ba,akd->bkd", features, tensor)
        distances = np.abs(projections[:, None] - projections[None]).sum(axis=-1)
        closeness = np.exp(-distances).sum(axis=1)
        features = jnp.concatenate([features, closeness], axis=-1)
    assert_close(verdict.logits, plain.dense("logit", features)[:, 0])
    assert_close(verdict.class_logits, plain.dense("classes", features))


def test_upsampling_generator():
    module = UpsamplingGenerator(
        **SMALL,
        image_shape=(8, 4, 2),
        num_filters=3,
        norm="none",
        dropout_rate=0.5,
        conditioning="one_hot",
    )
    variables = randomized(module, LATENTS, LABELS)

    images = apply(module, variables, LATENTS, LABELS, train=False)

    plain = Plain(variables, train=False)
    joined = jnp.concatenate([LATENTS, jax.nn.one_hot(LABELS, CLASSES)], axis=1)
    outputs = plain.dense("projection", joined).reshape(5, 2, 1, 3)
    for layer in range(4):
        outputs = leaky_relu(plain.conv(f"conv_{layer}", outputs))
        if layer in (1, 3):
            outputs = jnp.kron(outputs, jnp.ones((1, 2, 2, 1)))
    outputs = plain.dense("output", outputs.reshape(5, -1))
    assert_close(images, jnp.tanh(outputs).reshape(5, 8, 4, 2))


def dropped(module, inputs):
    """The fraction of zeros in what each layer is given, in train mode."""
    variables = randomized(module, inputs, None)
    zeros = {}

    def watch(next_function, arguments, keywords, context):
        if context.method_name == "__call__" and arguments:
            zeros[context.module.name] = np.mean(arguments[0] == 0)
        return next_function(*arguments, **keywords)

    with nn.intercept_methods(watch):
        module.apply(variables, inputs, None, train=True, rngs={"dropout": KEY})
    return zeros


@pytest.mark.slow
def test_generator_drops_before_its_last_layer_alone():
    zeros = dropped(generator(dropout_rate=0.5, norm="none"), LATENTS)

    assert zeros["conv_0"] == zeros["conv_1"] == 0
    assert 0.3 < zeros["conv_2"] < 0.7


@pytest.mark.slow
def test_discriminator_drops_after_every_convolution():
    zeros = dropped(discriminator(dropout_rate=0.5, norm="none"), IMAGES)

    assert zeros["conv_0"] == 0
    assert 0.3 < zeros["conv_1"] < 0.7 and 0.3 < zeros["logit"] < 0.7


@pytest.mark.slow
def test_discriminator_pools_what_it_dropped():
    """As report B orders them. A 2x2 maximum of positive values is 0 once in 16."""
    module = discriminator(
        dropout_rate=0.5,
        norm="none",
        negative_slope=-1.0,  # |x|: nothing else is 0
        pool_layers=(True, False),
    )

    assert dropped(module, IMAGES)["conv_1"] < 0.2


@pytest.mark.slow
def test_upsampling_generator_drops_after_every_convolution():
    module = UpsamplingGenerator(
        **SMALL, image_shape=(8, 4, 2), num_filters=8, norm="none", dropout_rate=0.5
    )

    zeros = dropped(module, LATENTS)

    assert zeros["conv_0"] == 0
    for layer in ("conv_1", "conv_2", "conv_3", "output"):
        assert 0.3 < zeros[layer] < 0.7


def test_moving_statistics_have_the_momentum_asked_for():
    module = discriminator(norm_momentum=0.75)
    variables = randomized(module, IMAGES, None)

    _, state = module.apply(
        variables, IMAGES, None, train=True, mutable=["batch_stats"]
    )

    maps = Plain(variables, train=True).conv("conv_0", IMAGES, 2)
    for name, value in (("mean", maps.mean((0, 1, 2))), ("var", maps.var((0, 1, 2)))):
        before = variables["batch_stats"]["conv_0_norm"][name]
        after = state["batch_stats"]["conv_0_norm"][name]
        assert_close(after, 0.75 * before + 0.25 * value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pool_layers": (True, False)},
        {"conditioning": "one_hot"},
        {"conditioning": "branches", "branch_filters": 2},
        {"conditioning": "auxiliary"},
        # Without a kink: a jump in the gradient would fool the differences.
        {"norm": "virtual", "reference_examples": 3, "negative_slope": 1.0},
        {"dense_sizes": (4,)},
    ],
    ids=str,
)
def test_gradient_penalties_have_gradients(changes):
    """Second derivatives, against central differences in one direction."""
    module = discriminator(**({"norm": "none"} | changes))
    conditioning = module.conditioning
    labels = LABELS if conditioning in ("one_hot", "branches") else None
    variables = randomized(module, IMAGES, labels)
    params = variables.pop("params")
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    direction = jax.random.normal(jax.random.key(5), flat.shape)
    direction = direction / jnp.linalg.norm(direction)

    @jax.jit
    def penalty(distance):
        moved = unravel(flat + distance * direction)

        def logits_of(images):
            inputs = {"params": moved, **variables}
            return module.apply(inputs, images, labels, train=True).logits

        return gradient_penalty(logits_of, IMAGES, IMAGES[::-1], FRACTIONS)

    derivative = jax.jit(jax.grad(penalty))(0.0)

    step = 1e-2
    expected = (penalty(step) - penalty(-step)) / (2 * step)
    np.testing.assert_allclose(derivative, expected, rtol=0.05, atol=1e-2)


def test_filters_are_multiplied_everywhere():
    module = generator(filter_multiplier=2, dense_sizes=(7,))
    shapes = jax.tree.map(jnp.shape, randomized(module, LATENTS, None)["params"])

    assert shapes["dense_0"]["kernel"] == (6, 7)  # units are no filters
    assert shapes["projection"]["kernel"] == (7, 2 * 8)
    assert shapes["conv_0"]["kernel"] == (3, 3, 8, 10)
    assert shapes["conv_1"]["kernel"] == (3, 3, 10, 6)
    assert shapes["conv_2"]["kernel"] == (3, 3, 6, 2)
    module = discriminator(filter_multiplier=2)
    shapes = jax.tree.map(jnp.shape, randomized(module, IMAGES, None)["params"])
    assert shapes["conv_0"]["kernel"] == (3, 3, 2, 6)
    assert shapes["conv_1"]["kernel"] == (2, 2, 6, 8)


def test_filters_of_branches_are_multiplied():
    """Report A's CGAN with doubled filters: those of both branches double too."""

    def kernels(module, inputs):
        params = randomized(module, inputs, LABELS)["params"]
        return {
            name: layer["kernel"].shape
            for name, layer in params.items()
            if "kernel" in layer
        }

    for module, inputs in (
        (generator(conditioning="branches"), LATENTS),
        (discriminator(conditioning="branches", branch_filters=2), IMAGES),
    ):
        once, twice = (
            kernels(module.clone(filter_multiplier=multiplier), inputs)
            for multiplier in (1, 2)
        )
        outer = ("conv_2", "logit")  # to one image or logit, whatever the filters
        for name, shape in once.items():
            assert twice[name][-1] == shape[-1] * (1 if name in outer else 2), name


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (generator(), LATENTS),
        (generator(norm="none"), LATENTS),
        (generator(norm="virtual", reference_examples=3), LATENTS),
        (
            UpsamplingGenerator(
                **SMALL,
                image_shape=(8, 4, 2),
                num_filters=2,
                norm="batch",
                dropout_rate=0.0,
            ),
            LATENTS,
        ),
        (discriminator(), IMAGES),
        (discriminator(norm="none"), IMAGES),
        (discriminator(norm_layers=(False, False)), IMAGES),
        (
            discriminator(
                norm_layers=(False, False), dense_sizes=(3,), dense_norm=True
            ),
            IMAGES,
        ),
        (discriminator(norm="none", minibatch_kernels=2), IMAGES),
        (discriminator(norm="virtual", reference_examples=3), IMAGES),
    ],
)
def test_outputs_depend_on_the_batch_as_declared(module, inputs):
    variables = randomized(module, inputs, None)

    def first(inputs):
        outputs = apply(module, variables, inputs, None, train=True)
        return jax.tree.leaves(outputs)[0][0]

    others_changed = inputs.at[1:].multiply(2.0)
    changed = not np.allclose(first(inputs), first(others_changed), atol=1e-6)
    assert changed is module.mixes_examples


@pytest.mark.parametrize("train", [True, False])
def test_virtual_batch_norm_uses_the_reference(train):
    """The first layer's outputs, normalised by hand."""
    module = discriminator(
        norm="virtual",
        reference_examples=4,
        filters=(3,),
        kernel_sizes=(3,),
        strides=(2,),
        norm_layers=(True,),
        pool_layers=(False,),
    )
    variables = randomized(module, IMAGES, None)
    assert variables["reference"]["inputs"].shape == (4, 8, 4, 2)

    verdict = apply(module, variables, IMAGES, None, train=train)

    plain = Plain(variables, train=True)
    reference = plain.conv("conv_0", variables["reference"]["inputs"], 2)
    norm = variables["params"]["conv_0_norm"]
    for example, image in enumerate(IMAGES):
        maps = np.asarray(plain.conv("conv_0", image[None], 2))
        every = np.concatenate([reference, maps]).reshape(5, -1, 3).astype(np.float64)
        mean, square = every.mean((0, 1)), (every**2).mean((0, 1))
        normal = (maps - mean) / np.sqrt(square - mean**2 + 1e-3)
        outputs = normal * np.asarray(norm["scale"]) + np.asarray(norm["bias"])
        outputs = leaky_relu(outputs.astype(np.float32))
        logit = plain.dense("logit", outputs.reshape(1, -1))[0, 0]
        np.testing.assert_allclose(verdict.logits[example], logit, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_dropout_leaves_the_reference_alone():
    """Without it the statistics would change from call to call."""
    fields = {"norm": "virtual", "reference_examples": 4, "dropout_rate": 0.5}
    module = discriminator(**fields)
    variables = randomized(module, IMAGES, None)

    def last_reference_norm(seed):
        _, state = module.apply(
            variables,
            IMAGES,
            None,
            train=True,
            rngs={"dropout": jax.random.key(seed)},
            capture_intermediates=True,
            mutable=["intermediates", "reference"],
        )
        maps = state["intermediates"]["conv_1_norm"]["__call__"][0]
        return maps[..., :4], maps[..., 4:]

    (reference, others), (again, changed) = map(last_reference_norm, (0, 1))
    np.testing.assert_array_equal(reference, again)
    assert not np.array_equal(others, changed)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (generator(strides=(2, 2)), "strides has 2 numbers.*2 filters"),
        (generator(strides=(2, 2, 2)), "enlarge 8 times.*8 x 4"),
        (generator(conditioning="branches", norm="virtual"), "no virtual batch norm"),
        (generator(norm="layer"), "norm is 'layer'; known"),
        (generator(filter_multiplier=0), "filter_multiplier is 0"),
        (generator(strides=(0, 2, 2)), r"strides is \(0, 2, 2\); it must be >= 1"),
        (generator(filters=(5, -3)), r"filters is \(5, -3\)"),
        (generator(kernel_size=0), "kernel_size is 0"),
        (generator(norm_momentum=1.5), r"norm_momentum is 1.5.*\[0, 1\)"),
        (generator(norm_epsilon=0.0), "norm_epsilon is 0.0.*> 0"),
        (discriminator(kernel_sizes=(3, 0)), r"kernel_sizes is \(3, 0\)"),
        (discriminator(minibatch_kernels=-1), "minibatch_kernels is -1.*>= 0"),
        (discriminator(dense_sizes=(0,)), r"dense_sizes is \(0,\)"),
        (
            discriminator(image_shape=(8, 4, 2), pool_layers=(True, True)),
            r"leave nothing of images of \(8, 4\) after layer 1",
        ),
        (UpsamplingGenerator(num_blocks=-1), "num_blocks is -1.*>= 0"),
        (discriminator(strides=(2,)), "strides has 1 values.*2 filters"),
        (discriminator(pool_layers=(True,) * 3), "pool_layers has 3 values"),
        (UpsamplingGenerator(image_shape=(6, 8, 1)), "num_blocks is 2; 4 does not"),
    ],
)
def test_impossible_settings(module, message):
    with pytest.raises(ValueError, match=message):
        module.check()
