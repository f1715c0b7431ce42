"""Report A's DCGAN on MNIST with virtual batch normalisation in place of batch norm.

    python main.py --config=configs/dcgan_vbn_mnist.py --workdir=runs/dcgan_vbn \
        --config.data.source=files --config.data.dir=DIR

Each activation is normalised with the statistics of a reference batch, fixed before
training, combined with the example's own (Salimans et al. 2016, section 3.5). The
report found it no better than batch norm on MNIST. Scores here: results/report_a.md.

Cost: on two CPU cores about six and a half minutes per epoch, five hours in all.
"""

from ml_collections import ConfigDict

from configs import dcgan_mnist


def get_config() -> ConfigDict:
    return dcgan_mnist.get_config("virtual_batch_norm")
