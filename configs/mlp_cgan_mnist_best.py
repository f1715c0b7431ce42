"""draft"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
    config = default.get_config()
    config.ema_decay = 0.999
    config.generator.dropout_rate = 0.0
    config.generator.output_batch_norm = False
    config.modes.generator_in_sampling = "eval"
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        optimizer.schedule = "cosine"
    return config
