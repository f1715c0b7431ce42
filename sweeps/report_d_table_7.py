"""Report D, table 7 in our reading: the output, models 9 and 17.

    python main.py --mode=sweep --sweep=sweeps/report_d_table_7.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Cost: twice half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(9, {"output": "tanh"}),
        model(17, {"output": "sigmoid"}),
    ]
