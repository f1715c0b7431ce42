"""R3GAN (Huang et al. 2024), made small, on FashionMNIST.

    python main.py --config=configs/r3gan_fashion_mnist.py \
        --workdir=runs/r3gan_fashion --config.data.source=files --config.data.dir=DIR

The settings are those of r3gan_mnist. It has not been run beyond some steps.

Cost: 1.4 to 1.6 s per step on two CPU cores, three hours in all.
"""

from ml_collections import ConfigDict

from configs import r3gan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    return r3gan_mnist.r3gan(size, "fashion_mnist")
