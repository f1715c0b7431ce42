"""Report A's batch sizes of the conditional GAN: 128, 64 and 32.

    python main.py --mode=sweep --sweep=sweeps/report_a_batch_sizes.py \
        --workdir=runs/report_a --set=data.source=files --set=data.dir=DIR

Cost: 50 epochs each, of a quarter of an hour (batch 128) or more on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_a import variation


def get_sweep() -> list[Run]:
    return [
        variation("plain", {"batch size": 128}),
        variation("batch_64", {"batch size": 64}),
        variation("batch_32", {"batch size": 32}),
    ]
