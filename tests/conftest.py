"""Strict settings for every test, and the small worlds that several of them share."""

import os

# Before jax is imported, and inherited by the programs that tests start. The tests
# marked gpu are run with another value.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the tests' time is XLA's, which compiles nearly twice as fast at this level.
# (At level 0 the loop that trains the resnet gave NaN, with jax 0.10.2.)
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")

import importlib
import pathlib
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from gan_jax import build, training
from gan_jax.classifier import ClassifierSettings
from gan_jax.command_line import update
from gan_jax.data import Dataset, DatasetSpec, load_dataset
from gan_jax.generator import open_checkpoints
from gan_jax.train import train
from gan_jax.types import Batch
from gan_jax.workdir import save_config

jax.config.update("jax_numpy_rank_promotion", "raise")

# Shells start what runs in the background with these ignored, and what tests start
# would inherit that.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(
            _number,
            signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL,
        )

# Sizes that differ from each other, so that no mix-up of two goes unseen.
SMALL_FIELDS = {
    "batch_size": 6,
    "num_steps": 20,
    "latent.size": 7,
    # Every class must have a place.
    "sampling.batch_size": 11,
    "eval.inception_sizes": (),
}
SMALL_MLPS = {
    "generator.hidden_sizes": (16, 12),
    "generator.label_width": 5,
    "discriminator.hidden_sizes": (14, 10),
    "discriminator.label_width": 4,
}
# For tests to which the depth means nothing: compiles in half the time of two layers.
ONE_HIDDEN_LAYER = {
    "generator.hidden_sizes": (8,),
    "discriminator.hidden_sizes": (9,),
}


@pytest.fixture(scope="session", autouse=True)
def judge_cache(tmp_path_factory) -> pathlib.Path:
    """Judges that tests train are shared between them, away from the user's cache."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # all workers'
    folder = folder / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(request) -> None:
    """What one test compiled the others need not, nor the next run of the tests.

    XLA takes most of the tests' time. Programs that tests start have the same cache;
    `pytest --cache-clear` empties it.
    """
    settings = {
        "jax_compilation_cache_dir": str(request.config.cache.mkdir("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.05,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))
        yield


@pytest.fixture(scope="session")
def tiny_spec() -> DatasetSpec:
    return DatasetSpec("tiny", (4, 3, 1), 3, ("a", "b", "c"))


@pytest.fixture(scope="session")
def small_config():
    """small_config({field: value}, name=..., model=...): a config file's, shrunk."""

    def make(
        fields: dict | None = None, *, name: str = "default", model: str | None = None
    ) -> ConfigDict:
        module = importlib.import_module(f"configs.{name}")
        config = module.get_config() if model is None else module.get_config(model)
        if config.generator.name == "mlp":
            config.update_from_flattened_dict(SMALL_MLPS)
        else:
            small_network(config.generator)
            small_network(config.discriminator)
        update(config, SMALL_FIELDS | (fields or {}))
        return config

    return make


@pytest.fixture(scope="session")
def tiny_mnist() -> Dataset:
    """Real digits, 40 training and 20 test images of every class, classes in turn."""
    full = load_dataset(name="mnist", source="embedded")

    def in_turn(images, labels, per_class):
        rows = [np.flatnonzero(labels == label)[:per_class] for label in range(10)]
        rows = np.stack(rows, axis=1).reshape(-1)
        return images[rows], labels[rows]

    return Dataset(
        full.spec,
        *in_turn(full.train_images, full.train_labels, 40),
        *in_turn(full.test_images, full.test_labels, 20),
    )


@pytest.fixture(scope="session")
def quick_judge() -> ClassifierSettings:
    """A judge that is trained within seconds, and not good."""
    return ClassifierSettings(num_epochs=1, min_steps=40, batch_size=50)


def stack(batches: list[Batch]) -> Batch:
    """Real batches as a train step takes them, [number, B, ...]."""
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *batches)


def saved_run(config, workdir):
    """A run of one checkpoint, step 5, whose variables look trained; nothing is run."""
    gan = build.build_gan(config, build.dataset_spec(config))
    shapes = jax.eval_shape(
        lambda: training.build_training(config, gan, 1, [gan.no_examples()])[1]
    )
    random = np.random.default_rng(0)

    def trained(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        values = random.normal(scale=0.3, size=leaf.shape)
        if leaf.ndim == 1:
            values = 0.5 + abs(values)  # scales and variances
        return values.astype(leaf.dtype)

    state = jax.tree.map(trained, shapes)
    save_config(workdir, config)
    with open_checkpoints(config, workdir) as checkpoints:
        checkpoints.save(5, state)


def small_network(network: ConfigDict) -> None:
    """Gives a convolutional network few filters and units, and small kernels."""
    fewer = {
        "projection_filters": 3,
        "num_filters": 2,
        "branch_filters": 2,
        "reference_examples": 4,
        "kernel_size": 2,
        "branch_kernel_size": 2,
        "embedding_size": 3,
    }
    for field in ("filters", "dense_sizes", "widths"):
        sizes = network.get(field, ())
        fewer[field] = tuple(range(2, 2 + len(sizes)))
    for field, value in fewer.items():
        if field in network:
            network[field] = value
    if "kernel_sizes" in network:
        network.kernel_sizes = (2,) * len(network.kernel_sizes)


def _enter_tiny_world(patch, dataset, judge):
    patch.setattr(build, "build_dataset", lambda config: dataset)
    patch.setattr(build, "classifier_settings", lambda config: judge)


@pytest.fixture
def tiny_world(monkeypatch, tiny_mnist, quick_judge) -> Dataset:
    """Configs now give the tiny data set, which it returns, and the quick judge."""
    _enter_tiny_world(monkeypatch, tiny_mnist, quick_judge)
    return tiny_mnist


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, small_config, tiny_mnist, quick_judge):
    """(config, workdir) of 12 finished steps in the tiny world, saved every 4."""
    config = small_config(
        ONE_HIDDEN_LAYER
        | {
            "num_steps": 12,
            "log_every": 4,
            "checkpoint_every": 4,
            "sample_every": 12,
            "steps_per_dispatch": 3,
            "ema_decay": 0.5,
            "data.source": "embedded",
            "checkpoints.keep_latest": 2,
            "checkpoints.best_num_samples": 100,
            "eval.num_samples": 60,
            "eval.num_splits": 3,
            "eval.num_runs": 2,
        }
    )
    workdir = tmp_path_factory.mktemp("tiny_run")
    with pytest.MonkeyPatch.context() as patch:
        _enter_tiny_world(patch, tiny_mnist, quick_judge)
        assert train(config, workdir)
    return config, workdir
