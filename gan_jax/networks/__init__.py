"""Networks by name. A new network is a module and a line in one of these tables.

Besides a call, a network has: CONDITIONINGS, the ways in which it can use labels;
`conditioning`, the one it uses; `check()`, which raises ValueError for settings that
cannot be; `mixes_examples`, whether outputs depend on the others of a batch in train
mode; `reference_size`, see `reference.py`.
"""

from gan_jax.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_jax.networks.mlp import MLPDiscriminator, MLPGenerator
from gan_jax.networks.upsampling import UpsamplingGenerator

GENERATORS = {
    "mlp": MLPGenerator,
    "dcgan": DCGANGenerator,
    "upsampling": UpsamplingGenerator,
}
DISCRIMINATORS = {"mlp": MLPDiscriminator, "dcgan": DCGANDiscriminator}
