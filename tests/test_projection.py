"""Projection into latent space and directions, where both are known."""

import jax
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER

from gan_jax import build
from gan_jax.generator import Generator
from gan_jax.projection import directions, project

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def make_generator(small_config, tiny_spec):
    def make(fields=None):
        fields = fields or {}
        if "generator.name" not in fields:
            fields = ONE_HIDDEN_LAYER | fields
        config = small_config(
            {"latent.size": 3, "modes.generator_in_sampling": "eval"} | fields
        )
        gan = build.build_gan(config, tiny_spec)
        variables, _ = jax.jit(gan.init)(jax.random.key(1))
        sampler = build.build_sampler(config, gan)
        return Generator(tiny_spec, gan.conditional, 0, sampler, variables)

    return make


def test_a_generated_image_is_found_again(make_generator):
    generator = make_generator()
    labels = np.array([0, 1, 2, 1])
    images = np.asarray(generator.sample(jax.random.key(5), labels))

    def features(values):
        return values.reshape(len(values), -1)[:, ::2]

    found = project(generator, KEY, images, labels, features)

    # Differences of single bytes are left.
    assert found.pixel_distances.max() < 0.02
    np.testing.assert_array_less(
        np.abs(np.asarray(found.images, int) - images).mean(axis=(1, 2, 3)), 4
    )
    given = generator.generate(found.latents, labels, KEY)
    np.testing.assert_array_equal(found.images, given)
    # Another class's images are not reached as well.
    wrong = project(generator, KEY, images, (labels + 1) % 3, features)
    assert wrong.pixel_distances.mean() > 2 * found.pixel_distances.mean()


def test_projection_needs_eval_mode_and_two_images(make_generator):
    images = np.zeros((2, 4, 3, 1), np.uint8)
    trains = make_generator({"modes.generator_in_sampling": "train"})
    with pytest.raises(ValueError, match="eval mode"):
        project(trains, KEY, images, np.array([0, 1]), lambda values: values)
    with pytest.raises(ValueError, match="1 images"):
        project(make_generator(), KEY, images[:1], np.array([0]), lambda values: values)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, ("hidden_0", "input", "kernel")),
        (
            {"generator.name": "dcgan", "generator.strides": (1, 1, 1)},
            ("dense_0", "kernel"),
        ),
        (
            {
                "generator.name": "dcgan",
                "generator.strides": (1, 1, 1),
                "generator.dense_sizes": (),
            },
            ("projection", "kernel"),
        ),
        (
            {"generator.name": "residual", "generator.widths": (4,)},
            ("basis_factors", "kernel"),
        ),
    ],
    ids=["mlp", "dcgan", "no dense layers", "residual"],
)
def test_directions_are_singular_vectors_of_the_first_kernel(
    make_generator, fields, path
):
    generator = make_generator(fields)

    vectors, factors = directions(generator)

    kernel = generator.variables["params"]
    for name in path:
        kernel = kernel[name]
    left, singular, _ = np.linalg.svd(np.asarray(kernel, np.float64)[:3])
    np.testing.assert_allclose(factors, singular, rtol=1e-5)
    # The same up to their signs.
    np.testing.assert_allclose(np.abs(vectors @ left), np.eye(3), atol=1e-4)
    changes = np.linalg.norm(vectors @ np.asarray(kernel, np.float64)[:3], axis=1)
    np.testing.assert_allclose(changes, factors, rtol=1e-5)
