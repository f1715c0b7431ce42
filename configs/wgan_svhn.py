"""Report B's WGAN on SVHN: its baseline networks there with Wasserstein's loss.

    python main.py --config=configs/wgan_svhn.py --workdir=runs/wgan_svhn \
        --config.data.source=files --config.data.dir=DIR

Weight clipping as in wgan_mnist.py, but at c = 0.1: the critic has batch norm, with
which a gradient penalty on single images cannot be had, and at c = 0.01 its scales,
clipped too, leave so little of the signal that all losses were 0.000 from step 20 to
240. Published: pictures, no scores. Scores here, of both clippings:
results/report_b.md.

Cost: about one and a half seconds per step at batch 64 on one CPU core, so that 100
epochs of 8,000 images take five hours; less on two.
"""

from ml_collections import ConfigDict

from configs import dcgan_svhn, wgan_mnist


def get_config() -> ConfigDict:
    config = dcgan_svhn.get_config()
    wgan_mnist.set_weight_clipping(config)
    config.discriminator_optimizer.weight_clip = 0.1
    return config
