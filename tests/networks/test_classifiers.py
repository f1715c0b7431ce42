"""The judges' networks against references written with other tools."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.networks.classifiers import CLASSIFIERS, LeNet, ResNet, Whitening

RANDOM = np.random.default_rng(0)


def init(network, images):
    # Compiled as a whole: one by one the operations take several times as long.
    return jax.jit(lambda key: network.init(key, images, train=False))(
        jax.random.key(0)
    )


@pytest.mark.parametrize(
    ("shape", "flat_features"),  # (28 - 4) / 2 = 12, (12 - 4) / 2 = 4; 4 * 4 * 32
    [((28, 28, 1), 512), ((32, 32, 1), 800), ((32, 32, 3), 800)],
)
def test_lenet_fits_the_usual_image_shapes(shape, flat_features):
    network = LeNet(num_classes=10)
    images = np.zeros((2, *shape), np.uint8)
    params = jax.eval_shape(
        lambda key: network.init(key, images, train=False)["params"], jax.random.key(0)
    )

    assert params["PatchConv_0"]["kernel"].shape == (5, 5, shape[2], 16)
    assert params["PatchConv_1"]["kernel"].shape == (5, 5, 16, 32)
    assert params["Dense_0"]["kernel"].shape == (flat_features, 128)
    assert params["Dense_1"]["kernel"].shape == (128, 10)


class ReferenceResNet:
    """ResNet in float64 and [B, H, W, C], with convolutions as sums over the kernel."""

    def __init__(self, variables, *, train):
        variables = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
        self.params = variables["params"]
        self.statistics = variables["batch_stats"]
        self.whitening = variables["whitening"]["Whitening_0"]
        self.train = train
        self.new_statistics = {}

    def __call__(self, images, num_stages):
        features = images / 127.5 - 1
        # Row 0 column 0, row 0 column 1, row 1 column 0, row 1 column 1.
        features = np.concatenate(
            [features[:, row::2, column::2] for row in (0, 1) for column in (0, 1)],
            axis=-1,
        )
        features = (features - self.whitening["mean"]) @ self.whitening["matrix"].T
        for stage in range(num_stages):
            if stage > 0:
                features = self.pool(features)
            features = self.convolve(features, 2 * stage)
            features = features + self.convolve(features, 2 * stage + 1)
        largest = features.max(axis=(1, 2))
        return largest @ self.params["Dense_0"]["kernel"] * 0.125

    def pool(self, features):
        height, width = features.shape[1] // 2 * 2, features.shape[2] // 2 * 2
        corners = [
            features[:, row:height:2, column:width:2]
            for row in (0, 1)
            for column in (0, 1)
        ]
        return np.max(corners, axis=0)

    def convolve(self, features, number):
        kernel = self.params[f"PatchConv_{number}"]["kernel"]
        padded = np.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0)))
        height, width = features.shape[1:3]
        outputs = sum(
            padded[:, row : row + height, column : column + width] @ kernel[row, column]
            for row in range(3)
            for column in range(3)
        )
        name = f"BatchNorm_{number}"
        mean, variance = self.statistics[name]["mean"], self.statistics[name]["var"]
        if self.train:
            batch_mean, batch_variance = outputs.mean((0, 1, 2)), outputs.var((0, 1, 2))
            self.new_statistics[name] = {
                "mean": 0.9 * mean + 0.1 * batch_mean,
                "var": 0.9 * variance + 0.1 * batch_variance,
            }
            mean, variance = batch_mean, batch_variance
        normalized = (outputs - mean) / np.sqrt(variance + 1e-5)
        norm = self.params[name]
        return np.maximum(normalized * norm["scale"] + norm["bias"], 0)


@pytest.mark.slow
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    "shape",
    [(16, 16, 3), (28, 20, 1)],  # halved: 14 x 10, 7 x 5, and 3 x 2 without the last
)
def test_resnet_equals_the_reference(shape, train):
    network = ResNet(num_classes=4, widths=(3, 5, 4))
    images = RANDOM.integers(256, size=(6, *shape)).astype(np.uint8)
    variables = init(network, images)
    # Every number different: what is taken from the wrong place is seen.
    variables = jax.tree.map(
        lambda leaf: leaf + RANDOM.uniform(0.1, 0.5, leaf.shape).astype(np.float32),
        variables,
    )

    logits, updates = jax.jit(
        lambda variables, images: network.apply(
            variables, images, train=train, mutable=["batch_stats"] if train else []
        )
    )(variables, images)

    reference = ReferenceResNet(variables, train=train)
    np.testing.assert_allclose(logits, reference(images, 3), rtol=2e-4, atol=2e-4)
    assert logits.dtype == jnp.float32
    assert len(reference.new_statistics) == (6 if train else 0)
    jax.tree.map(
        lambda ours, expected: np.testing.assert_allclose(
            ours, expected, rtol=2e-4, atol=2e-4
        ),
        updates,
        {"batch_stats": reference.new_statistics} if train else {},
    )


def test_whitening_makes_channels_uncorrelated():
    # Channels of standard deviations 2, 3 and 0.01, mixed; the last is below the floor.
    mixing = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0] @ np.diag([2, 3, 0.01])
    features = (mixing @ RANDOM.normal(size=(3, 600)) + 5).reshape(3, 5, 4, 30)
    features = features.astype(np.float32)
    layer = Whitening()
    variables = layer.init(jax.random.key(0), features)

    whitened = np.asarray(layer.apply(variables, features)).reshape(3, -1)

    variances = np.linalg.eigvalsh(np.cov(features.reshape(3, -1)))
    floor = 5e-4 * variances.mean() + 1e-6
    np.testing.assert_allclose(whitened.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(np.cov(whitened)), variances / (variances + floor), rtol=2e-2
    )
    # Other features are treated alike: nothing is computed anew.
    np.testing.assert_allclose(
        layer.apply(variables, 2 * features) - layer.apply(variables, features),
        layer.apply(variables, features) - layer.apply(variables, 0 * features),
        rtol=1e-3,
        atol=1e-3,
    )


def test_resnet_refuses_odd_sizes():
    images = np.zeros((1, 16, 15, 1), np.uint8)
    with pytest.raises(ValueError, match="must be even, not 16 and 15"):
        ResNet(num_classes=2).init(jax.random.key(0), images, train=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_a_batch_do_not_mix_in_eval_mode(name, channels):
    network = CLASSIFIERS[name](num_classes=10)
    images = RANDOM.integers(256, size=(3, 32, 32, channels)).astype(np.uint8)
    variables = init(network, images)

    apply = jax.jit(lambda images: network.apply(variables, images, train=False))

    np.testing.assert_allclose(apply(images)[1], apply(images[1:2])[0], atol=1e-5)
    assert np.abs(apply(images)[0] - apply(images)[1]).max() > 1e-3
