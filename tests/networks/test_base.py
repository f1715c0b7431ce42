"""What every network has: norms and weight norms by name, and checks of its fields."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.networks import DISCRIMINATORS, GENERATORS
from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.mlp import MLPDiscriminator
from gan_jax.networks.normalization import NORMS, Norm

IMAGES = jax.random.normal(jax.random.key(1), (5, 8, 8, 1))
SMALL = {
    "image_shape": (8, 8, 1),
    "filters": (3,),
    "kernel_sizes": (3,),
    "strides": (2,),
    "norm_layers": (False,),
    "pool_layers": (False,),
    "dense_sizes": (),
    "norm": "none",
    "dropout_rate": 0.0,
    "conditioning": "none",
}


def largest_singular_value(kernel):
    matrix = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    return np.linalg.svd(matrix, compute_uv=False)[0]


@pytest.mark.parametrize(
    ("network", "layers"),
    [
        (DCGANDiscriminator(**SMALL, weight_norm="spectral"), ["conv_0", "logit"]),
        (
            MLPDiscriminator(
                conditioning="none",
                hidden_sizes=(6,),
                dropout_rate=0.0,
                weight_norm="spectral",
            ),
            ["hidden_0", "logit"],
        ),
    ],
    ids=["dcgan", "mlp"],
)
def test_spectral_norm_divides_kernels_by_their_largest_singular_value(network, layers):
    plain = network.clone(weight_norm="none")
    variables = network.init(jax.random.key(0), IMAGES, None, train=False)
    state = {"batch_stats": variables["batch_stats"]}

    # One power iteration a call; with many the vectors have arrived.
    def call(state):
        _, state = network.apply(
            {"params": variables["params"], **state},
            IMAGES,
            None,
            train=True,
            mutable=["batch_stats"],
        )
        return state

    iterated = jax.lax.fori_loop(0, 100, lambda _, state: call(state), state)

    verdict = network.apply(
        {"params": variables["params"], **iterated}, IMAGES, None, train=False
    )
    divided = variables["params"]
    seen = []

    def divide(path, leaf):
        names = [str(key.key) for key in path]
        if names[-1] != "kernel":
            return leaf
        seen.append(next(name for name in layers if name in names))
        return leaf / largest_singular_value(leaf)

    divided = jax.tree_util.tree_map_with_path(divide, divided)
    expected = plain.apply({"params": divided}, IMAGES, None, train=False)
    assert seen == layers
    np.testing.assert_allclose(verdict.logits, expected.logits, rtol=2e-4)


@pytest.mark.slow
def test_labels_reach_norms(monkeypatch):
    """A conditional norm is one entry of the table."""

    def per_class_scale(network, features, labels, *, train, name):
        scale = nn.Embed(network.num_classes, 1, name=name)(labels)[:, 0]
        is_maps = features.ndim == 4  # [C, H, W, B]
        return features * scale.reshape((1, 1, 1, -1) if is_maps else (-1, 1))

    monkeypatch.setitem(NORMS, "per_class", Norm(per_class_scale))
    generator = DCGANGenerator(
        num_classes=3,
        image_shape=(8, 8, 1),
        dense_sizes=(4,),
        projection_filters=2,
        filters=(2,),
        strides=(2, 2),
        kernel_size=3,
        norm="per_class",
    )
    generator.check()
    labels = jnp.array([0, 1, 2])
    latents = jnp.ones((3, 5))
    variables = generator.init(jax.random.key(0), latents, labels, train=True)
    names = {"dense_0_norm", "projection_norm", "conv_0_norm"}
    assert names <= set(variables["params"])
    params = variables["params"] | {
        name: {"embedding": variables["params"][name]["embedding"].at[1].set(0.0)}
        for name in names
    }

    images = generator.apply({"params": params}, latents, labels, train=True)

    # Class 1's features are all 0, so only the last layer's bias, 0, is left.
    assert np.abs(images[0]).max() > 0 and np.abs(images[2]).max() > 0
    np.testing.assert_array_equal(images[1], 0)


@pytest.mark.parametrize("network", [*GENERATORS.values(), *DISCRIMINATORS.values()])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("weight_norm", "spectrum", "weight_norm is 'spectrum'; known: 'none', 'spe"),
        ("kernel_init", "he", "kernel_init is 'he'; known: 'kaiming_normal'"),
        ("dropout_rate", 1.0, r"dropout_rate is 1.0; it must be in \[0, 1\)"),
    ],
)
def test_networks_check_their_fields(network, field, value, message):
    if field not in network.__dataclass_fields__:
        pytest.skip(f"it has no {field}")
    with pytest.raises(ValueError, match=message):
        network(**{field: value}).check()
