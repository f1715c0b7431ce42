"""Hinge loss, spectral norm and a projection discriminator on CIFAR-10.

    python main.py --config=configs/sngan_cifar.py --workdir=runs/sngan_cifar \
        --config.data.source=files --config.data.dir=DIR

The settings are those of sngan_mnist, with mirrored images. Published for SNGAN with
projection on CIFAR-10, in residual networks (StudioGAN): FID 9.01, Inception Score 8.83
of the Inception network; scores of a judge cannot be compared with them. It has not
been run beyond some steps.

Cost: by its pixels about 1 s per step on two CPU cores, four hours in all; the judge,
and GAN-train's classifier, half an hour to an hour each.
"""

from ml_collections import ConfigDict

from configs import sngan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    config = sngan_mnist.sngan(size, "cifar10")
    config.data.flip = True
    config.classifier.name = "resnet"
    return config
