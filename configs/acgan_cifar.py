"""Report C's AC-GAN on CIFAR-10 (Sridhar).

    python main.py --config=configs/acgan_cifar.py --workdir=runs/acgan \
        --config.data.source=files --config.data.dir=DIR

The discriminator classifies besides (Odena et al. 2017). Published Inception Score of
1,507 images in 10 splits after 500 epochs: 4.02 and 4.01; real images 11.24. Those are
of the Inception network, ours of a judge of CIFAR-10: they cannot be compared.
The generator's source loss is the non-saturating -log D(G(z)) in place of the report's
-L_S. The report is silent on the optimiser, the batch size, how z and the class join,
initialisation (Xavier's here), batch norm's momentum and epsilon (0.9, 1e-5) and the
range of the uniform z ([-1, 1)). On MNIST
`terms.discriminator_class_loss.classify_generated=False` keeps classes better: see
docs/journal.md.

Scores here: results/report_c.md.

Cost: on two CPU cores 0.45 to 0.6 s per step, 500 to an epoch, so that all 500 epochs
are a matter of 35 hours (for a GPU); the judge, and GAN-train's classifier, half an
hour to an hour each.
"""

from ml_collections import ConfigDict

from configs import default
from gan_jax import sections


def get_config() -> ConfigDict:
    config = default.get_config()
    config.published = published("4.02 ± 0.18")
    config.num_epochs = 500
    config.batch_size = 100
    config.data.name = "cifar10"
    config.latent.size = 110
    config.latent.prior = "uniform"
    generator = config.generator = sections.generator("dcgan")
    discriminator = config.discriminator = sections.discriminator("dcgan")
    for network in (generator, discriminator):
        network.negative_slope = 0.01
        network.norm_after_activation = True
        network.kernel_init = "xavier_uniform"
    generator.conditioning = "embedding"
    generator.dense_sizes = ()
    generator.projection_filters = 512
    generator.projection_norm = False
    generator.filters = (256, 128, 64)
    generator.strides = (2, 2, 2, 2)
    discriminator.conditioning = "auxiliary"
    discriminator.filters = (16, 32, 64, 128, 256, 512)
    discriminator.kernel_sizes = (5, 5, 3, 5, 3, 3)
    discriminator.strides = (2, 1, 2, 1, 2, 1)
    discriminator.norm_layers = (False, True, True, True, True, False)
    discriminator.pool_layers = (False,) * 6
    discriminator.dense_sizes = ()
    discriminator.dropout_rate = 0.0
    config.modes.generator_in_sampling = "eval"
    config.loss = sections.game("non_saturating")
    for name in ("discriminator_class_loss", "generator_class_loss"):
        config.terms[name] = sections.term(name)
    config.classifier.name = "resnet"
    config.eval.inception_sizes = (1_507, 50_000)
    config.log_every = 50
    config.sample_every = 500
    config.checkpoint_every = 5000
    config.steps_per_dispatch = 10
    return config


def published(inception_score: str) -> ConfigDict:
    return ConfigDict({"inception_score": f"{inception_score} (Inception network)"})
