"""Report E's vanilla GAN (E1) on MNIST: one hidden layer of 128 in each player.

    python main.py --config=configs/vanilla_gan_mnist.py --workdir=runs/vanilla \
        --config.data.source=files --config.data.dir=DIR

Cost: a few minutes on two CPU cores. The report shows noisy but diverse digits. It is
silent on batch size, optimiser and initialisation: 128, Adam (1e-3), Xavier. Scores
here: results/report_e.md.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax.sections import game


def get_config() -> ConfigDict:
    config = default.get_config()
    config.num_steps = 100_000
    config.batch_size = 128
    config.conditional = False
    config.latent.prior = "uniform"
    for player in (config.generator, config.discriminator):
        player.hidden_sizes = (128,)
        player.activation = "relu"
        player.dropout_rate = 0.0
        player.kernel_init = "xavier_normal"
    config.generator.norm = "none"
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.learning_rate = 1e-3
        optimizer.arguments.b1 = 0.9
    config.modes.generator_in_sampling = "eval"
    config.loss = game("non_saturating")
    config.sample_every = 10_000
    config.checkpoint_every = 10_000
    config.eval.scores = ("inception_score",)
    return config
