import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.networks.normalization import ClassAffine, VirtualBatchNorm

REFERENCE_SIZE = 4
# (shape, feature axis, batch axis): sizes that differ from each other.
IMAGES = ((3, 2, 5, 7), 0, 3)
DENSE = ((7, 3), 1, 0)
BOTH = pytest.mark.parametrize("layout", [IMAGES, DENSE], ids=["images", "dense"])


def layer_of(layout):
    _, feature_axis, batch_axis = layout
    return VirtualBatchNorm(REFERENCE_SIZE, feature_axis, batch_axis)


def inputs_of(layout, seed=0):
    """Means and deviations that differ between features."""
    shape, feature_axis, _ = layout
    along_features = [1] * len(shape)
    along_features[feature_axis] = -1
    features = np.arange(3.0).reshape(along_features)
    random = np.random.default_rng(seed).normal(size=shape)
    return jnp.asarray(random * (1 + features) + 5 * features, jnp.float32)


PARAMS = {"scale": jnp.array([2.0, 0.5, -1.0]), "bias": jnp.array([0.0, 1.0, -3.0])}


def apply(layout, inputs):
    return jax.jit(layer_of(layout).apply)({"params": PARAMS}, inputs)


def expected_outputs(inputs, layout, params=PARAMS):
    """The paper's definition in loops over examples and features, in float64."""
    _, feature_axis, batch_axis = layout
    inputs = np.moveaxis(
        np.asarray(inputs, np.float64), (batch_axis, feature_axis), (0, 1)
    )
    outputs = np.empty_like(inputs)
    for example in range(inputs.shape[0]):
        for feature in range(inputs.shape[1]):
            population = inputs[:REFERENCE_SIZE, feature]
            if example >= REFERENCE_SIZE:
                own = inputs[example : example + 1, feature]
                population = np.concatenate([population, own])
            normalized = (inputs[example, feature] - population.mean()) / np.sqrt(
                population.var() + 1e-5
            )
            scale, bias = params["scale"][feature], params["bias"][feature]
            outputs[example, feature] = normalized * float(scale) + float(bias)
    return np.moveaxis(outputs, (0, 1), (batch_axis, feature_axis))


@BOTH
def test_each_example_is_normalized_by_the_reference_and_itself(layout):
    inputs = inputs_of(layout)

    outputs = apply(layout, inputs)

    np.testing.assert_allclose(
        outputs, expected_outputs(inputs, layout), rtol=1e-5, atol=1e-5
    )


@BOTH
def test_negative_axes_count_from_the_end(layout):
    shape, feature_axis, batch_axis = layout
    inputs = inputs_of(layout)
    layer = VirtualBatchNorm(
        REFERENCE_SIZE, feature_axis - len(shape), batch_axis - len(shape)
    )

    np.testing.assert_allclose(
        layer.apply({"params": PARAMS}, inputs), apply(layout, inputs), rtol=1e-5
    )


def test_starts_as_plain_normalization():
    inputs = inputs_of(IMAGES)
    outputs, variables = layer_of(IMAGES).init_with_output(jax.random.key(0), inputs)

    initial = {"scale": jnp.ones(3), "bias": jnp.zeros(3)}
    chex.assert_trees_all_equal(variables, {"params": initial})
    np.testing.assert_allclose(
        outputs, expected_outputs(inputs, IMAGES, initial), rtol=1e-5, atol=1e-5
    )


@BOTH
def test_reference_is_normalized_as_by_batch_norm_in_train_mode(layout):
    _, feature_axis, batch_axis = layout
    inputs = inputs_of(layout)
    reference = jax.lax.slice_in_dim(inputs, 0, REFERENCE_SIZE, axis=batch_axis)
    batch_norm = nn.BatchNorm(use_running_average=False, axis=feature_axis)
    statistics = {"mean": jnp.zeros(3), "var": jnp.ones(3)}

    expected, _ = batch_norm.apply(
        {"params": PARAMS, "batch_stats": statistics},
        reference,
        mutable=["batch_stats"],
    )

    outputs = apply(layout, inputs)
    np.testing.assert_allclose(
        jax.lax.slice_in_dim(outputs, 0, REFERENCE_SIZE, axis=batch_axis),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )


@BOTH
def test_an_example_does_not_depend_on_the_rest_of_its_batch(layout):
    _, _, batch_axis = layout
    inputs = inputs_of(layout)
    changed = inputs_of(layout, seed=1) * 10

    def example(values, index):
        return jax.lax.slice_in_dim(values, index, index + 1, axis=batch_axis)

    kept = [example(inputs, index) for index in range(REFERENCE_SIZE + 1)]
    others = [example(changed, index) for index in (5, 6)]
    mixed = jnp.concatenate([*kept, *others], axis=batch_axis)

    before, after = apply(layout, inputs), apply(layout, mixed)

    for index in range(REFERENCE_SIZE + 1):
        np.testing.assert_array_equal(example(before, index), example(after, index))
    assert np.all(example(before, 5) != example(after, 5))


@BOTH
def test_large_means_cost_no_accuracy(layout):
    inputs = inputs_of(layout) + 1e3

    outputs = apply(layout, inputs)

    # Half a unit in the last place of an input near 1,000 is 3e-5.
    np.testing.assert_allclose(
        outputs, expected_outputs(inputs, layout), rtol=1e-3, atol=1e-3
    )


def test_equal_inputs_become_the_bias():
    inputs = jnp.full(IMAGES[0], 1234.5)

    outputs = apply(IMAGES, inputs)

    bias = PARAMS["bias"].reshape(3, 1, 1, 1)
    np.testing.assert_allclose(outputs, np.broadcast_to(bias, outputs.shape), atol=1e-4)


@BOTH
def test_gradients_flow_through_all_statistics(layout):
    inputs = inputs_of(layout)
    weights = np.random.default_rng(2).normal(size=inputs.shape)
    direction = np.random.default_rng(3).normal(size=inputs.shape)

    def loss(params, inputs):
        outputs = layer_of(layout).apply({"params": params}, inputs)
        return jnp.sum(outputs * jnp.asarray(weights, jnp.float32))

    def expected_loss(inputs):
        return np.sum(weights * expected_outputs(inputs, layout))

    param_gradients, gradients = jax.jit(jax.grad(loss, (0, 1)))(PARAMS, inputs)

    step = 1e-5
    inputs = np.asarray(inputs, np.float64)
    slope = expected_loss(inputs + step * direction)
    slope = (slope - expected_loss(inputs - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradients * direction), slope, rtol=1e-3)
    feature_axis = layout[1]
    others = tuple(axis for axis in range(inputs.ndim) if axis != feature_axis)
    np.testing.assert_allclose(
        param_gradients["bias"], weights.sum(others), rtol=1e-4, atol=1e-5
    )
    initial = {"scale": np.ones(3), "bias": np.zeros(3)}
    normalized = expected_outputs(inputs, layout, initial)
    np.testing.assert_allclose(
        param_gradients["scale"], (weights * normalized).sum(others), rtol=1e-4
    )


def test_needs_an_example_besides_the_reference():
    layer = layer_of(IMAGES)
    reference = inputs_of(IMAGES)[..., :REFERENCE_SIZE]
    key = jax.random.key(0)

    variables = layer.init(key, reference)

    assert variables["params"].keys() == PARAMS.keys()
    with pytest.raises(ValueError, match="4 examples are too few.*batch of 4"):
        layer.apply(variables, reference)
    with pytest.raises(ValueError, match="3 examples are too few.*batch of 4"):
        layer.init(key, reference[..., 1:])


@pytest.mark.parametrize("layout", ["dense", "images"])
def test_each_class_has_its_scale_and_bias(layout):
    labels = jnp.array([2, 0, 2, 1])
    dense = np.random.default_rng(0).normal(size=(4, 2))
    params = {
        "scale": jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "bias": jnp.array([[0.5, 0.25], [-1.0, -2.0], [0.0, 7.0]]),
    }
    expected = np.array(
        [
            [5 * dense[0, 0], 6 * dense[0, 1] + 7],
            [dense[1, 0] + 0.5, 2 * dense[1, 1] + 0.25],
            [5 * dense[2, 0], 6 * dense[2, 1] + 7],
            [3 * dense[3, 0] - 1, 4 * dense[3, 1] - 2],
        ]
    )
    features = jnp.asarray(dense, jnp.float32)
    if layout == "images":  # [C, H, W, B], each position alike
        features = jnp.broadcast_to(features.T[:, None, None], (2, 3, 5, 4))
        expected = np.broadcast_to(expected.T[:, None, None], (2, 3, 5, 4))

    outputs = ClassAffine(3).apply({"params": params}, features, labels)

    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    first = ClassAffine(3).init(jax.random.key(0), features, labels)["params"]
    np.testing.assert_array_equal(first["scale"], 1)
    np.testing.assert_array_equal(first["bias"], 0)
