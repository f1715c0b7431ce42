"""Scores agree with public libraries on inputs that make them difficult."""

import numpy as np
import pytest

from gan_jax.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)

# Fréchet distance, kernel distance of all images, precision and recall of
# torch-fidelity 0.4.0; density and coverage of prdc 0.2; of float64 features, with five
# neighbours.
EXPECTED = {
    "plain": (8.0967423393341, 0.16719878470672178, 1, 0.245, 4.417, 1),
    "few": (28.022904902519485, 0.13354621142478962, 1, 0.4, 2.341666666666667, 1),
    "rank": (6.809803559502271, 0.21783029386681685, 1, 0.42, 2.844, 0.995),
    "duplicates": (16.966412337699353, 0.7277714715355517, 1, 0.02, 3.712, 0.7),
    "outliers": (35646.952158221975, 501004727948084.75, 0.985, 0.315, 4.293, 1),
    "constant": (6.053214917389084, 0.14475404446518247, 1, 0.315, 3.902, 1),
    "offset": (8.09674109872256, 3952002304.0, 1, 0.245, 4.417, 1),
}


def draw(kind):
    """Real and generated features, float32 [N, 32]."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(32, 32)) / 4
    real, fake = (
        np.float32(scale * random.normal(size=(200, 32)) @ mixing)
        for scale in (1.0, 0.7)
    )
    if kind == "few":  # images than features
        real, fake = real[:20], fake[:24]
    if kind == "rank":  # half of it
        real[:, 16:], fake[:, 16:] = real[:, :16], fake[:, :16]
    if kind == "duplicates":
        real, fake = (np.repeat(each[:50], 4, axis=0) for each in (real, fake))
    if kind == "outliers":
        real[:2], fake[:3] = 1000, -1000
    if kind == "constant":
        real[:, :8] = fake[:, :8] = 1
    if kind == "offset":
        real, fake = real + np.float32(1000), fake + np.float32(1000)
    return real, fake


@pytest.mark.parametrize("kind", EXPECTED)
def test_scores_agree_with_public_libraries(kind):
    real, fake = draw(kind)
    number = min(len(real), len(fake))
    distance, of_kernel, *of_neighbours = EXPECTED[kind]

    mean, _ = kernel_distance(
        real[:number], fake[:number], num_subsets=1, subset_size=number
    )

    assert frechet_distance(real, fake) == pytest.approx(distance, rel=1e-5)
    assert mean == pytest.approx(of_kernel, rel=1e-5)
    found = *precision_recall(real, fake, 5), *density_coverage(real, fake, 5)
    assert found == pytest.approx(of_neighbours, rel=1e-6)
