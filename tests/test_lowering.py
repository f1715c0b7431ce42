"""What every config trains can be lowered for GPUs, on a machine without one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_configs import EVERY, load

from gan_jax import build
from gan_jax.data import Dataset, DatasetSpec
from gan_jax.training import build_training, initial_order, reference_examples
from gan_jax.types import Batch

NUM_EXAMPLES = 640


def lowered(config, platform):
    """The program of many train steps, in full size; nothing of it is compiled."""
    if not build.is_complete(config):
        own = DatasetSpec("own", (32, 32, 3), 2, ("a", "b"))
        config = build.completed(config, own, "")
    spec = build.dataset_spec(config)
    gan = build.build_gan(config, spec)
    images = np.zeros((NUM_EXAMPLES, *gan.image_shape), np.uint8)
    labels = np.arange(NUM_EXAMPLES, dtype=np.int32) % gan.num_classes
    dataset = Dataset(spec, images, labels, images, labels)
    references = reference_examples(config, gan, dataset)
    programs = []

    def initial_state():
        run_steps, state = build_training(config, gan, 10, references)
        programs.append(run_steps)
        return state

    shapes = (
        jax.eval_shape(initial_state),
        jax.eval_shape(lambda: initial_order(config, NUM_EXAMPLES)),
        Batch(images, labels),
        jax.ShapeDtypeStruct((), jnp.int32),
    )
    (run_steps,) = programs
    return run_steps.trace(*shapes).lower(lowering_platforms=(platform,)).as_text()


def is_sized_alike(name):
    """Whether the config is another one's, for images of another size."""
    family, _, data = name.partition("_")
    return family in ("sngan", "r3gan") and data != "mnist"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        # These differ from others in sizes and modes.
        pytest.param(
            name,
            model,
            marks=pytest.mark.slow if model or is_sized_alike(name) else (),
        )
        for name, model in EVERY
    ],
    ids=str,
)
def test_train_steps_lower_for_cuda(name, model, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    config = load(name, model)

    program = lowered(config, "cuda")

    assert "fft" not in program
    convolves = config.generator.name != "mlp"
    assert ("stablehlo.convolution" in program) == convolves
