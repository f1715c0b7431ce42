"""Hinge loss, spectral norm and a projection discriminator, on MNIST.

    python main.py --config=configs/sngan_mnist.py --workdir=runs/sngan_mnist \
        --config.data.source=files --config.data.dir=DIR

Miyato et al. 2018 (spectral norm) and Miyato & Koyama 2018 (projection, conditional
batch norm), with small networks of ours.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax import sections


def get_config() -> ConfigDict:
    config = default.get_config()
    config.num_steps = 15_000
    config.batch_size = 128
    config.latent.size = 64
    config.ema_decay = 0.9
    config.schedules.ema_decay = sections.schedule(0.999, until=0.2)
    config.generator = sections.generator(
        "dcgan",
        conditioning="joined_embedding",
        norm="conditional_batch",
        dense_sizes=(),
        projection_filters=128,
        filters=(64, 32),
        strides=(2, 2, 1),
        kernel_size=4,
        output_kernel_size=3,
        kernel_init="orthogonal",
    )
    config.discriminator = sections.discriminator(
        "dcgan",
        conditioning="projection",
        norm="none",
        weight_norm="spectral",
        filters=(32, 64, 128, 128),
        kernel_sizes=(4, 3, 4, 3),
        strides=(2, 1, 2, 1),
        norm_layers=(False,) * 4,
        pool_layers=(False,) * 4,
        dense_sizes=(256,),
        dense_norm=False,
        dropout_rate=0.0,
        kernel_init="orthogonal",
    )
    config.modes.generator_in_sampling = "eval"
    config.sampling.standing_batches = 16
    config.loss = sections.game("hinge", real_labels=True)
    for player, rate in (("generator", 4e-4), ("discriminator", 8e-4)):
        optimizer = config[f"{player}_optimizer"]
        optimizer.learning_rate = rate
        optimizer.schedule = "linear"
        optimizer.arguments.b1 = 0.0
        optimizer.arguments.b2 = 0.99
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 1500
    config.steps_per_dispatch = 10
    return config
