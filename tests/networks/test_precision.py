"""bfloat16 inside the networks; norms, losses and gradients in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import build
from gan_jax.data import SPECS
from gan_jax.networks.convolution import Conv, ConvTranspose
from gan_jax.types import Batch, PlayerState

NAMES = ("mlp_cgan_mnist", "cgan_mnist", "vtgan_cifar", "dcgan_vbn_mnist")


@pytest.mark.slow
@pytest.mark.parametrize("layer", [Conv, ConvTranspose])
def test_convolutions_round_what_they_multiply(layer):
    images = jax.random.normal(jax.random.key(0), (3, 4, 4, 2))
    exact = layer(5, 3, strides=2)
    variables = exact.init(jax.random.key(1), images)
    rounded = layer(5, 3, strides=2, dtype=jnp.bfloat16)

    def to_bfloat16(tree):
        return jax.tree.map(lambda a: a.astype(jnp.bfloat16).astype(a.dtype), tree)

    given = rounded.apply(variables, images)
    expected = exact.apply(to_bfloat16(variables), to_bfloat16(images))

    assert given.dtype == jnp.bfloat16
    # Sums, and their last rounding to 8 bits.
    np.testing.assert_allclose(given.astype(jnp.float32), expected, atol=0.02)
    assert rounded.init(jax.random.key(1), images)["params"]["kernel"].dtype == (
        jnp.float32
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients_are_float32_and_near(name, small_config):
    def loss_and_gradient(compute_dtype):
        config = small_config({"compute_dtype": compute_dtype}, name=name)
        spec = SPECS[config.data.name]
        gan = build.build_gan(config, spec)
        size = gan.discriminator.reference_size
        images = jax.random.randint(
            jax.random.key(2), (6 + size, *spec.image_shape), 0, 256
        ).astype(jnp.uint8)
        real = Batch(images, jnp.arange(6 + size) % 10)
        players = [
            PlayerState(variables.pop("params"), variables, None)
            for variables in jax.jit(gan.init)(jax.random.key(0), real)
        ]
        generator, discriminator = players
        batch = jax.tree.map(lambda array: array[:6], real)
        loss = jax.jit(jax.value_and_grad(gan.discriminator_loss, has_aux=True))
        (value, (state, _)), gradient = loss(
            discriminator.params, discriminator, generator, batch, jax.random.key(1)
        )
        text = str(
            jax.make_jaxpr(gan.discriminator_loss)(
                discriminator.params, discriminator, generator, batch, jax.random.key(1)
            )
        )
        return value, (gradient, state), "bf16" in text

    value, trees, has_bfloat16 = loss_and_gradient("bfloat16")
    expected, _, has_none = loss_and_gradient("float32")

    assert has_bfloat16 and not has_none
    assert value.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(trees)} == {jnp.dtype(jnp.float32)}
    assert value != expected
    np.testing.assert_allclose(value, expected, rtol=0.05)
