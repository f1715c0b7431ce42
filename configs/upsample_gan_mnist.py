"""Report E's DCGAN with up-sampling on MNIST (Ligocki & Salah).

    python main.py --config=configs/upsample_gan_mnist.py --workdir=runs/upsample \
        --config.data.source=files --config.data.dir=DIR

Published: the best of the report's three, clean, and all digits equally frequent. The
report is silent on the discriminator beyond 'mirror image', on dropout, batch size,
optimiser, prior, the leaky ReLU's slope and initialisation: strided 3x3 convolutions,
0.5, 100, Adam 2e-4 with b1 0.5, the vanilla GAN's prior, 0.2, and Keras's
initialisation (with Kaiming's the generator's tanh is saturated from the first step
on: dropout doubles the variance in every layer, and no norm takes it back).

The first 240 steps give one stroke for every z. Scores here: results/report_e.md.

Cost: on two CPU cores about nine minutes per epoch, seven hours in all.
"""

from ml_collections import ConfigDict

from configs import dcgan_dropout_mnist
from gan_jax.sections import generator


def get_config() -> ConfigDict:
    config = dcgan_dropout_mnist.get_config()
    config.generator = generator("upsampling")
    discriminator = config.discriminator
    discriminator.filters = (64, 64, 64, 64)
    discriminator.kernel_sizes = (3, 3, 3, 3)
    discriminator.strides = (1, 2, 1, 2)
    discriminator.norm = "none"
    discriminator.norm_layers = (False,) * 4
    discriminator.pool_layers = (False,) * 4
    discriminator.dropout_rate = 0.5
    for network in (config.generator, discriminator):
        network.kernel_init = "xavier_uniform"
    return config
