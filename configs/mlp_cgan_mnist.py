"""Report D's conditional GAN on MNIST: models 6 to 18 by number, 9 without one.

    python main.py --config=configs/mlp_cgan_mnist.py:9 --workdir=runs/model_9 \
        --config.data.source=files --config.data.dir=DIR

Cost: half an hour to an hour on two CPU cores for the 100 epochs, with evaluation.
Published GAN-test and GAN-train of model 9: 89.40 and 94.49 %. Scores here:
results/report_d.md.
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


def get_config(model: str = "9") -> ConfigDict:
    if model not in MODELS:
        raise ValueError(f"no model {model!r} here; known: {', '.join(MODELS)}")
    config = default.get_config()
    config.d_steps = 2
    settings = dict(MODELS[model])
    width = settings.pop("label_width", 64)
    config.generator.label_width = config.discriminator.label_width = width
    config.update_from_flattened_dict(settings)
    return config
