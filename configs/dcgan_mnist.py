"""Report A's DCGAN on MNIST (Yu & Gardner), and its variations by name.

    python main.py --config=configs/dcgan_mnist.py --workdir=runs/dcgan \
        --config.data.source=files --config.data.dir=DIR
    python main.py --config=configs/dcgan_mnist.py:deeper --workdir=runs/dcgan_deeper \
        --config.data.source=files --config.data.dir=DIR

The report gives no scores of the DCGAN, but times: 26 s per epoch on a cloud GPU of
2019, 33 and 40 at batch 64 and 32, 24 at D:G 1:5, 58 with extra depth, 91 at the
deepest. It is silent on epochs (50 here), Adam's b1 (0.5), initialisation (Keras's),
batch norm's momentum and epsilon (0.9, 1e-5) and the leaky ReLU's slope (0.2), the
discriminator's filters and dropout, the other optimisers' learning rates, and on
whether the discriminator sees real and generated images in one batch (it does here;
in the generator's step it is in eval mode).

Scores here, of the variations too: results/report_a.md.

Cost: on two CPU cores about five minutes per epoch, four hours in all.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax.sections import discriminator, game, generator

# One more stride 1 convolution at the first size, in both networks; then two more.
_DEEPER_GENERATOR = {
    "generator.filters": (256, 128, 64),
    "generator.strides": (1, 1, 2, 2),
}
_DEEPEST_GENERATOR = {
    "generator.filters": (256, 128, 128, 64),
    "generator.strides": (1, 1, 1, 2, 2),
}


def _discriminator(filters: tuple[int, ...], strides: tuple[int, ...]) -> dict:
    depth = len(filters)
    return {
        "discriminator.filters": filters,
        "discriminator.strides": strides,
        "discriminator.kernel_sizes": (5,) * depth,
        "discriminator.norm_layers": (True,) * depth,
        "discriminator.pool_layers": (False,) * depth,
    }


_DEEPER_DISCRIMINATOR = _discriminator((64, 128, 256, 256), (2, 2, 2, 1))
_DEEPEST_DISCRIMINATOR = _discriminator((64, 128, 256, 256, 256), (2, 2, 2, 1, 1))


def _optimizer(name: str, learning_rate: float) -> dict:
    """Another optimiser with optax's arguments for both players."""
    return {
        f"{player}_optimizer.{field}": value
        for player in ("generator", "discriminator")
        for field, value in (
            ("name", name),
            ("learning_rate", learning_rate),
            ("arguments.b1", None),
            ("arguments.b2", None),
        )
    }


OPTIMIZERS = {
    "sgd": _optimizer("sgd", 1e-2),
    "adagrad": _optimizer("adagrad", 1e-2),
    "rmsprop": _optimizer("rmsprop", 1e-3),
}
# What differs from the DCGAN.
VARIATIONS = OPTIMIZERS | {
    "plain": {},
    "deeper": _DEEPER_GENERATOR | _DEEPER_DISCRIMINATOR,
    "deepest": _DEEPEST_GENERATOR | _DEEPEST_DISCRIMINATOR,
    "deeper_discriminator": _DEEPER_DISCRIMINATOR,
    "shallower_discriminator": _discriminator((64, 128), (2, 2)),
    # A step has five generator updates, so that a fifth of the epochs gives as many.
    "ratio_1_5": {"g_steps": 5, "num_epochs": 10},
    "virtual_batch_norm": {
        "generator.norm": "virtual",
        "discriminator.norm": "virtual",
    },
    "double_filters": {
        "generator.filter_multiplier": 2,
        "discriminator.filter_multiplier": 2,
    },
    "batch_64": {"batch_size": 64},
    "batch_32": {"batch_size": 32},
    "slow": {
        "generator_optimizer.learning_rate": 1e-4,
        "discriminator_optimizer.learning_rate": 1e-4,
    },
}


def get_config(variation: str = "plain") -> ConfigDict:
    if variation not in VARIATIONS:
        raise ValueError(
            f"no variation {variation!r} here; known: {', '.join(VARIATIONS)}"
        )
    config = default.get_config()
    config.num_epochs = 50
    config.batch_size = 128
    config.conditional = False
    config.generator = generator("dcgan")
    config.discriminator = discriminator("dcgan")
    for network in (config.generator, config.discriminator):
        network.kernel_init = "xavier_uniform"
    # Batch norm right before the logit would give real and generated batches the same
    # mean if they came one after the other. The generator then meets the statistics of
    # both, the moving ones; and no dropout, under which those were gathered.
    config.joint_batches = True
    config.modes.discriminator_in_generator_step = "eval"
    config.modes.generator_in_sampling = "eval"
    config.loss = game("non_saturating")
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.learning_rate = 1e-3
    config.log_every = 50
    config.sample_every = 468  # an epoch
    config.checkpoint_every = 468
    config.steps_per_dispatch = 10
    config.eval.scores = ("inception_score",)
    config.update_from_flattened_dict(VARIATIONS[variation])
    return config
