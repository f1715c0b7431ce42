"""Report D's conditional models, a function for each of the report's tables.

    python main.py --mode=sweep --sweep=sweeps/report_d.py:table_3 \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Which model stands in which of the report's tables is our reading of it: a table is
named by what it varies, and has the models that differ in nothing else.
"""

from configs import mlp_cgan_fashion_mnist, mlp_cgan_mnist
from gan_jax.sweep import Run, published_scores


def _model(number: int, settings: dict[str, object]) -> Run:
    """The run of a model, 6 to 20; `settings` is what a table varies."""
    system = mlp_cgan_mnist if number < 19 else mlp_cgan_fashion_mnist
    name = system.__name__.rpartition(".")[2]
    return Run(
        name=f"model_{number}",
        config=f"configs/{name}.py:{number}",
        settings=settings,
        published=published_scores(system.get_config(str(number)).published),
    )


def modes() -> list[Run]:
    """Modes of the generator, models 6 to 8.

    Sampling in eval mode gives nearly every image its class and little diversity; with
    eval mode in the discriminator's steps too the report's generator collapses.

    Cost: three times half an hour to an hour on two CPU cores.
    """
    return [
        _model(6, {"in discriminator steps": "train", "in sampling": "eval"}),
        _model(7, {"in discriminator steps": "eval", "in sampling": "eval"}),
        _model(8, {"in discriminator steps": "train", "in sampling": "train"}),
    ]


def table_3() -> list[Run]:
    """Label width x D:G, models 8 to 11.

    Cost: four times half an hour to an hour on two CPU cores.
    """
    return [
        _model(8, {"label width": 64, "D:G": "1:1"}),
        _model(9, {"label width": 64, "D:G": "2:1"}),
        _model(10, {"label width": 256, "D:G": "1:1"}),
        _model(11, {"label width": 256, "D:G": "2:1"}),
    ]


def table_4() -> list[Run]:
    """The prior of z, models 9 and 12.

    Cost: twice half an hour to an hour on two CPU cores.
    """
    return [
        _model(9, {"z": "normal"}),
        _model(12, {"z": "uniform"}),
    ]


def table_5() -> list[Run]:
    """Soft labels, models 9 and 13 to 16.

    Cost: five times half an hour to an hour on two CPU cores.
    """
    return [
        _model(13, {"soft label": "none"}),
        _model(14, {"soft label": "0.1"}),
        _model(15, {"soft label": "0.15"}),
        _model(16, {"soft label": "0.2"}),
        _model(9, {"soft label": "0.15 random"}),
    ]


def table_7() -> list[Run]:
    """The output, models 9 and 17.

    Cost: twice half an hour to an hour on two CPU cores.
    """
    return [
        _model(9, {"output": "tanh"}),
        _model(17, {"output": "sigmoid"}),
    ]


def table_8() -> list[Run]:
    """Epochs, models 9 (100) and 18 (200).

    `--set=num_epochs=N` would make the two the same.

    Cost: three times half an hour to an hour on two CPU cores.
    """
    return [
        _model(9, {"published epochs": 100}),
        _model(18, {"published epochs": 200}),
    ]


def table_9() -> list[Run]:
    """FashionMNIST, models 19 and 20.

    `--set=num_epochs=N` would make the two the same.

    Cost: three times half an hour to an hour on two CPU cores.
    """
    return [
        _model(19, {"published epochs": 100}),
        _model(20, {"published epochs": 200}),
    ]
