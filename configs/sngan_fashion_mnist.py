"""Hinge loss, spectral norm and a projection discriminator on FashionMNIST.

    python main.py --config=configs/sngan_fashion_mnist.py \
        --workdir=runs/sngan_fashion --config.data.source=files --config.data.dir=DIR

The settings are those of sngan_mnist. Pictures are good from 500 steps on.
Scores: results/modern.md.

Cost: 0.6 to 0.8 s per step on two CPU cores, about three hours in all.
"""

from ml_collections import ConfigDict

from configs import sngan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    return sngan_mnist.sngan(size, "fashion_mnist")
