"""Networks by name. A new network is a module and a line in one of these tables.

A network is a `network.Network`.
"""

from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.networks.residual import ResidualDiscriminator, ResidualGenerator
from gan_jax.networks.upsampling import UpsamplingGenerator

GENERATORS = {
    "mlp": MLPGenerator,
    "dcgan": DCGANGenerator,
    "upsampling": UpsamplingGenerator,
    "residual": ResidualGenerator,
}
DISCRIMINATORS = {
    "mlp": MLPDiscriminator,
    "dcgan": DCGANDiscriminator,
    "residual": ResidualDiscriminator,
}
