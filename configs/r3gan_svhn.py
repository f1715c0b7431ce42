"""R3GAN (Huang et al. 2024), made small, on SVHN.

    python main.py --config=configs/r3gan_svhn.py --workdir=runs/r3gan_svhn \
        --config.data.source=files --config.data.dir=DIR

The settings are those of r3gan_mnist; `--config.data.grayscale=True` makes grey images
of it, as report B has them. It has not been run beyond some steps.

Cost: by its pixels about 2 s per step on two CPU cores, four hours and a half in all;
the judge half an hour.
"""

from ml_collections import ConfigDict

from configs import r3gan_mnist


def get_config(size: str = "cpu") -> ConfigDict:
    config = r3gan_mnist.r3gan(size, "svhn")
    config.classifier.name = "resnet"
    return config
