"""Hinge loss, spectral norm and a projection discriminator on SVHN.

    python main.py --config=configs/sngan_svhn.py --workdir=runs/sngan_svhn \
        --config.data.source=files --config.data.dir=DIR

The settings are those of sngan_mnist; `--config.data.grayscale=True` makes grey images
of it, as report B has them. It has not been run beyond some steps.

Cost: by its pixels about 1 s per step on two CPU cores, four hours in all; the judge
half an hour.
"""

from ml_collections import ConfigDict

from configs import sngan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    config = sngan_mnist.sngan(size, "svhn")
    config.classifier.name = "resnet"
    return config
