"""Report B's modified GAN on MNIST: 3x3 kernels in G, max-pooling in D.

    python main.py --config=configs/dcgan_small_kernel_mnist.py \
        --workdir=runs/small_kernel --config.data.source=files --config.data.dir=DIR

Published: parameter totals (tests hold them), and that such small changes break the
plain GAN.

Scores here: results/report_b.md.

Cost: on one CPU core two and a half to five minutes per epoch (measured at batch 64),
four to eight hours in all.
"""

from ml_collections import ConfigDict

from configs import dcgan_tutorial_mnist


def get_config() -> ConfigDict:
    config = dcgan_tutorial_mnist.get_config()
    config.generator.kernel_size = 3
    config.discriminator.pool_layers = (True, True)
    return config
