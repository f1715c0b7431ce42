"""Report A's conditional GAN on MNIST (Yu & Gardner), and its variations by name.

    python main.py --config=configs/cgan_mnist.py:batch_32 --workdir=runs/cgan \
        --config.data.source=files --config.data.dir=DIR

Latents and labels, images and labels each have a branch of their own in both networks;
what follows is the DCGAN of dcgan_mnist.py. No GAN-train is published.

`best` has the published architecture and settings of ours: batch 64, a learning rate
that decays to 0, averaged generator weights, more dropout in the discriminator, and a
mode seeking term, without which z hardly matters for the first epoch.

Scores here: results/report_a.md.

Cost: on two CPU cores nine to seventeen minutes per epoch, of which there are 50.
"""

from ml_collections import ConfigDict

from configs import dcgan_mnist
from gan_jax.sections import term

# What differs from batch 128 with Adam.
VARIATIONS = dcgan_mnist.OPTIMIZERS | {
    "plain": {},
    **{
        name: dcgan_mnist.VARIATIONS[name]
        for name in ("batch_64", "batch_32", "double_filters")
    },
    "best": {
        "batch_size": 64,
        "ema_decay": 0.998,
        # More than 0.3 gives variety, which GAN-train asks for; 0.7 cost GAN-test.
        "discriminator.dropout_rate": 0.5,
        # At 1.0, the weight of its authors, half of the images were white.
        "terms": {"mode_seeking": term("mode_seeking", weight=0.05)},
        # Averaged batch statistics are not those of averaged weights: in eval mode the
        # images came out black.
        "modes.generator_in_sampling": "train",
        "generator_optimizer.schedule": "cosine",
        "discriminator_optimizer.schedule": "cosine",
    },
}
# GAN-test, in per cent.
PUBLISHED = {
    "plain": "95.8",
    "batch_64": "91.7",
    "batch_32": "97.1",
    "double_filters": "97.8",
    "sgd": "95.2",
    "adagrad": "95.1",
    "rmsprop": "94.8",
    "best": "97.1; 97.8 with doubled filters",
}


def get_config(variation: str = "plain") -> ConfigDict:
    if variation not in VARIATIONS:
        raise ValueError(
            f"no variation {variation!r} here; known: {', '.join(VARIATIONS)}"
        )
    config = dcgan_mnist.get_config()
    config.published = ConfigDict({"gan_test": PUBLISHED[variation]})
    config.conditional = True
    config.generator.conditioning = "branches"
    config.generator.dense_sizes = ()
    config.discriminator.conditioning = "branches"
    config.eval.scores = ("inception_score", "gan_test", "gan_train")
    config.update_from_flattened_dict(VARIATIONS[variation])
    return config
