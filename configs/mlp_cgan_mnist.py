"""Report D's conditional GAN on MNIST: models 6 to 18 by number, 9 without one.

    python main.py --config=configs/mlp_cgan_mnist.py:9 --workdir=runs/model_9 \
        --config.data.source=files --config.data.dir=DIR

Cost: half an hour to an hour on two CPU cores for the 100 epochs, with evaluation.
Scores here and published: results/report_d.md.
"""

from ml_collections import ConfigDict

from configs import default

# What differs from model 9.
MODELS = {
    "6": {"modes.generator_in_sampling": "eval", "d_steps": 1},
    "7": {
        "modes.generator_in_discriminator_step": "eval",
        "modes.generator_in_sampling": "eval",
        "d_steps": 1,
    },
    "8": {"d_steps": 1},
    "9": {},
    "10": {"label_width": 256, "d_steps": 1},
    "11": {"label_width": 256},
    "12": {"latent.prior": "uniform"},
    "13": {"loss.label_smoothing": "none"},
    "14": {"loss.label_smoothing": "fixed", "loss.label_smoothing_amount": 0.1},
    "15": {"loss.label_smoothing": "fixed", "loss.label_smoothing_amount": 0.15},
    "16": {"loss.label_smoothing": "fixed", "loss.label_smoothing_amount": 0.2},
    "17": {"generator.output": "sigmoid"},
    "18": {"num_epochs": 200},
}
# GAN-test and GAN-train, in per cent.
PUBLISHED = {
    "6": ("99.55 ± 0.08", "55.29"),
    "7": ("0.00", "none"),
    "8": ("86.83 ± 0.34", "91.70"),
    "9": ("89.40 ± 0.29", "94.49"),
    "10": ("90.93 ± 0.30", "92.94"),
    "11": ("92.54 ± 0.30", "87.00"),
    "12": ("90.37 ± 0.22", "91.77"),
    "13": ("89.31 ± 0.38", "92.81"),
    "14": ("89.69 ± 0.29", "93.76"),
    "15": ("89.89 ± 0.26", "94.50"),
    "16": ("90.04 ± 0.43", "92.83"),
    "17": ("75.50 ± 0.63", "82.32"),
    "18": ("93.04 ± 0.20", "93.99"),
}


def get_config(model: str = "9") -> ConfigDict:
    if model not in MODELS:
        raise ValueError(f"no model {model!r} here; known: {', '.join(MODELS)}")
    config = default.get_config()
    config.published = published(*PUBLISHED[model])
    config.d_steps = 2
    settings = dict(MODELS[model])
    width = settings.pop("label_width", 64)
    config.generator.label_width = config.discriminator.label_width = width
    config.update_from_flattened_dict(settings)
    return config


def published(gan_test: str, gan_train: str) -> ConfigDict:
    return ConfigDict({"gan_test": gan_test, "gan_train": gan_train})
