"""Hinge loss, spectral norm and a projection discriminator on MNIST.

    python main.py --config=configs/sngan_mnist.py --workdir=runs/sngan_mnist \
        --config.data.source=files --config.data.dir=DIR
    python main.py --config=configs/sngan_mnist.py:gpu ...

SNGAN (Miyato et al. 2018) with projection and conditional batch norm (Miyato & Koyama
2018), in small networks of ours. Averaged weights generate, with batch statistics
computed anew for them. If D wins or G wanders, change the discriminator's learning rate
first.

Cost: 0.6 to 0.8 s per step on two CPU cores, about three hours in all. `:gpu` has
four times the filters and has not been run. Scores: results/modern.md.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax import sections

# By what every number of filters is multiplied.
SIZES = {"cpu": 1, "gpu": 4}


def get_config(size: str = "cpu") -> ConfigDict:
    return sngan(size, "mnist")


def sngan(size: str, data: str) -> ConfigDict:
    """Of a size from SIZES, for images of 28 or 32 pixels."""
    if size not in SIZES:
        raise ValueError(f"no size {size!r} here; known: {', '.join(SIZES)}")
    config = default.get_config()
    config.num_steps = 15_000
    config.batch_size = 128
    config.data.name = data
    config.latent.size = 64
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
        filter_multiplier=SIZES[size],
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
        filter_multiplier=SIZES[size],
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
    config.ema_decay = 0.999
    config.ema_rampup = 0.05
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 1500
    config.steps_per_dispatch = 10
    return config
