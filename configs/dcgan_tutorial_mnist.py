"""Report B's baseline GAN on MNIST (Qiao, Wang, Zhang): TensorFlow's tutorial's DCGAN.

    python main.py --config=configs/dcgan_tutorial_mnist.py --workdir=runs/tutorial \
        --config.data.source=files --config.data.dir=DIR

Published: parameter totals (tests hold them), pictures, and no scores.
Scores here: results/report_b.md.

The report is silent on the batch size (256 here), initialisation (Xavier's) and Adam's
b1 and epsilon (0.9, 1e-7, as its framework has them).

Cost: on one CPU core four and a half minutes per epoch (measured at batch 64), seven
hours in all.
"""

from ml_collections import ConfigDict

from configs import dcgan_mnist


def get_config() -> ConfigDict:
    config = dcgan_mnist.get_config()
    config.num_epochs = 100
    config.joint_batches = False
    config.modes.discriminator_in_generator_step = "train"
    config.batch_size = 256
    generator, discriminator = config.generator, config.discriminator
    for network in (generator, discriminator):
        network.negative_slope = 0.3
        network.norm_momentum = 0.99
        network.norm_epsilon = 1e-3
    generator.dense_sizes = ()
    generator.use_bias = False
    discriminator.filters = (64, 128)
    discriminator.kernel_sizes = (5, 5)
    discriminator.strides = (2, 2)
    discriminator.norm = "none"
    discriminator.norm_layers = (False, False)
    discriminator.pool_layers = (False, False)
    discriminator.dense_sizes = ()
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.learning_rate = 1e-4
        optimizer.arguments = ConfigDict({"b1": 0.9, "b2": 0.999, "eps": 1e-7})
    config.sample_every = 234
    config.checkpoint_every = 234
    return config
