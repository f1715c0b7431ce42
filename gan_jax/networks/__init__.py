"""Networks by name. A new network is a module and a line in one of these tables."""

from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator

GENERATORS = {"mlp": MLPGenerator}
DISCRIMINATORS = {"mlp": MLPDiscriminator}
