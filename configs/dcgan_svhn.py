"""Report B's baseline GAN on SVHN (Qiao, Wang, Zhang), in grayscale.

    python main.py --config=configs/dcgan_svhn.py --workdir=runs/svhn \
        --config.data.source=files --config.data.dir=DIR

Published: parameter totals (tests hold them), pictures, and no scores.
Scores here: results/report_b.md.

Cost: on one CPU core about 0.48 s per step at batch 64, so that 100 epochs of 8,000
images take an hour and forty minutes.
"""

from ml_collections import ConfigDict

from configs import dcgan_tutorial_mnist


def get_config() -> ConfigDict:
    config = dcgan_tutorial_mnist.get_config()
    config.data.name = "svhn"
    config.data.grayscale = True
    discriminator = config.discriminator
    discriminator.filters = (32, 64, 128)
    discriminator.kernel_sizes = (7, 5, 3)
    discriminator.strides = (1, 1, 1)
    discriminator.norm = "batch"
    discriminator.norm_after_activation = True
    discriminator.norm_layers = (True, True, False)
    discriminator.pool_layers = (True, True, True)
    discriminator.dense_sizes = (1024, 512)
    discriminator.dense_norm = False
    discriminator.dropout_rate = 0.0
    config.classifier.name = "resnet"
    return config
