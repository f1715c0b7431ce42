"""A conditional GAN on the embedded part of MNIST: the whole path in three minutes.

    python main.py --config=configs/quickstart.py --workdir=runs/quickstart

Cost: under three minutes on two CPU cores, evaluation included. For what it scores see
RESULTS.md.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    config = default.get_config()
    config.num_steps = 4000
    config.data.source = "embedded"
    config.sample_every = 1000
    config.checkpoint_every = 1000
    return config
