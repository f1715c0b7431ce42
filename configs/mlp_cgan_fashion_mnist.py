"""Report D's conditional GAN on FashionMNIST: models 19 (default) and 20 by number.

    python main.py --config=configs/mlp_cgan_fashion_mnist.py --workdir=runs/model_19 \
        --config.data.source=files --config.data.dir=DIR

Cost: as mlp_cgan_mnist for model 19 (100 epochs), twice that for 20 (200 epochs).
Published GAN-test and GAN-train: 43.29 and 80.24 % (19), 43.57 and 78.46 % (20). Scores
here: results/report_d.md.
"""

from ml_collections import ConfigDict

from configs import mlp_cgan_mnist

EPOCHS = {"19": 100, "20": 200}


def get_config(model: str = "19") -> ConfigDict:
    if model not in EPOCHS:
        raise ValueError(f"no model {model!r} here; known: {', '.join(EPOCHS)}")
    config = mlp_cgan_mnist.get_config()
    config.data.name = "fashion_mnist"
    config.num_epochs = EPOCHS[model]
    return config
