"""Report D's conditional GAN on FashionMNIST: models 19 (default) and 20 by number.

    python main.py --config=configs/mlp_cgan_fashion_mnist.py --workdir=runs/model_19 \
        --config.data.source=files --config.data.dir=DIR

Cost: as mlp_cgan_mnist for model 19 (100 epochs), twice that for 20 (200 epochs).
Scores here and published: results/report_d.md.
"""

from ml_collections import ConfigDict

from configs import mlp_cgan_mnist

EPOCHS = {"19": 100, "20": 200}
# GAN-test and GAN-train, in per cent.
PUBLISHED = {"19": ("43.29 ± 0.40", "80.24"), "20": ("43.57 ± 0.57", "78.46")}


def get_config(model: str = "19") -> ConfigDict:
    if model not in EPOCHS:
        raise ValueError(f"no model {model!r} here; known: {', '.join(EPOCHS)}")
    config = mlp_cgan_mnist.get_config()
    config.published = mlp_cgan_mnist.published(*PUBLISHED[model])
    config.data.name = "fashion_mnist"
    config.num_epochs = EPOCHS[model]
    return config
