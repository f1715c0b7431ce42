import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.networks.convolution import (
    Conv,
    ConvTranspose,
    conv,
    conv_grid,
    conv_transpose,
)
from gan_jax.networks.cpu import fourier
from gan_jax.networks.cpu.choice import FORMULATIONS, counts
from gan_jax.networks.layers import max_pool_2x2

# (our function, our module, Flax's module)
CONV = (conv, Conv, nn.Conv)
CONV_TRANSPOSE = (conv_transpose, ConvTranspose, nn.ConvTranspose)

# (kernel size, strides, (height, width), (channels, features)): every kernel, stride
# and size of the networks, odd ones that a stride of 2 halves upwards among them, and
# kernels smaller than the stride.
CONV_CASES = [
    (1, 2, (4, 7), (2, 3)),
    (2, 1, (4, 7), (2, 3)),
    (2, 2, (7, 8), (2, 3)),
    (3, 1, (4, 8), (2, 3)),
    (3, 1, (28, 14), (3, 2)),
    (3, 1, (7, 32), (2, 3)),
    (3, 2, (16, 8), (2, 3)),
    (3, 2, (7, 28), (2, 3)),
    (3, 2, (14, 4), (2, 3)),
    (5, 1, (28, 16), (2, 1)),
    (5, 1, (2, 8), (2, 3)),
    (5, 1, (4, 14), (2, 3)),
    (5, 2, (7, 14), (3, 2)),
    (5, 2, (28, 32), (1, 3)),
    (5, 2, (2, 4), (2, 3)),
    (7, 1, (32, 2), (1, 3)),
    (7, 2, (7, 16), (2, 3)),
]
CONV_TRANSPOSE_CASES = [
    (1, 2, (4, 7), (2, 3)),
    (2, 1, (4, 7), (2, 3)),
    (2, 2, (4, 7), (2, 3)),
    (3, 1, (7, 8), (2, 3)),
    (3, 2, (7, 8), (3, 2)),
    (3, 2, (14, 16), (2, 1)),
    (5, 1, (7, 8), (2, 3)),
    (5, 1, (28, 2), (2, 1)),
    (5, 2, (2, 4), (2, 3)),
    (5, 2, (7, 8), (3, 2)),
    (5, 2, (14, 16), (2, 1)),
    (7, 1, (4, 32), (1, 3)),
    (7, 2, (2, 7), (2, 3)),
]


def batch_last(images):
    return images.transpose(3, 1, 2, 0)


def flax_layer(module, features, kernel_size, strides, **fields):
    """Flax's layer; fields and defaults as ours."""
    size = (kernel_size, kernel_size)
    fields = {"padding": "SAME"} | fields
    return module(features, size, strides=(strides, strides), **fields)


def flax_function(module, kernel_size, strides, padding="SAME"):
    """Flax's layer as a function like ours, of images [C, H, W, B] and a kernel."""

    def function(images, kernel):
        layer = flax_layer(
            module,
            kernel.shape[-1],
            kernel_size,
            strides,
            use_bias=False,
            padding=padding,
        )
        images = images.transpose(3, 1, 2, 0)
        return batch_last(layer.apply({"params": {"kernel": kernel}}, images))

    return function


def random_images_and_kernel(kernel_size, size, channels):
    random = np.random.default_rng(0)
    images = random.normal(size=(channels[0], *size, 3)).astype(np.float32)
    kernel = random.normal(size=(kernel_size, kernel_size, *channels))
    return jnp.asarray(images), jnp.asarray(kernel, jnp.float32)


def assert_close(actual, expected):
    jax.tree.map(
        lambda actual, expected: np.testing.assert_allclose(
            actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
        ),
        actual,
        expected,
    )


@pytest.mark.parametrize(
    ("kind", "kernel_size", "strides", "size", "channels"),
    [(CONV, *case) for case in CONV_CASES]
    + [(CONV_TRANSPOSE, *case) for case in CONV_TRANSPOSE_CASES],
    ids=lambda value: value[0].__name__ if value in (CONV, CONV_TRANSPOSE) else None,
)
def test_values_and_gradients_equal_flax(kind, kernel_size, strides, size, channels):
    ours, _, flax_module = kind
    images, kernel = random_images_and_kernel(kernel_size, size, channels)

    def outputs_and_gradients(function):
        outputs, pull_back = jax.vjp(function, images, kernel)
        weights = np.random.default_rng(1).normal(size=outputs.shape)
        return outputs, pull_back(jnp.asarray(weights, jnp.float32))

    @jax.jit
    def every_formulation():
        flax = outputs_and_gradients(flax_function(flax_module, kernel_size, strides))
        return flax, {
            formulation: outputs_and_gradients(
                functools.partial(ours, strides=strides, formulation=formulation)
            )
            for formulation in FORMULATIONS
        }

    expected, actual = every_formulation()

    assert actual.keys() == {"patches", "fourier", "xla"}
    for results in actual.values():
        assert_close(results, expected)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize(("kernel_size", "strides"), [(5, 1), (3, 2), (4, 2)])
def test_valid_padding_equals_flax(formulation, kernel_size, strides):
    images, kernel = random_images_and_kernel(kernel_size, (7, 8), (2, 3))
    flax = flax_function(nn.Conv, kernel_size, strides, "VALID")

    def ours(images, kernel):
        return conv(images, kernel, strides, padding="VALID", formulation=formulation)

    def outputs_and_gradients(function):
        outputs, pull_back = jax.vjp(function, images, kernel)
        return outputs, pull_back(
            jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape)
        )

    assert_close(outputs_and_gradients(ours), outputs_and_gradients(flax))


@pytest.mark.parametrize("kind", [CONV, CONV_TRANSPOSE], ids=["conv", "transpose"])
def test_gradient_penalty_is_differentiable(kind):
    ours, _, flax_module = kind
    images, kernel = random_images_and_kernel(3, (5, 4), (2, 3))

    def penalty_gradients(function):
        def score(images, kernel):
            return jnp.sum(jnp.tanh(function(images, kernel)))

        def penalty(images, kernel):
            return jnp.sum(jax.grad(score)(images, kernel) ** 2)

        return jax.grad(penalty, (0, 1))(images, kernel)

    @jax.jit
    def every_formulation():
        return penalty_gradients(flax_function(flax_module, 3, 2)), [
            penalty_gradients(
                functools.partial(ours, strides=2, formulation=formulation)
            )
            for formulation in FORMULATIONS
        ]

    expected, actual = every_formulation()

    for results in actual:
        assert_close(results, expected)


@pytest.mark.slow
@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_types_are_kept(function, formulation):
    images, kernel = (
        operand.astype(jnp.bfloat16)
        for operand in random_images_and_kernel(3, (4, 4), (2, 3))
    )

    outputs, pull_back = jax.vjp(
        lambda *operands: function(*operands, 2, formulation=formulation),
        images,
        kernel,
    )

    assert outputs.dtype == jnp.bfloat16
    assert [gradient.dtype for gradient in pull_back(outputs)] == [jnp.bfloat16] * 2
    expected = function(images.astype(jnp.float32), kernel.astype(jnp.float32), 2)
    np.testing.assert_allclose(
        outputs.astype(jnp.float32), expected, atol=0.05 * np.abs(expected).max()
    )


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", [CONV, CONV_TRANSPOSE], ids=["conv", "transpose"])
def test_layers_equal_flax_layers(kind, use_bias):
    _, module, flax_module = kind
    images, _ = random_images_and_kernel(3, (5, 4), (2, 3))
    images_first = images.transpose(3, 1, 2, 0)
    layer = module(3, 3, 2, use_bias=use_bias)
    flax = flax_layer(flax_module, 3, 3, 2, use_bias=use_bias)

    variables = layer.init(jax.random.key(1), images)
    jax.tree.map(
        np.testing.assert_array_equal,
        variables,
        flax.init(jax.random.key(1), images_first),
    )
    if use_bias:
        variables["params"]["bias"] = jnp.arange(3.0)

    def outputs_and_gradients(apply):
        outputs, pull_back = jax.vjp(apply, variables)
        return outputs, pull_back(outputs)

    @jax.jit
    def both():
        return (
            outputs_and_gradients(lambda variables: layer.apply(variables, images)),
            outputs_and_gradients(
                lambda variables: batch_last(flax.apply(variables, images_first))
            ),
        )

    assert_close(*both())


def test_layers_without_padding():
    images, _ = random_images_and_kernel(3, (5, 4), (2, 3))
    layer = Conv(3, 3, padding="VALID", fourier_allowed=False)
    flax = flax_layer(nn.Conv, 3, 3, 1, padding="VALID")

    variables = layer.init(jax.random.key(1), images)
    expected = flax.apply(variables, images.transpose(3, 1, 2, 0))

    assert_close(layer.apply(variables, images), batch_last(expected))


def test_other_padding_and_too_large_kernels_are_refused():
    images = jnp.zeros((2, 7, 6, 3))

    with pytest.raises(ValueError, match="'SAME' or 'VALID', not 'CIRCULAR'"):
        Conv(4, 3, padding="CIRCULAR").init(jax.random.key(0), images)
    with pytest.raises(ValueError, match=r"\(8, 8\) do not fit.*\(7, 6\)"):
        Conv(4, 8, padding="VALID").init(jax.random.key(0), images)


def test_pooling_comes_before_the_bias():
    images, _ = random_images_and_kernel(3, (7, 6), (2, 3))
    layer = Conv(4, 3, padding="VALID")
    variables = layer.init(jax.random.key(1), images)
    variables["params"]["bias"] = jnp.arange(4.0)

    # Adding a number keeps the order, rounded too, so that not one bit may differ.
    np.testing.assert_array_equal(
        layer.clone(pool=True).apply(variables, images),
        max_pool_2x2(layer.apply(variables, images)),
    )


@pytest.mark.parametrize("module", [Conv, ConvTranspose])
def test_kernel_initializer_is_a_field(module):
    layer = module(4, 3, kernel_init=nn.initializers.constant(0.5))

    variables = layer.init(jax.random.key(0), jnp.zeros((2, 4, 4, 3)))

    np.testing.assert_array_equal(
        variables["params"]["kernel"], np.full((3, 3, 2, 4), 0.5)
    )


@pytest.mark.parametrize(("backend", "uses_xla"), [("cpu", False), ("gpu", True)])
@pytest.mark.parametrize("module", [Conv, ConvTranspose])
def test_backend_chooses_the_formulation(module, backend, uses_xla, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    images = jnp.zeros((2, 4, 4, 3))
    layer = module(3, 3, 2)
    variables = {"params": {"kernel": jnp.zeros((3, 3, 2, 3)), "bias": jnp.zeros(3)}}

    def loss(variables, images):
        return layer.apply(variables, images).sum()

    program = jax.make_jaxpr(jax.grad(loss, (0, 1)))(variables, images)

    assert ("conv_general_dilated" in str(program)) == uses_xla


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "period"),
    # Patches reach over both ends, and meet the same zeros there: 2 after 7 pixels.
    [
        (7, 5, 1, 9),
        (14, 5, 2, 8),
        (7, 5, 2, 5),
        (4, 3, 1, 5),
        (5, 2, 1, 6),
        (8, 1, 2, 4),
    ],
)
def test_number_of_fourier_products(size, kernel_size, strides, period):
    grid = conv_grid((size, size), (kernel_size, kernel_size), strides)

    # Frequencies that are their own negatives: 0 and, if there is one, the middle.
    alone = (1 if period % 2 else 2) ** 2
    products = alone + 3 * (period**2 - alone) // 2
    assert fourier.rank(grid) == products
    assert {len(fourier._transforms(grid)[i]) for i in (0, 1)} == {products}


def test_multiplications_are_counted():
    grid = conv_grid((7, 7), (5, 5), 1)

    products, patches = counts(grid, channels=3, features=2, batch=4)["patches"]
    assert (products, patches) == (49 * 25 * 3 * 4 * 2, 49 * 25 * 3 * 4)
    products, spectra = counts(grid, channels=3, features=2, batch=4)["fourier"]
    # Transforms of the images, the kernel and the outputs, and 121 matrix products.
    assert products == 121 * (49 * 3 * 4 + 25 * 3 * 2 + 49 * 2 * 4 + 3 * 2 * 4)
    assert spectra == 121 * (3 * 4 + 2 * 4 + 3 * 2)


def test_cpus_transform_large_kernels_of_many_channels_only(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    chosen = []
    monkeypatch.setattr(fourier, "convolve", lambda *operands: chosen.append("fourier"))
    monkeypatch.setattr(
        fourier, "convolve_transposed", lambda *operands: chosen.append("fourier")
    )

    def choose(function, images, kernel, strides):
        chosen.clear()
        jax.eval_shape(
            lambda *operands: function(*operands, strides),
            jax.ShapeDtypeStruct(images, jnp.float32),
            jax.ShapeDtypeStruct(kernel, jnp.float32),
        )
        return chosen

    # Report A's transposed convolutions: of 256 channels, and the last, of one.
    assert choose(conv_transpose, (256, 7, 7, 128), (5, 5, 256, 128), 1)
    assert not choose(conv_transpose, (64, 14, 14, 128), (5, 5, 64, 1), 2)
    # Its discriminator's, of the images and of 128 channels.
    assert not choose(conv, (1, 28, 28, 256), (5, 5, 1, 64), 2)
    assert choose(conv, (128, 7, 7, 256), (5, 5, 128, 256), 2)


@pytest.mark.parametrize("function", [conv, conv_transpose])
def test_refuses_an_unknown_formulation(function):
    images, kernel = random_images_and_kernel(3, (4, 4), (2, 3))
    with pytest.raises(ValueError, match="'patches', 'fourier', 'xla'.*not 'fft'"):
        function(images, kernel, 1, formulation="fft")
