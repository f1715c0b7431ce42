"""Report A's numbers of filters of the conditional GAN: as they are, and doubled.

    python main.py --mode=sweep --sweep=sweeps/report_a_filters.py \
        --workdir=runs/report_a --set=data.source=files --set=data.dir=DIR

Published GAN-test with doubled filters is 97.8 %; at what batch size is not said. Ours
is 128.

Cost: 50 epochs each, of a quarter of an hour on two CPU cores, four times that with
doubled filters.
"""

from gan_jax.sweep import Run
from sweeps.report_a import variation


def get_sweep() -> list[Run]:
    return [
        variation("plain", {"filters": "x 1"}),
        variation("double_filters", {"filters": "x 2"}),
    ]
