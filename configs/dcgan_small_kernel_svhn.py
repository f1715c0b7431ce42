"""Report B's modified GAN on SVHN: 3x3 kernels in G, a deeper D.

    python main.py --config=configs/dcgan_small_kernel_svhn.py \
        --workdir=runs/svhn_small_kernel --config.data.source=files \
        --config.data.dir=DIR

Published: parameter totals (tests hold them), pictures, and no scores.
Scores here: results/report_b.md.

Cost: on one CPU core about 0.4 s per step at batch 64, so that 100 epochs of 8,000
images take an hour and twenty minutes.
"""

from ml_collections import ConfigDict

from configs import dcgan_svhn


def get_config() -> ConfigDict:
    config = dcgan_svhn.get_config()
    config.generator.kernel_size = 3
    discriminator = config.discriminator
    discriminator.filters = (32, 64, 128, 64)
    discriminator.kernel_sizes = (7, 5, 3, 2)
    discriminator.strides = (1, 1, 1, 1)
    discriminator.norm_layers = (True, True, True, False)
    discriminator.pool_layers = (True, True, True, True)
    discriminator.dense_sizes = (1024, 512, 216)
    return config
