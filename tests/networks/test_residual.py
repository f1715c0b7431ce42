"""Residual networks against plain ones in NumPy's float64, [B, H, W, C]."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.resampling import downsample, upsample
from gan_jax.networks.residual import ResidualDiscriminator, ResidualGenerator

SETTINGS = {
    "num_classes": 3,
    "image_shape": (8, 4, 2),
    "num_blocks": 2,
    "expansion": 2,
    "negative_slope": 0.3,
    "embedding_size": 5,
}
KEY = jax.random.key(0)
LABELS = jnp.array([2, 0, 2, 1])
LATENTS = jax.random.normal(jax.random.key(1), (4, 6))
IMAGES = jax.random.normal(jax.random.key(2), (4, 8, 4, 2))


def randomized(module, inputs, labels):
    """Its variables, none of them at its special first value."""
    shapes = jax.eval_shape(lambda: module.init(KEY, inputs, labels, train=True))
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(0.5 * random.standard_normal(leaf.shape), jnp.float32),
        shapes,
    )


def resampling_matrix(size):
    """The filter (1, 3, 3, 1) / 4 on positions 2 i - 1 to 2 i + 2, [2 size, size]."""
    matrix = np.zeros((2 * size + 2, size))
    for position in range(size):
        matrix[2 * position : 2 * position + 4, position] = np.array([1, 3, 3, 1]) / 4
    return matrix[1:-1]


def along(matrices, maps):
    """Each matrix applied along an axis of [B, H, W, C]."""
    return np.einsum("ih,jw,bhwc->bijc", *matrices, maps)


def plain_upsample(maps):
    return along([resampling_matrix(size) for size in maps.shape[1:3]], maps)


def plain_downsample(maps):
    return along([resampling_matrix(size // 2).T / 2 for size in maps.shape[1:3]], maps)


class Plain:
    def __init__(self, params):
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)

    def conv(self, name, maps):
        kernel = self.params[name]["kernel"]
        reach = len(kernel) // 2
        padded = np.pad(maps, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        height, width = maps.shape[1:3]
        outputs = sum(
            padded[:, row : row + height, column : column + width] @ kernel[row, column]
            for row in range(len(kernel))
            for column in range(len(kernel))
        )
        return outputs + self.params[name].get("bias", 0)

    def blocks(self, stage, maps):
        for block in range(2):
            name = f"stage_{stage}_block_{block}_conv"
            inside = maps
            for layer in (0, 1):
                inside = self.conv(f"{name}_{layer}", inside)
                inside = np.where(inside > 0, inside, 0.3 * inside)
            maps = maps + self.conv(f"{name}_2", inside)
        return maps

    def embedding(self, labels):
        return self.params["class_embedding"]["kernel"][np.asarray(labels)]


@pytest.mark.parametrize("conditional", [True, False])
def test_generator(conditional):
    labels = LABELS if conditional else None
    module = ResidualGenerator(**SETTINGS, widths=(4, 3), output="linear")
    module.check()
    variables = randomized(module, LATENTS, labels)

    images = jax.jit(lambda: module.apply(variables, LATENTS, labels, train=True))()

    plain = Plain(variables["params"])
    inputs = np.asarray(LATENTS, np.float64)
    if conditional:
        inputs = np.concatenate([inputs, plain.embedding(LABELS)], axis=1)
    factors = inputs @ plain.params["basis_factors"]["kernel"]
    basis = plain.params["basis"].transpose(1, 2, 0)
    assert basis.shape == (4, 2, 4)
    maps = plain.blocks(0, basis[None] * factors[:, None, None, :])
    maps = plain.blocks(1, plain_upsample(plain.conv("stage_1_widen", maps)))
    expected = plain.conv("output", maps)
    np.testing.assert_allclose(images, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("conditional", [True, False])
def test_discriminator(conditional):
    labels = LABELS if conditional else None
    module = ResidualDiscriminator(**SETTINGS, widths=(3, 4))
    variables = randomized(module, IMAGES, labels)

    verdict = jax.jit(lambda: module.apply(variables, IMAGES, labels, train=True))()

    plain = Plain(variables["params"])
    maps = plain.blocks(0, plain.conv("input", np.asarray(IMAGES, np.float64)))
    maps = plain.blocks(1, plain.conv("stage_1_widen", plain_downsample(maps)))
    basis = plain.params["basis"].transpose(1, 2, 0)
    features = (maps * basis).sum(axis=(1, 2))
    if conditional:
        e = features @ plain.params["features"]["kernel"]
        expected = (e * plain.embedding(LABELS)).sum(axis=1)
    else:
        expected = (features @ plain.params["logit"]["kernel"])[:, 0]
    np.testing.assert_allclose(verdict.logits, expected, rtol=2e-4, atol=2e-4)


def test_first_values():
    """Blocks are the identity at first; deviations are those of the paper."""
    module = ResidualDiscriminator(image_shape=(8, 8, 3), widths=(64, 64))
    images, labels = jnp.zeros((1, 8, 8, 3)), jnp.zeros(1, jnp.int32)
    variables = jax.jit(lambda: module.init(KEY, images, labels, train=True))()
    params = variables["params"]

    def deviation(name):
        return float(jnp.std(params[name]["kernel"]))

    # Leaky ReLU's gain sqrt(2 / 1.04), two blocks: times 2^(-1/4).
    gain = np.sqrt(2 / 1.04) * 2**-0.25
    np.testing.assert_allclose(
        deviation("stage_0_block_0_conv_0"), gain / np.sqrt(64), rtol=0.05
    )
    np.testing.assert_allclose(
        deviation("stage_0_block_0_conv_1"), gain / np.sqrt(9 * 128), rtol=0.05
    )
    assert deviation("stage_0_block_0_conv_2") == 0
    np.testing.assert_allclose(
        deviation("class_embedding"), 1 / np.sqrt(10 * 64), rtol=0.1
    )
    np.testing.assert_allclose(deviation("features"), 1 / 8, rtol=0.05)
    np.testing.assert_allclose(float(jnp.std(params["basis"])), 1 / 4, rtol=0.1)


@pytest.mark.parametrize(
    ("size", "widths"), [(28, (4, 4, 4)), (32, (4, 4, 4, 4)), (64, (4,) * 5)]
)
def test_sizes(size, widths):
    shape = (size, size, 3)
    networks = [
        network(image_shape=shape, widths=widths)
        for network in (ResidualGenerator, ResidualDiscriminator)
    ]
    for network in networks:
        network.check()
        assert network.coarse_size == ((7, 7) if size == 28 else (4, 4))

    def play():
        generator, discriminator = networks
        latents, labels = jnp.zeros((2, 8)), jnp.zeros(2, jnp.int32)
        images, _ = generator.init_with_output(KEY, latents, labels, train=True)
        return images, discriminator.init_with_output(KEY, images, labels, train=True)

    images, (verdict, _) = jax.eval_shape(play)
    assert (images.shape, verdict.logits.shape) == ((2, *shape), (2,))


def test_resampling_by_hand():
    row = jnp.array([4.0, 8.0]).reshape(1, 1, 2, 1)

    # 3/4 of a value, 1/4 of the one beside it, 0 beyond the edge; rows lose a quarter.
    up = upsample(row)[0, :, :, 0]
    np.testing.assert_allclose(up, 0.75 * np.array([[3.0, 5, 7, 6]] * 2))
    ones = upsample(jnp.ones((1, 4, 4, 1)))[0, 2, 2, 0]
    assert ones == downsample(jnp.ones((1, 8, 8, 1)))[0, 1, 1, 0] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": ()}, r"widths is \(\); it must be >= 1"),
        ({"widths": (4, 0)}, r"widths is \(4, 0\); it must be >= 1"),
        ({"num_blocks": 0}, "num_blocks is 0; it must be >= 1"),
        ({"widths": (4,) * 4}, "4 stages, which resample 8 times; that does not divid"),
        ({"negative_slope": -0.1}, "negative_slope is -0.1"),
        ({"weight_norm": "spectral"}, "weight_norm is 'spectral'; it must be 'none'"),
    ],
)
def test_what_cannot_be_built_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        ResidualGenerator(**fields).check()
