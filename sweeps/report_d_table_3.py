"""Report D, table 3 in our reading: label width x D:G, models 8 to 11.

    python main.py --mode=sweep --sweep=sweeps/report_d_table_3.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Cost: four times half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(8, {"label width": 64, "D:G": "1:1"}),
        model(9, {"label width": 64, "D:G": "2:1"}),
        model(10, {"label width": 256, "D:G": "1:1"}),
        model(11, {"label width": 256, "D:G": "2:1"}),
    ]
