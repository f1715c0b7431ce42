"""Report D, table 8 in our reading: epochs, models 9 (100) and 18 (200).

    python main.py --mode=sweep --sweep=sweeps/report_d_table_8.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

`--set=num_epochs=N` would make the two the same.

Cost: three times half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(9, {"published epochs": 100}),
        model(18, {"published epochs": 200}),
    ]
