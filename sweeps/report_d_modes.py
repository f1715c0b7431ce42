"""Report D's modes of the generator, models 6 to 8.

    python main.py --mode=sweep --sweep=sweeps/report_d_modes.py \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Sampling in eval mode gives nearly every image its class and little diversity; with
eval mode in the discriminator's steps too the report's generator collapses.

Cost: three times half an hour to an hour on two CPU cores.
"""

from gan_jax.sweep import Run
from sweeps.report_d import model


def get_sweep() -> list[Run]:
    return [
        model(6, {"in discriminator steps": "train", "in sampling": "eval"}),
        model(7, {"in discriminator steps": "eval", "in sampling": "eval"}),
        model(8, {"in discriminator steps": "train", "in sampling": "train"}),
    ]
