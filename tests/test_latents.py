"""Paths and truncated draws against values by hand and SciPy's distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.gan import PRIORS
from gan_jax.latents import (
    PATHS,
    TRUNCATIONS,
    linear_path,
    scale_uniform,
    spherical_path,
    truncate_normal,
)

KEY = jax.random.key(0)


def test_every_prior_has_its_ways():
    assert set(PATHS) == set(TRUNCATIONS) == set(PRIORS)


def test_spherical_path_by_hand():
    # At right angles: sin((1 - t) 90 deg) a + sin(t 90 deg) b.
    path = spherical_path(
        jnp.array([3.0, 0.0]), jnp.array([0.0, 4.0]), jnp.array([0.0, 1 / 3, 0.5, 1.0])
    )

    half = np.sqrt(0.5)
    expected = [[3, 0], [3 * np.sqrt(0.75), 2], [3 * half, 4 * half], [0, 4]]
    np.testing.assert_allclose(path, expected, atol=1e-6)


def test_spherical_paths_keep_the_norm_and_turn_evenly():
    start, end = jax.random.normal(KEY, (2, 50))
    end = end * (jnp.linalg.norm(start) / jnp.linalg.norm(end))
    times = np.linspace(0, 1, 5)

    path = np.asarray(spherical_path(start, end, jnp.asarray(times)), np.float64)

    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    squared = start @ start
    np.testing.assert_allclose((path**2).sum(axis=1), squared, rtol=1e-5)
    angle = np.arccos(start @ end / squared)
    np.testing.assert_allclose(path @ start / squared, np.cos(times * angle), atol=1e-5)
    np.testing.assert_allclose(path[[0, -1]], [start, end], rtol=1e-6)
    # Half-way the straight line is nearer to the origin.
    assert np.linalg.norm((start + end) / 2) < 0.9 * np.linalg.norm(path[2])


def test_parallel_ends_are_joined_by_the_straight_line():
    path = spherical_path(
        jnp.array([1.0, 0.0]), jnp.array([3.0, 0.0]), jnp.array([0.0, 0.5, 1.0])
    )

    np.testing.assert_array_equal(path, [[1, 0], [2, 0], [3, 0]])


def test_linear_path_by_hand():
    path = linear_path(
        jnp.array([1.0, -1.0]), jnp.array([0.0, 1.0]), jnp.array([0.0, 0.25, 1.0])
    )

    np.testing.assert_array_equal(path, [[1, -1], [0.75, -0.5], [0, 1]])


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0])
def test_truncated_draws_have_the_truncated_distribution(threshold):
    latents = jax.random.normal(KEY, (100, 50))

    truncated = np.asarray(truncate_normal(latents, jax.random.key(1), threshold))

    assert np.abs(truncated).max() <= threshold
    within = np.abs(latents) <= threshold
    np.testing.assert_array_equal(truncated[within], latents[within])
    distribution = scipy.stats.truncnorm(-threshold, threshold)
    assert scipy.stats.kstest(truncated.ravel(), distribution.cdf).pvalue > 0.01
    # The redrawn ones alone as well: they are no clipped values.
    assert scipy.stats.kstest(truncated[~within], distribution.cdf).pvalue > 0.01


def test_without_a_threshold_draws_stay():
    latents = jax.random.normal(KEY, (3, 4))

    np.testing.assert_array_equal(
        truncate_normal(latents, jax.random.key(1), np.inf), latents
    )


def test_uniform_draws_are_scaled():
    scaled = scale_uniform(jnp.array([[-1.0, 0.5]]), KEY, 0.5)

    np.testing.assert_array_equal(scaled, [[-0.5, 0.25]])
