"""Report D's conditional models for the sweeps of its tables: what was published.

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


def model(number: int, settings: dict[str, object]) -> Run:
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
