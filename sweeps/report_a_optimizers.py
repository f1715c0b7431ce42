"""Report A's optimisers of the conditional GAN: Adam, SGD, Adagrad and RMSProp.

    python main.py --mode=sweep --sweep=sweeps/report_a_optimizers.py \
        --workdir=runs/report_a --set=data.source=files --set=data.dir=DIR

Cost: 50 epochs each, of a quarter of an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_a import variation


def get_sweep() -> list[Run]:
    return [
        variation("plain", {"optimiser": "Adam"}),
        variation("sgd", {"optimiser": "SGD"}),
        variation("adagrad", {"optimiser": "Adagrad"}),
        variation("rmsprop", {"optimiser": "RMSProp"}),
    ]
