"""`sngan_mnist` on FashionMNIST."""

from ml_collections import ConfigDict

from configs import sngan_mnist


def get_config() -> ConfigDict:
    config = sngan_mnist.get_config()
    config.data.name = "fashion_mnist"
    return config
