"""R3GAN, small, on MNIST.

    python main.py --config=configs/r3gan_mnist.py --workdir=runs/r3gan_mnist \
        --config.data.source=files --config.data.dir=DIR
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax import sections


def get_config() -> ConfigDict:
    config = default.get_config()
    config.num_steps = 20_000
    config.batch_size = 64
    config.latent.size = 64
    config.ema_decay = 0.9
    widths = (48, 48, 48)
    config.generator = sections.generator("residual", widths=widths)
    config.discriminator = sections.discriminator("residual", widths=widths)
    config.modes.generator_in_sampling = "eval"
    config.loss = sections.game("relativistic")
    config.terms.penalty = sections.term("r1_r2_penalty", gamma=0.5)
    schedules = config.schedules
    schedules.ema_decay = sections.schedule(0.999, until=0.5)
    schedules.terms = ConfigDict({"penalty": {"gamma": sections.schedule(0.05)}})
    for player in ("generator", "discriminator"):
        optimizer = config[f"{player}_optimizer"]
        optimizer.learning_rate = 5e-4
        optimizer.arguments.b1 = 0.0
        optimizer.arguments.b2 = 0.9
        schedules[f"{player}_optimizer"] = ConfigDict(
            {
                "learning_rate": sections.schedule(1e-4),
                "arguments": {"b2": sections.schedule(0.99)},
            }
        )
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 2000
    config.steps_per_dispatch = 10
    return config
