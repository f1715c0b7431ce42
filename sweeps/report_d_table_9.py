"""Report D, table 9 in our reading: FashionMNIST, models 19 and 20.

    python main.py --mode=sweep --sweep=sweeps/report_d_table_9.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

`--set=num_epochs=N` would make the two the same.

Cost: three times half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(19, {"published epochs": 100}),
        model(20, {"published epochs": 200}),
    ]
