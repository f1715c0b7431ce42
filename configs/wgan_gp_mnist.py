"""Report B's WGAN on MNIST with a gradient penalty in place of weight clipping.

    python main.py --config=configs/wgan_gp_mnist.py --workdir=runs/wgan_gp \
        --config.data.source=files --config.data.dir=DIR

As in Gulrajani et al. 2017, algorithm 1: lambda = 10, Adam at 1e-4 with b1 0 and b2
0.9, D:G 5:1, no batch norm in the critic (report B's has none) and no dropout.
Published: WGAN gives finer digits than GAN; no scores. Scores here:
results/report_b.md.

Cost: on two CPU cores about 2.1 s per step (0.65 at batch 64, 0.9 on one core),
13.5 hours in all.
"""

from ml_collections import ConfigDict

from configs import dcgan_tutorial_mnist
from gan_jax.sections import game, term


def get_config() -> ConfigDict:
    config = dcgan_tutorial_mnist.get_config()
    config.d_steps = 5
    config.discriminator.dropout_rate = 0.0
    config.loss = game("wasserstein")
    config.terms.gradient_penalty = term("gradient_penalty", weight=10.0)
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.arguments = ConfigDict({"b1": 0.0, "b2": 0.9})
    return config
