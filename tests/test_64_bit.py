"""JAX_ENABLE_X64, as in other people's programs that call us: the same numbers."""

import json
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import metrics
from gan_jax.analyses import analyse
from gan_jax.augment import random_flips, random_shifts
from gan_jax.evaluate import evaluate
from gan_jax.gan import PRIORS
from gan_jax.latents import TRUNCATIONS
from gan_jax.objective.smoothing import make_targets
from gan_jax.train import train
from gan_jax.workdir import EVALUATION_FILE

KEY = jax.random.key(3)


def in_both_modes(function):
    """(in 32-bit mode, in 64-bit mode), as NumPy arrays."""
    usual = jax.tree.map(np.asarray, function())
    with jax.enable_x64(True):
        assert jnp.zeros(1).dtype == jnp.float64
        return usual, jax.tree.map(np.asarray, function())


def assert_same(function):
    usual, wide = in_both_modes(function)
    chex.assert_trees_all_equal(usual, wide)
    assert jax.tree.map(lambda array: array.dtype, usual) == jax.tree.map(
        lambda array: array.dtype, wide
    )


@pytest.mark.parametrize("prior", PRIORS)
def test_draws_of_latents(prior):
    assert_same(lambda: PRIORS[prior](KEY, (50, 3)))
    latents = np.asarray(PRIORS[prior](KEY, (50, 3)))
    assert_same(lambda: TRUNCATIONS[prior](jnp.asarray(latents), KEY, 0.5))


@pytest.mark.parametrize("kind", ["none", "fixed", "random", "two_sided"])
def test_targets(kind):
    assert_same(lambda: make_targets(KEY, 20, kind=kind, amount=0.3))


@pytest.mark.slow
def test_augmentation():
    images = np.arange(2 * 6 * 6, dtype=np.uint8).reshape(2, 6, 6, 1).repeat(20, axis=0)
    assert_same(lambda: random_flips(jnp.asarray(images), KEY))
    assert_same(lambda: random_shifts(jnp.asarray(images), KEY, 2))


@pytest.mark.slow
def test_a_loaded_generator(tiny_run):
    def images():
        generator = gan_jax.load_generator(tiny_run[1])
        latents = generator.latents(KEY, [3, 1, 4])
        return (
            generator.sample(KEY, 12),
            latents,
            generator.generate(latents, [3, 1, 4], KEY),
            generator.generate(np.asarray(latents, float), [3, 1, 4], KEY),
        )

    assert_same(images)


def test_scores():
    logits = np.random.default_rng(5).normal(size=(30, 4), scale=3)
    labels = np.arange(30) % 4
    images = np.arange(12 * 8, dtype=np.uint8).reshape(12, 4, 2, 1)

    def scores(logits):
        return (
            metrics.inception_score(logits, 3),
            metrics.accuracy(logits, labels),
            metrics.class_frequencies(logits),
            metrics.nearest_neighbours(images, images[::-1], 2),
            metrics.frechet_distance(logits[:15], logits[15:]),
            metrics.kernel_distance(logits[:15], logits[15:], subset_size=9),
            metrics.precision_recall(logits[:15], logits[15:], 2),
            metrics.density_coverage(logits[:15], logits[15:], 2),
        )

    assert_same(lambda: scores(logits.astype(np.float32)))
    assert_same(lambda: scores(jnp.asarray(logits)))  # float64 in that mode


@pytest.mark.slow
def test_training_and_judging(tiny_run, tiny_world, tmp_path):
    """A run in 64-bit mode is the same run, from the first step to its scores."""
    config, usual = tiny_run
    timed = {"steps_per_second", "seconds_per_epoch", "seconds"}

    def rows(workdir):
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        return [
            {
                name: value
                for name, value in json.loads(line).items()
                if name not in timed
            }
            for line in lines
        ]

    with jax.enable_x64(True):
        assert train(config, tmp_path / "wide")
        wide_scores = evaluate(config, tmp_path / "wide")
        analyse(config, tmp_path / "wide", "interpolation")
    shutil.copytree(usual, tmp_path / "usual")
    (tmp_path / "usual" / EVALUATION_FILE).unlink(missing_ok=True)
    scores = evaluate(config, tmp_path / "usual")
    analyse(config, tmp_path / "usual", "interpolation")

    assert rows(tmp_path / "wide") == rows(usual)
    del scores["seconds"], wide_scores["seconds"]
    for result in (scores, wide_scores):
        result["best"].pop("seconds", None)
    assert wide_scores == scores
    pictures = [tmp_path / mode / "interpolation.png" for mode in ("usual", "wide")]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
