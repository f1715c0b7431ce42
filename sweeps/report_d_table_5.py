"""Report D, table 5 in our reading: soft labels, models 9 and 13 to 16.

    python main.py --mode=sweep --sweep=sweeps/report_d_table_5.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Cost: five times half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(13, {"soft label": "none"}),
        model(14, {"soft label": "0.1"}),
        model(15, {"soft label": "0.15"}),
        model(16, {"soft label": "0.2"}),
        model(9, {"soft label": "0.15 random"}),
    ]
