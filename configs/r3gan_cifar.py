"""R3GAN (Huang et al. 2024), made small, on CIFAR-10.

    python main.py --config=configs/r3gan_cifar.py --workdir=runs/r3gan_cifar \
        --config.data.source=files --config.data.dir=DIR

The settings are those of r3gan_mnist, with mirrored images. Published for widths of 768
and 250 million images: FID 1.96, of the Inception network; scores of a judge cannot be
compared with it. It has not been run beyond some steps.

Cost: by its pixels about 2 s per step on two CPU cores, four hours and a half in all;
the judge half an hour.
"""

from ml_collections import ConfigDict

from configs import r3gan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    config = r3gan_mnist.r3gan(size, "cifar10")
    config.data.flip = True
    config.classifier.name = "resnet"
    return config
