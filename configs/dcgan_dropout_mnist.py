"""Report E's DCGAN with dropout on MNIST (Ligocki & Salah).

    python main.py --config=configs/dcgan_dropout_mnist.py --workdir=runs/dropout \
        --config.data.source=files --config.data.dir=DIR

Published: it collapses to single digits. The report is silent on D's filters (32, 64,
128 here), batch size, optimiser, epochs and prior (100, Adam 2e-4 with b1 0.5, 50, and
the vanilla GAN's), the leaky ReLU's slope (0.2), batch norm's momentum and epsilon
(0.9, 1e-5) and initialisation (Xavier's).

The first half epoch gives noise, five epochs all ten digits. Scores here:
results/report_e.md.

Cost: on one CPU core about four minutes per epoch, three hours in all; on two about
two and a half minutes, two hours.
"""

from ml_collections import ConfigDict

from configs import dcgan_mnist


def get_config() -> ConfigDict:
    config = dcgan_mnist.get_config()
    config.batch_size = 100
    config.joint_batches = False
    config.modes.discriminator_in_generator_step = "train"
    config.latent.prior = "uniform"
    generator, discriminator = config.generator, config.discriminator
    generator.dense_sizes = ()
    generator.projection_filters = 128
    generator.projection_norm = False
    generator.projection_activation = False
    generator.filters = (64, 32)
    generator.strides = (2, 2, 1)
    generator.dropout_rate = 0.5
    discriminator.filters = (32, 64, 128)
    discriminator.norm_after_activation = True
    discriminator.dense_sizes = ()
    discriminator.dropout_rate = 0.0
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.learning_rate = 2e-4
    config.sample_every = 600
    config.checkpoint_every = 600
    return config
