"""Report D's unconditional GAN on MNIST: models 1 to 5 by number, 3 without one.

    python main.py --config=configs/mlp_gan_mnist.py:3 --workdir=runs/model_3 \
        --config.data.source=files --config.data.dir=DIR

Cost: about half an hour on two CPU cores for the 100 epochs. The report shows pictures
only: model 1 fails (noise on black), the others give digits. Scores here:
results/report_d.md.
"""

from ml_collections import ConfigDict

from configs import default

# What differs from model 3.
MODELS = {
    "1": {
        "modes.generator_in_discriminator_step": "eval",
        "modes.discriminator_in_generator_step": "eval",
    },
    "2": {
        "modes.discriminator_in_generator_step": "eval",
        "modes.generator_in_sampling": "train",
    },
    "3": {},
    "4": {"d_steps": 2},
    "5": {"d_steps": 2, "latent.prior": "uniform"},
}


def get_config(model: str = "3") -> ConfigDict:
    if model not in MODELS:
        raise ValueError(f"no model {model!r} here; known: {', '.join(MODELS)}")
    config = default.get_config()
    config.conditional = False
    config.modes.generator_in_sampling = "eval"
    config.eval.scores = ("inception_score",)
    config.update_from_flattened_dict(MODELS[model])
    return config
