"""Report A's conditional GAN, a function for each thing that the report varies.

    python main.py --mode=sweep --sweep=sweeps/report_a.py:batch_sizes \
        --workdir=runs/report_a --set=data.source=files --set=data.dir=DIR
"""

from configs import cgan_mnist
from gan_jax.sweep import Run, published_scores


def _variation(name: str, settings: dict[str, object]) -> Run:
    """The run of a variation; `settings` is what a sweep varies."""
    return Run(
        name=f"cgan_{name}",
        config=f"configs/cgan_mnist.py:{name}",
        settings=settings,
        published=published_scores(cgan_mnist.get_config(name).published),
    )


def batch_sizes() -> list[Run]:
    """Batch sizes of the conditional GAN: 128, 64 and 32.

    Cost: 50 epochs each, of a quarter of an hour (batch 128) or more on two CPU cores.
    """
    return [
        _variation("plain", {"batch size": 128}),
        _variation("batch_64", {"batch size": 64}),
        _variation("batch_32", {"batch size": 32}),
    ]


def filters() -> list[Run]:
    """Numbers of filters of the conditional GAN: as they are, and doubled.

    Published GAN-test with doubled filters is 97.8 %; at what batch size is not said.
    Ours is 128.

    Cost: 50 epochs each, of a quarter of an hour on two CPU cores, four times that with
    doubled filters.
    """
    return [
        _variation("plain", {"filters": "x 1"}),
        _variation("double_filters", {"filters": "x 2"}),
    ]


def optimizers() -> list[Run]:
    """Optimisers of the conditional GAN: Adam, SGD, Adagrad and RMSProp.

    Cost: 50 epochs each, of a quarter of an hour on two CPU cores.
    """
    return [
        _variation("plain", {"optimiser": "Adam"}),
        _variation("sgd", {"optimiser": "SGD"}),
        _variation("adagrad", {"optimiser": "Adagrad"}),
        _variation("rmsprop", {"optimiser": "RMSProp"}),
    ]
