"""Report A's conditional GAN for its sweeps: what was published."""

from gan_jax.sweep import Run, Score

# Variation of configs/cgan_mnist.py: GAN-test. No spread and no GAN-train is published.
_PUBLISHED = {
    "plain": 0.958,
    "batch_64": 0.917,
    "batch_32": 0.971,
    "double_filters": 0.978,
    "sgd": 0.952,
    "adagrad": 0.951,
    "rmsprop": 0.948,
}


def variation(name: str, settings: dict[str, object]) -> Run:
    """The run of a variation; `settings` is what a sweep varies."""
    return Run(
        name=f"cgan_{name}",
        config=f"configs/cgan_mnist.py:{name}",
        settings=settings,
        published={"gan_test": Score(_PUBLISHED[name])},
    )
