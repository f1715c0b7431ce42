"""The fully connected networks once more, in NumPy and float64, as their reports say.

What the tests compare with: no code shared with gan_jax.
"""

import numpy as np

EPSILON = 1e-5  # of batch norm, as in PyTorch


def to_numpy(tree):
    if isinstance(tree, dict):
        return {name: to_numpy(value) for name, value in tree.items()}
    return np.asarray(tree, np.float64)


def randomized(variables, seed=0):
    """The variables with every value moved, so that no bias is 0 and no scale 1.

    Variances stay positive.
    """
    random = np.random.default_rng(seed)

    def move(tree):
        if isinstance(tree, dict):
            return {name: move(value) for name, value in tree.items()}
        noise = random.uniform(0.1, 0.4, tree.shape) * random.choice([1, 1, -1])
        return (np.asarray(tree) + noise).astype(np.float32)

    moved = move(variables)
    for statistics in moved.get("batch_stats", {}).values():
        statistics["var"] = np.abs(statistics["var"]) + np.float32(0.1)
    return moved


def dense(params, inputs):
    return inputs @ params["kernel"] + params.get("bias", 0.0)


def activate(inputs, slope):
    return np.where(inputs > 0, inputs, slope * inputs)


def first_layer(params, inputs, labels):
    outputs = dense(params["input"], inputs)
    if labels is None:
        return outputs
    one_hot = np.eye(params["label"]["kernel"].shape[0])[np.asarray(labels)]
    return np.concatenate([outputs, dense(params["label"], one_hot)], axis=1)


def batch_norm(params, statistics, inputs, train):
    mean, variance = statistics["mean"], statistics["var"]
    if train:
        mean, variance = inputs.mean(axis=0), inputs.var(axis=0)
    normalized = (inputs - mean) / np.sqrt(variance + EPSILON)
    return normalized * params["scale"] + params["bias"]


def generator(variables, latents, labels, *, train, slope=0.2, output="tanh"):
    """Images [B, pixels], and the batches that every batch norm saw, by name."""
    variables = to_numpy(variables)
    params, statistics = variables["params"], variables.get("batch_stats", {})
    seen = {}

    def norm(name, inputs):
        if name not in params:
            return inputs
        seen[name] = inputs
        return batch_norm(params[name], statistics[name], inputs, train)

    outputs = first_layer(params["hidden_0"], np.asarray(latents, np.float64), labels)
    outputs = activate(norm("hidden_0_norm", outputs), slope)
    if "hidden_1" in params:
        outputs = norm("hidden_1_norm", dense(params["hidden_1"], outputs))
        outputs = activate(outputs, slope)
    outputs = norm("output_norm", dense(params["output"], outputs))
    squash = {"tanh": np.tanh, "sigmoid": lambda inputs: 1 / (1 + np.exp(-inputs))}
    return squash[output](outputs), seen


def discriminator(variables, images, labels, *, slope=0.2):
    """Logits [B]."""
    params = to_numpy(variables)["params"]
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    outputs = activate(first_layer(params["hidden_0"], flat, labels), slope)
    if "hidden_1" in params:
        outputs = activate(dense(params["hidden_1"], outputs), slope)
    return dense(params["logit"], outputs)[:, 0]


def softplus(inputs):
    return np.logaddexp(0.0, np.asarray(inputs, np.float64))
