"""R3GAN (Huang et al. 2024), made small, on MNIST.

    python main.py --config=configs/r3gan_mnist.py --workdir=runs/r3gan_mnist \
        --config.data.source=files --config.data.dir=DIR
    python main.py --config=configs/r3gan_mnist.py:gpu ...

Relativistic pairs with R1 and R2 penalties; residual networks without any norm. As
published, learning rates, b2 and gamma change by a cosine, here over all of training
(the paper: over the first 8 %). Gamma is the hard knob: change `terms.penalty.gamma`
and `schedules.terms.penalty.gamma.end` by the same factor, 2 to 4 at a time. Here
widths, batch and number of images are small, convolutions ungrouped and images not
augmented (`--config.augmentations="('translation', 'cutout')"` adds some), the
generator's step has the real images of the discriminator's, and the average's
half-life is limited by the steps done.

Cost: 1.4 to 1.6 s per step on two CPU cores, three hours in all. `:gpu` has not been
run. Scores: results/modern.md.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax import sections

# Widths from the coarsest stage on; batch; learning rate at first; gamma at first.
SIZES = {
    "cpu": ((96, 48, 16), 64, 5e-4, 0.5),
    "gpu": ((256, 256, 192), 256, 4e-4, 0.2),
}


def get_config(size: str = "cpu") -> ConfigDict:
    return r3gan(size, "mnist")


def r3gan(size: str, data: str) -> ConfigDict:
    """Of a size from SIZES, for images of 28 or 32 pixels."""
    if size not in SIZES:
        raise ValueError(f"no size {size!r} here; known: {', '.join(SIZES)}")
    widths, batch_size, rate, gamma = SIZES[size]
    config = default.get_config()
    config.num_steps = 8_000
    config.batch_size = batch_size
    config.data.name = data
    config.latent.size = 64
    config.generator = sections.generator("residual", widths=widths)
    config.discriminator = sections.discriminator("residual", widths=widths[::-1])
    config.modes.generator_in_sampling = "eval"
    config.loss = sections.game("relativistic")
    config.terms.penalty = sections.term("r1_r2_penalty", gamma=gamma)
    config.ema_decay = 0.999
    config.ema_rampup = 0.05
    schedules = config.schedules
    schedules.terms = ConfigDict()
    schedules.terms.penalty = ConfigDict()
    schedules.terms.penalty.gamma = sections.schedule(gamma / 10)
    for player in ("generator", "discriminator"):
        optimizer = config[f"{player}_optimizer"]
        optimizer.learning_rate = rate
        optimizer.arguments.b1 = 0.0
        optimizer.arguments.b2 = 0.9
        changing = schedules[f"{player}_optimizer"] = ConfigDict()
        changing.learning_rate = sections.schedule(rate / 4)
        changing.arguments = ConfigDict()
        changing.arguments.b2 = sections.schedule(0.99)
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 2000
    config.steps_per_dispatch = 10
    return config
