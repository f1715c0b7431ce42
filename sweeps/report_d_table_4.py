"""Report D, table 4 in our reading: the prior of z, models 9 and 12.

    python main.py --mode=sweep --sweep=sweeps/report_d_table_4.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Cost: twice half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(9, {"z": "normal"}),
        model(12, {"z": "uniform"}),
    ]
