"""A conditional GAN on the embedded part of MNIST: the whole path in a few minutes.

    python main.py --config=configs/quickstart.py --workdir=runs/quickstart

The settings are those of mlp_cgan_mnist_best, for 5,000 steps on 10,000 images.
Cost: three to five minutes on two CPU cores, evaluation included. Scores:
results/modern.md.
"""

from ml_collections import ConfigDict

from configs import mlp_cgan_mnist_best


def get_config() -> ConfigDict:
    config = mlp_cgan_mnist_best.get_config()
    config.published = ConfigDict()  # those are of the whole of MNIST
    config.num_steps = 5000
    config.data.source = "embedded"
    config.sample_every = 1000
    config.checkpoint_every = 1000
    return config
