"""Kernel initialisers by name."""

import flax.linen as nn

KERNEL_INITIALIZERS = {
    # The mode and gain of PyTorch's kaiming_normal_, which report D used.
    "kaiming_normal": nn.initializers.variance_scaling(2.0, "fan_in", "normal"),
    "xavier_normal": nn.initializers.variance_scaling(1.0, "fan_avg", "normal"),
    # Keras's default, which report B used.
    "xavier_uniform": nn.initializers.variance_scaling(1.0, "fan_avg", "uniform"),
    "orthogonal": nn.initializers.orthogonal(),
    # Radford et al. 2016, section 4.
    "dcgan_normal": nn.initializers.normal(0.02),
}
