"""Report D's conditional models, a function for each of the report's tables.

    python main.py --mode=sweep --sweep=sweeps/report_d.py:table_3 \
        --workdir=runs/report_d --set=data.source=files --set=data.dir=DIR

Which model stands in which of the report's tables is our reading of it: a table is
named by what it varies, and has the models that differ in nothing else.
"""

from gan_jax.sweep import Run, Score

# model: GAN-test (± sample standard deviation of 10 runs), GAN-train (one run).
_PUBLISHED = {
    6: (Score(0.9955, 0.0008), Score(0.5529)),
    7: (Score(0.0), None),
    8: (Score(0.8683, 0.0034), Score(0.9170)),
    9: (Score(0.8940, 0.0029), Score(0.9449)),
    10: (Score(0.9093, 0.0030), Score(0.9294)),
    11: (Score(0.9254, 0.0030), Score(0.8700)),
    12: (Score(0.9037, 0.0022), Score(0.9177)),
    13: (Score(0.8931, 0.0038), Score(0.9281)),
    14: (Score(0.8969, 0.0029), Score(0.9376)),
    15: (Score(0.8989, 0.0026), Score(0.9450)),
    16: (Score(0.9004, 0.0043), Score(0.9283)),
    17: (Score(0.7550, 0.0063), Score(0.8232)),
    18: (Score(0.9304, 0.0020), Score(0.9399)),
    19: (Score(0.4329, 0.0040), Score(0.8024)),
    20: (Score(0.4357, 0.0057), Score(0.7846)),
}


def _model(number: int, settings: dict[str, object]) -> Run:
    """The run of a model, 6 to 20; `settings` is what a table varies."""
    gan_test, gan_train = _PUBLISHED[number]
    name = "mlp_cgan_mnist" if number < 19 else "mlp_cgan_fashion_mnist"
    return Run(
        name=f"model_{number}",
        config=f"configs/{name}.py:{number}",
        settings=settings,
        published={"gan_test": gan_test}
        | ({} if gan_train is None else {"gan_train": gan_train}),
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
