"""The joined losses against NumPy, and every choice that a Gan makes."""

import dataclasses
import itertools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpy_mlp
import pytest
from conftest import ONE_HIDDEN_LAYER
from numpy_mlp import softplus

from gan_jax import build
from gan_jax.gan import Gan, PhaseModes, count_params
from gan_jax.networks.mlp import MLPDiscriminator
from gan_jax.objective import Objective
from gan_jax.objective.games import Wasserstein
from gan_jax.objective.terms import (
    L1,
    DiscriminatorClassLoss,
    GeneratorClassLoss,
    GradientPenalty,
    ModeSeeking,
)
from gan_jax.schedules import Progress, Schedule
from gan_jax.types import Batch, PlayerState, Verdict

KEY = jax.random.key(3)
BATCH = 6
REAL = Batch(
    jax.random.randint(jax.random.key(1), (BATCH, 4, 3, 1), 0, 256).astype(jnp.uint8),
    jnp.array([2, 0, 1, 1, 2, 0]),
)
LATENTS = jax.random.normal(jax.random.key(2), (BATCH, 7))
LABELS = jnp.array([1, 1, 0, 2, 0, 2])
PLAIN = ONE_HIDDEN_LAYER | {
    "generator.dropout_rate": 0.0,
    "discriminator.dropout_rate": 0.0,
    "loss.label_smoothing": "fixed",
    "loss.label_smoothing_amount": 0.1,
}


def player(variables):
    variables = jax.tree.map(jnp.asarray, variables)
    model_state = {name: variables[name] for name in variables if name != "params"}
    return PlayerState(variables["params"], model_state, opt_state=())


@pytest.fixture
def make_gan(small_config, tiny_spec):
    def make(fields=None):
        return build.build_gan(small_config(PLAIN | (fields or {})), tiny_spec)

    return make


@pytest.fixture
def fixed_draws(monkeypatch):
    """The latents and classes of generated images are LATENTS and LABELS."""
    monkeypatch.setattr(Gan, "sample_latents", lambda self, key, size: LATENTS)
    monkeypatch.setattr(Gan, "sample_labels", lambda self, key, size: LABELS)


def players(gan):
    generator, discriminator = (
        numpy_mlp.randomized(variables, seed)
        for seed, variables in enumerate(jax.jit(gan.init)(jax.random.key(0)))
    )
    return player(generator), player(discriminator)


def discriminator_loss(gan, generator, discriminator, key=KEY):
    return gan.discriminator_loss(
        discriminator.params, discriminator, generator, REAL, key
    )


def generator_loss(gan, generator, discriminator, key=KEY):
    return gan.generator_loss(generator.params, generator, discriminator, REAL, key)


def scaled_real_images(value_range=(-1.0, 1.0)):
    low, high = value_range
    return np.asarray(REAL.images, np.float64) / 255 * (high - low) + low


CASES = pytest.mark.parametrize(
    "fields",
    [
        {},
        {"conditional": False},
        {"generator.output": "sigmoid"},
        {"modes.generator_in_discriminator_step": "eval"},
    ],
    ids=["conditional", "unconditional", "sigmoid", "generator in eval mode"],
)


@CASES
def test_discriminator_loss_is_that_of_numpy(make_gan, fixed_draws, fields):
    gan = make_gan(fields)
    generator, discriminator = players(gan)

    loss, (model_state, metrics) = discriminator_loss(gan, generator, discriminator)

    conditional = fields.get("conditional", True)
    fake_images, _ = numpy_mlp.generator(
        generator.variables,
        LATENTS,
        LABELS if conditional else None,
        train="modes.generator_in_discriminator_step" not in fields,
        output=fields.get("generator.output", "tanh"),
    )
    value_range = (0.0, 1.0) if "generator.output" in fields else (-1.0, 1.0)
    real_logits = numpy_mlp.discriminator(
        discriminator.variables,
        scaled_real_images(value_range),
        REAL.labels if conditional else None,
    )
    fake_logits = numpy_mlp.discriminator(
        discriminator.variables, fake_images, LABELS if conditional else None
    )
    real = 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits)
    expected = real.mean() + softplus(fake_logits).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert model_state == {}
    assert set(metrics) == {"discriminator_loss", "real_accuracy", "fake_accuracy"}
    assert metrics["discriminator_loss"] == loss
    np.testing.assert_allclose(metrics["real_accuracy"], np.mean(real_logits > 0))
    np.testing.assert_allclose(metrics["fake_accuracy"], np.mean(fake_logits < 0))


@CASES
def test_generator_loss_is_that_of_numpy(make_gan, fixed_draws, fields):
    gan = make_gan(fields)
    generator, discriminator = players(gan)

    loss, (model_state, metrics, _) = generator_loss(gan, generator, discriminator)

    labels = LABELS if fields.get("conditional", True) else None
    images, seen = numpy_mlp.generator(
        generator.variables,
        LATENTS,
        labels,
        train=True,
        output=fields.get("generator.output", "tanh"),
    )
    logits = numpy_mlp.discriminator(discriminator.variables, images, labels)
    np.testing.assert_allclose(loss, softplus(-logits).mean(), rtol=1e-5)
    assert metrics == {"generator_loss": loss}
    assert set(model_state["batch_stats"]) == set(seen)
    for name, batch in seen.items():
        before = generator.model_state["batch_stats"][name]["mean"]
        mean = 0.9 * before + 0.1 * batch.mean(axis=0)
        np.testing.assert_allclose(
            model_state["batch_stats"][name]["mean"], mean, rtol=1e-4, atol=1e-5
        )


def test_accuracies_count_right_answers(make_gan):
    gan = make_gan()
    generator, discriminator = players(gan)

    def accuracies(bias):
        params = discriminator.params | {
            "logit": {"kernel": jnp.zeros((9, 1)), "bias": jnp.array([bias])}
        }
        state = discriminator.replace(params=params)
        metrics = discriminator_loss(gan, generator, state)[1][1]
        return float(metrics["real_accuracy"]), float(metrics["fake_accuracy"])

    assert accuracies(1.0) == (1.0, 0.0)  # takes everything for real
    assert accuracies(-1.0) == (0.0, 1.0)


def test_r1_penalty_against_finite_differences(make_gan, fixed_draws):
    plain, penalized = make_gan(), make_gan({"terms.r1_penalty.gamma": 3.0})
    generator, discriminator = players(plain)

    base, _ = discriminator_loss(plain, generator, discriminator)
    loss, (_, metrics) = discriminator_loss(penalized, generator, discriminator)

    squared = squared_gradients(discriminator, scaled_real_images(), REAL.labels)
    np.testing.assert_allclose(metrics["r1_penalty"], squared.mean(), rtol=1e-4)
    # The logged loss is the adversarial one alone; the penalty weighs gamma / 2.
    np.testing.assert_allclose(metrics["discriminator_loss"], base, rtol=1e-6)
    np.testing.assert_allclose(loss, base + 1.5 * squared.mean(), rtol=1e-4)


def squared_gradients(discriminator, images, labels, step=1e-6):
    """|grad D|^2 of each image by central differences in float64, [B]."""
    images = np.asarray(images, np.float64).reshape(BATCH, -1)
    squared = np.zeros(BATCH)
    for shift in step * np.eye(images.shape[1]):
        above, below = (
            numpy_mlp.discriminator(discriminator.variables, moved, labels)
            for moved in (images + shift, images - shift)
        )
        squared += ((above - below) / (2 * step)) ** 2
    return squared


def test_r1_and_r2_are_of_both_batches(make_gan, fixed_draws):
    gan = make_gan(
        {
            "loss.name": "relativistic",
            "loss.label_smoothing": "none",
            "terms.r1_r2_penalty.gamma": 3.0,
        }
    )
    generator, discriminator = players(gan)

    loss, (_, metrics) = discriminator_loss(gan, generator, discriminator)

    # The generated images have the classes of the real ones.
    labels = REAL.labels
    fake, _ = numpy_mlp.generator(generator.variables, LATENTS, labels, train=True)
    real = scaled_real_images()
    logits = [
        numpy_mlp.discriminator(discriminator.variables, images, labels)
        for images in (real, fake)
    ]
    penalty = sum(
        squared_gradients(discriminator, images, labels).mean()
        for images in (real, fake)
    )
    game = softplus(logits[1] - logits[0]).mean()
    np.testing.assert_allclose(metrics["r1_r2_penalty"], penalty, rtol=1e-4)
    np.testing.assert_allclose(loss, game + 1.5 * penalty, rtol=1e-4)
    loss, _ = generator_loss(gan, generator, discriminator)
    np.testing.assert_allclose(loss, softplus(logits[0] - logits[1]).mean(), rtol=1e-5)


def test_a_scheduled_weight_is_that_of_the_share_of_training(make_gan, fixed_draws):
    gan = make_gan({"terms.r1_penalty.gamma": 3.0})
    halved = {"r1_penalty": {"gamma": Schedule(1.0, until=0.5, shape="linear")}}
    objective = dataclasses.replace(gan.objective, schedules=halved)
    scheduled = dataclasses.replace(gan, objective=objective)
    generator, discriminator = players(gan)

    def loss(share):
        progress = Progress(jnp.int32(0), jnp.float32(share))
        loss, (_, metrics) = scheduled.discriminator_loss(
            discriminator.params,
            discriminator,
            generator,
            REAL,
            KEY,
            progress=progress,
        )
        weight = (loss - metrics["discriminator_loss"]) / metrics["r1_penalty"]
        return float(weight)

    # Half of gamma: 3 at first, 2 on half of the way, then 1.
    weights = [loss(share) for share in (0, 0.25, 0.5, 0.9)]
    np.testing.assert_allclose(weights, [1.5, 1.0, 0.5, 0.5], rtol=1e-4)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_augmentations_change_as_many_images_as_they_should(probability):
    gan = stub_gan(ModeDiscriminator())
    schedule = Schedule(probability, until=0.5, shape="step")
    gan = dataclasses.replace(
        gan,
        augmentations={"negative": lambda images, key: -images},
        augmentation_probability=0.0,
        augmentation_schedule=schedule,
    )
    _, discriminator = jax.jit(gan.init)(jax.random.key(0))
    batch = Batch(jnp.ones((1000, 4, 3, 1)), jnp.zeros(1000, jnp.int32))

    def negative(share):
        (verdict,), _ = gan.discriminate(
            discriminator,
            (batch,),
            train=True,
            key=KEY,
            progress=Progress(jnp.int32(0), jnp.float32(share)),
        )
        assert set(np.unique(verdict.logits)) <= {-3.0, 3.0}
        return np.mean(np.asarray(verdict.logits) < 0)

    assert negative(0.2) == 0
    deviation = np.sqrt(probability * (1 - probability) / 1000)
    assert abs(negative(0.7) - probability) <= 4 * deviation


def test_augmentations_see_images_from_minus_1_to_1():
    gan = stub_gan(ModeDiscriminator(), generator=UnitGenerator())
    negative = {"negative": lambda images, key: -images}
    gan = dataclasses.replace(gan, augmentations=negative)
    _, discriminator = jax.jit(gan.init)(jax.random.key(0))
    batch = Batch(jnp.full((2, 4, 3, 1), 0.25), jnp.zeros(2, jnp.int32))

    (verdict,), _ = gan.discriminate(discriminator, (batch,), train=True, key=KEY)

    np.testing.assert_allclose(verdict.logits, [3 * 0.75] * 2)


class SeparateDiscriminator(MLPDiscriminator):
    """The same network, passed through once for each of the two batches."""

    mixes_examples = True


@pytest.mark.slow
def test_one_pass_over_both_batches_equals_two(make_gan, fixed_draws):
    gan = make_gan()
    generator, discriminator = players(gan)
    fields = dataclasses.fields(MLPDiscriminator)
    arguments = {
        field.name: getattr(gan.discriminator, field.name)
        for field in fields
        if field.name not in ("parent", "name")
    }
    separate = dataclasses.replace(
        gan, discriminator=SeparateDiscriminator(**arguments)
    )

    def loss_and_gradient(gan):
        return jax.value_and_grad(gan.discriminator_loss, has_aux=True)(
            discriminator.params, discriminator, generator, REAL, KEY
        )

    (loss, aux), gradient = loss_and_gradient(gan)
    (separate_loss, separate_aux), separate_gradient = loss_and_gradient(separate)

    np.testing.assert_allclose(loss, separate_loss, rtol=1e-6)
    close = {"rtol": 1e-5, "atol": 1e-7}
    chex.assert_trees_all_close(
        (aux, gradient), (separate_aux, separate_gradient), **close
    )


class Stub(nn.Module):
    """What every network says of itself, for those that keep nothing of the kind."""

    mixes_examples = False
    reference_size = 0
    num_classes = 3
    image_shape = (4, 3, 1)
    value_range = (-1.0, 1.0)

    conditioning: str = "none"


class BatchMeanDiscriminator(Stub):
    """The logit of every image is the mean of its batch, kept as a moving mean."""

    mixes_examples = True

    @nn.compact
    def __call__(self, images, labels, *, train):
        moving = self.variable("batch_stats", "mean", lambda: jnp.float32(0))
        mean = images.mean()
        if train and not self.is_initializing():
            moving.value = 0.5 * moving.value + 0.5 * mean
        weight = self.param("weight", nn.initializers.ones, ())
        return Verdict(jnp.broadcast_to(weight * mean, images.shape[:1]))


class ConstantGenerator(Stub):
    """Images of 0.25 in train mode and of 0.5 in eval mode; counts its updates."""

    @nn.compact
    def __call__(self, latents, labels, *, train):
        updates = self.variable("batch_stats", "updates", lambda: jnp.float32(0))
        if train and not self.is_initializing():
            updates.value = updates.value + 1
        weight = self.param("weight", nn.initializers.ones, ())
        value = weight * (0.25 if train else 0.5)
        return jnp.broadcast_to(value, (len(latents), 4, 3, 1))


class UnitGenerator(ConstantGenerator):
    """The same, of a range from 0 to 1."""

    value_range = (0.0, 1.0)


class ModeDiscriminator(Stub):
    """Logits: three times the image's mean in train mode, five times in eval mode."""

    @nn.compact
    def __call__(self, images, labels, *, train):
        weight = self.param("weight", nn.initializers.ones, ())
        slope = 3.0 if train else 5.0
        return Verdict(weight * slope * images.mean(axis=(1, 2, 3)))


def stub_gan(discriminator, modes=None, generator=None):
    generator = generator or ConstantGenerator()
    return Gan(
        generator=generator,
        discriminator=discriminator,
        sampling_generator=generator,
        objective=Objective(Wasserstein()),
        latent_size=2,
        prior="normal",
        modes=modes or PhaseModes(),
    )


def test_a_discriminator_that_mixes_never_sees_both_batches_together():
    gan = stub_gan(BatchMeanDiscriminator())
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    loss, (model_state, _) = discriminator_loss(gan, generator, discriminator)

    real, fake = scaled_real_images().mean(), 0.25
    np.testing.assert_allclose(loss, fake - real, rtol=1e-5)
    # The real batch first, then the generated one.
    mean = 0.5 * (0.5 * real) + 0.5 * fake
    np.testing.assert_allclose(model_state["batch_stats"]["mean"], mean, rtol=1e-5)


def test_joint_batches_share_their_statistics():
    gan = dataclasses.replace(stub_gan(BatchMeanDiscriminator()), joint_batches=True)
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    loss, (model_state, _) = discriminator_loss(gan, generator, discriminator)

    # One mean for both kinds, which cannot be told apart by it.
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)
    mean = 0.5 * (scaled_real_images().mean() + 0.25) / 2
    np.testing.assert_allclose(model_state["batch_stats"]["mean"], mean, rtol=1e-5)


class ContrastDiscriminator(Stub):
    """Logits: the image's mean plus twice that of its batch, in train mode."""

    mixes_examples = True

    @nn.compact
    def __call__(self, images, labels, *, train):
        weight = self.param("weight", nn.initializers.ones, ())
        of_batch = 2 * images.mean() if train else 0.0
        return Verdict(weight * (images.mean(axis=(1, 2, 3)) + of_batch))


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_the_generator_meets_the_statistics_that_the_discriminator_is_trained_with(
    train, joint
):
    modes = PhaseModes(discriminator_in_generator_step=train)
    gan = dataclasses.replace(
        stub_gan(ContrastDiscriminator(), modes), joint_batches=joint
    )
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    (loss, (_, _, fake)), gradient = jax.value_and_grad(
        gan.generator_loss, has_aux=True
    )(generator.params, generator, discriminator, REAL, KEY)

    # Wasserstein's: minus the mean logit of generated images, which are 0.25 times the
    # generator's weight; the batch's mean is of half as many of them if joint.
    real = scaled_real_images().mean()
    of_batch = (real + 0.25 if joint else 2 * 0.25) if train else 0.0
    np.testing.assert_allclose(loss, -(0.25 + of_batch), rtol=1e-5)
    through_batch = (0.25 if joint else 0.5) if train else 0.0
    np.testing.assert_allclose(gradient["weight"], -(0.25 + through_batch), rtol=1e-5)
    assert fake.batch.images.shape == (BATCH, 4, 3, 1)


PHASES = [field.name for field in dataclasses.fields(PhaseModes)]


@pytest.mark.parametrize("flags", list(itertools.product([True, False], repeat=5)))
def test_every_phase_uses_its_own_modes(flags):
    modes = PhaseModes(**dict(zip(PHASES, flags, strict=True)))
    gan = stub_gan(ModeDiscriminator(), modes)
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))
    real = scaled_real_images().mean()

    d_loss, (d_state, _) = discriminator_loss(gan, generator, discriminator)
    g_loss, (g_state, _, _) = generator_loss(gan, generator, discriminator)
    images = gan.generate(generator.variables, LATENTS, LABELS, KEY)

    fake = 0.25 if modes.generator_in_discriminator_step else 0.5
    slope = 3.0 if modes.discriminator_in_discriminator_step else 5.0
    np.testing.assert_allclose(d_loss, slope * (fake - real), rtol=1e-5)
    assert d_state == {}
    fake = 0.25 if modes.generator_in_generator_step else 0.5
    slope = 3.0 if modes.discriminator_in_generator_step else 5.0
    np.testing.assert_allclose(g_loss, -slope * fake, rtol=1e-6)
    updates = 1 if modes.generator_in_generator_step else 0
    assert g_state["batch_stats"]["updates"] == updates
    # (0.25 + 1) / 2 * 255 = 159.4, (0.5 + 1) / 2 * 255 = 191.25
    assert images.dtype == jnp.uint8 and images.shape == (BATCH, 4, 3, 1)
    assert np.unique(images) == (159 if modes.generator_in_sampling else 191)


def test_phases_of_the_config_reach_the_modes(make_gan):
    for phase in PHASES:
        others = {f"modes.{name}": "train" for name in PHASES}
        gan = make_gan(others | {f"modes.{phase}": "eval"})
        expected = {name: name != phase for name in PHASES}
        assert dataclasses.asdict(gan.modes) == expected


@pytest.mark.parametrize("conditional", [True, False])
def test_labels_matter_if_conditional(make_gan, conditional):
    gan = make_gan({"conditional": conditional, "modes.generator_in_sampling": "eval"})
    generator, discriminator = players(gan)

    def images(labels):
        return gan.generate(generator.variables, LATENTS, labels, KEY)

    assert np.array_equal(images(LABELS), images((LABELS + 1) % 3)) != conditional
    relabelled = REAL._replace(labels=(REAL.labels + 1) % 3)
    losses = [
        gan.discriminator_loss(
            discriminator.params, discriminator, generator, real, KEY
        )
        for real in (REAL, relabelled)
    ]
    assert (losses[0][0] == losses[1][0]) != conditional


@pytest.mark.parametrize(
    ("output", "lowest"), [("tanh", -1.0), ("sigmoid", 0.0)], ids=["tanh", "sigmoid"]
)
def test_images_fill_the_bytes_of_the_output_range(make_gan, output, lowest):
    fields = {"generator.output": output, "modes.generator_in_sampling": "eval"}
    gan = make_gan(fields)
    generator, _ = players(gan)
    assert gan.value_range == (lowest, 1.0)

    latents = 30 * jax.random.normal(KEY, (200, 7))
    labels = jnp.zeros(200, jnp.int32)
    images = gan.generate(generator.variables, latents, labels, KEY)

    expected, _ = numpy_mlp.generator(
        generator.variables, latents, labels, train=False, output=output
    )
    bytes_ = (expected - lowest) / (1 - lowest) * 255
    assert images.dtype == jnp.uint8
    assert images.min() == 0 and images.max() == 255
    np.testing.assert_allclose(images.reshape(200, 12), bytes_, atol=0.51)


def test_dropout_at_sampling_may_differ(make_gan):
    gan = make_gan({"generator.dropout_rate": 0.5, "sampling.dropout_rate": 0.0})
    generator, _ = players(gan)

    def images(seed):
        return gan.generate(generator.variables, LATENTS, LABELS, jax.random.key(seed))

    np.testing.assert_array_equal(images(0), images(1))  # none at sampling ...
    losses = {
        float(generator_loss(gan, *players(gan), key=jax.random.key(seed))[0])
        for seed in range(3)
    }
    assert len(losses) == 3  # ... but in training


@pytest.mark.parametrize(
    ("prior", "variance", "largest"), [("normal", 1.0, 3.0), ("uniform", 1 / 3, 0.99)]
)
def test_latents_follow_the_prior(make_gan, prior, variance, largest):
    latents = make_gan({"latent.prior": prior}).sample_latents(KEY, 5_000)

    assert latents.shape == (5_000, 7)
    np.testing.assert_allclose(latents.mean(), 0.0, atol=0.02)
    np.testing.assert_allclose(latents.var(), variance, rtol=0.03)
    assert latents.max() > largest and latents.min() < -largest
    if prior == "uniform":
        assert np.abs(latents).max() <= 1


def test_classes_are_drawn_uniformly(make_gan):
    labels = make_gan().sample_labels(KEY, 30_000)

    assert labels.shape == (30_000,) and labels.dtype == jnp.int32
    # Standard deviation of a count: sqrt(30,000 * 1/3 * 2/3) = 82.
    np.testing.assert_allclose(np.bincount(labels), 3 * [10_000], atol=400)


def test_every_call_draws_anew(make_gan):
    gan = make_gan({"generator.dropout_rate": 0.5, "discriminator.dropout_rate": 0.5})
    states = players(gan)

    for loss in (discriminator_loss, generator_loss):
        values = {float(loss(gan, *states, key=jax.random.key(i))[0]) for i in range(3)}
        assert len(values) == 3
        assert loss(gan, *states)[0] == loss(gan, *states)[0]


def test_count_params():
    variables = {
        "params": {"kernel": jnp.zeros((3, 4)), "bias": jnp.zeros(4)},
        "batch_stats": {"mean": jnp.zeros(5)},
    }

    assert count_params(variables) == (21, 16)


class AuxiliaryDiscriminator(Stub):
    """Logits of classes are multiples of an image's mean; so is that of the source."""

    conditioning: str = "auxiliary"

    @nn.compact
    def __call__(self, images, labels, *, train):
        assert labels is None  # it must not see what it is to tell
        weights = self.param("weights", nn.initializers.ones, (4,))
        outputs = images.mean(axis=(1, 2, 3))[:, None] * weights[None]
        return Verdict(outputs[:, 0], outputs[:, 1:])


def auxiliary_gan(*, classify_generated=True, **settings):
    generator = ConstantGenerator(conditioning="one_hot")
    gan = stub_gan(AuxiliaryDiscriminator(), generator=generator)
    terms = {
        "discriminator_class_loss": DiscriminatorClassLoss(
            classify_generated=classify_generated, **settings
        ),
        "generator_class_loss": GeneratorClassLoss(**settings),
    }
    return dataclasses.replace(gan, objective=Objective(Wasserstein(), terms))


def auxiliary_players(gan):
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))
    weights = jnp.array([2.0, 1.0, -3.0, 0.5])
    return generator, discriminator.replace(params={"weights": weights})


def class_cross_entropy(means, labels, smoothing):
    logits = means[:, None] * np.array([[1.0, -3.0, 0.5]])
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.full((len(labels), 3), smoothing / 3)
    targets[np.arange(len(labels)), labels] = 1 - 2 * smoothing / 3
    return -(targets * log_probabilities).sum(axis=1).mean()


@pytest.mark.parametrize("classify_generated", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_class_losses_of_an_auxiliary_classifier(
    fixed_draws, smoothing, classify_generated
):
    gan = auxiliary_gan(
        weight=0.7,
        smoothing=smoothing,
        classify_generated=classify_generated,
    )
    generator, discriminator = auxiliary_players(gan)

    d_loss, (_, d_metrics) = discriminator_loss(gan, generator, discriminator)
    g_loss, (_, g_metrics, _) = generator_loss(gan, generator, discriminator)

    real = scaled_real_images().mean(axis=(1, 2, 3))
    fake = np.full(BATCH, 0.25)
    of_fake = class_cross_entropy(fake, LABELS, smoothing)
    learned = class_cross_entropy(real, REAL.labels, smoothing)
    if classify_generated:
        learned += of_fake
    source = 2.0 * (0.25 - real.mean())
    class_loss = d_metrics["discriminator_class_loss"]
    np.testing.assert_allclose(class_loss, learned, rtol=1e-5)
    np.testing.assert_allclose(d_metrics["discriminator_loss"], source, rtol=1e-5)
    np.testing.assert_allclose(d_loss, source + 0.7 * learned, rtol=1e-5)
    # The generator always wants its images to be of their classes.
    np.testing.assert_allclose(g_metrics["generator_class_loss"], of_fake, rtol=1e-5)
    np.testing.assert_allclose(g_loss, -2.0 * 0.25 + 0.7 * of_fake, rtol=1e-5)


def test_losses_of_the_test_phase(fixed_draws):
    gan = auxiliary_gan(smoothing=0.3)
    generator, discriminator = auxiliary_players(gan)

    losses = gan.test_losses(generator.variables, discriminator.variables, REAL, KEY)

    real = scaled_real_images().mean(axis=(1, 2, 3))
    fake = 0.5  # the generator's value in eval mode, in which it generates
    of_fake = class_cross_entropy(np.full(BATCH, fake), LABELS, 0.3)
    expected = {
        "discriminator_loss": 2.0 * (fake - real.mean()),
        "generator_loss": -2.0 * fake,
        "real_accuracy": np.mean(real > 0),
        "fake_accuracy": 0.0,
        "discriminator_class_loss": class_cross_entropy(real, REAL.labels, 0.3)
        + of_fake,
        "generator_class_loss": of_fake,
    }
    assert set(losses) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(losses[name], value, rtol=1e-5)


def test_what_is_scheduled_holds_in_the_test_phase():
    """From half of the way on the discriminator sees negatives there, too."""
    gan = dataclasses.replace(
        stub_gan(ModeDiscriminator()),
        augmentations={"negative": lambda images, key: -images},
        augmentation_probability=0.0,
        augmentation_schedule=Schedule(1.0, until=0.5, shape="step"),
    )
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    before, after = (
        gan.test_losses(
            generator.variables,
            discriminator.variables,
            REAL,
            KEY,
            Progress(jnp.int32(0), jnp.float32(share)),
        )["discriminator_loss"]
        for share in (0.2, 0.7)
    )

    assert abs(before) > 0.1
    np.testing.assert_allclose(after, -before, rtol=1e-5)


def test_gradient_penalty_of_a_linear_critic():
    gan = with_terms(
        stub_gan(ModeDiscriminator()), gradient_penalty=GradientPenalty(10.0)
    )
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    loss, (_, metrics) = discriminator_loss(gan, generator, discriminator)

    # Three times the mean of 12 pixels: |w|^2 = 12 (3 / 12)^2.
    penalty = (np.sqrt(12 * (3 / 12) ** 2) - 1) ** 2
    np.testing.assert_allclose(metrics["gradient_penalty"], penalty, rtol=1e-5)
    np.testing.assert_allclose(
        loss, metrics["discriminator_loss"] + 10 * penalty, rtol=1e-5
    )


class LabelGenerator(Stub):
    """Images whose every pixel is a tenth of the label."""

    @nn.compact
    def __call__(self, latents, labels, *, train):
        weight = self.param("weight", nn.initializers.constant(0.1), ())
        return jnp.broadcast_to(
            weight * labels.reshape(-1, 1, 1, 1), (len(labels), 4, 3, 1)
        )


def with_terms(gan, **terms):
    return dataclasses.replace(gan, objective=Objective(Wasserstein(), terms))


def labelled_gan(**terms):
    """A conditional Gan that paints labels, and its players."""
    generator = LabelGenerator(conditioning="one_hot")
    gan = with_terms(stub_gan(ModeDiscriminator(), generator=generator), **terms)
    return gan, *map(player, jax.jit(gan.init)(jax.random.key(0)))


def test_l1_compares_images_of_one_class():
    gan, generator, discriminator = labelled_gan(l1=L1(2.0))

    loss, (_, metrics, _) = generator_loss(gan, generator, discriminator)

    # Generated in the classes of the real images.
    fake = 0.1 * np.asarray(REAL.labels).reshape(-1, 1, 1, 1)
    distance = np.abs(scaled_real_images() - fake).mean()
    np.testing.assert_allclose(metrics["l1"], distance, rtol=1e-5)
    np.testing.assert_allclose(loss, -3 * fake.mean() + 2 * distance, rtol=1e-5)


class LatentGenerator(Stub):
    """Images whose every pixel is the label plus a tenth of the first latent."""

    @nn.compact
    def __call__(self, latents, labels, *, train):
        weight = self.param("weight", nn.initializers.constant(0.1), ())
        pixels = labels + weight * latents[:, 0]
        return jnp.broadcast_to(pixels.reshape(-1, 1, 1, 1), (len(labels), 4, 3, 1))


def test_mode_seeking_compares_images_of_one_class():
    gan, *_ = labelled_gan(mode_seeking=ModeSeeking(2.0))
    gan = dataclasses.replace(
        gan, generator=LatentGenerator(conditioning="one_hot"), latent_size=1
    )
    generator, discriminator = map(player, jax.jit(gan.init)(jax.random.key(0)))

    loss, (_, metrics, _) = generator_loss(gan, generator, discriminator)

    # Images of one class move a tenth as far as their only latent.
    np.testing.assert_allclose(metrics["mode_seeking"], 1 / (0.1 + 1e-5), rtol=1e-4)
    np.testing.assert_allclose(
        loss, metrics["generator_loss"] + 2 * metrics["mode_seeking"], rtol=1e-5
    )


def test_gradient_penalty_is_between_images_of_one_class():
    gan, generator, discriminator = labelled_gan(gradient_penalty=GradientPenalty(1.0))

    _, (_, metrics) = discriminator_loss(gan, generator, discriminator)

    fake = 0.1 * np.mean(REAL.labels)
    expected = 3 * (fake - scaled_real_images().mean())
    np.testing.assert_allclose(metrics["discriminator_loss"], expected, rtol=1e-5)


def test_least_squares_are_undecided_at_a_half(make_gan):
    gan = make_gan({"loss.name": "least_squares", "loss.label_smoothing": "none"})
    generator, discriminator = players(gan)

    def accuracies(bias):
        params = discriminator.params | {
            "logit": {"kernel": jnp.zeros((9, 1)), "bias": jnp.array([bias])}
        }
        state = discriminator.replace(params=params)
        metrics = discriminator_loss(gan, generator, state)[1][1]
        return float(metrics["real_accuracy"]), float(metrics["fake_accuracy"])

    assert accuracies(0.6) == (1.0, 0.0)
    assert accuracies(0.4) == (0.0, 1.0)


@pytest.fixture(scope="module")
def virtual_gan(small_config, tiny_spec):
    config = small_config({"conditional": True}, name="dcgan_vbn_mnist")
    return build.build_gan(
        config, dataclasses.replace(tiny_spec, image_shape=(8, 4, 1))
    )


@pytest.mark.slow
def test_reference_batches_are_drawn_once(virtual_gan):
    examples = Batch(
        jnp.arange(5 * 32, dtype=jnp.uint8).reshape(5, 8, 4, 1),
        jnp.array([2, 1, 0, 1, 2]),
    )

    init = jax.jit(virtual_gan.init)
    generator, discriminator = init(jax.random.key(0), examples)
    other, _ = init(jax.random.key(1), examples)

    # As many as it wants of the real ones, scaled; and draws from the prior.
    images = np.asarray(examples.images[:4], np.float32) / 127.5 - 1
    reference = discriminator["reference"]
    np.testing.assert_allclose(reference["inputs"], images, atol=1e-6)
    np.testing.assert_array_equal(reference["labels"], [2, 1, 0, 1])
    latents = generator["reference"]["inputs"]
    assert latents.shape == (4, 7) and 0.5 < jnp.std(latents) < 2
    assert not np.array_equal(latents, other["reference"]["inputs"])
    assert generator["reference"]["labels"].dtype == jnp.int32
    with pytest.raises(ValueError, match="reference batch of 4 needs.*not 3"):
        virtual_gan.init(KEY, jax.tree.map(lambda array: array[:3], examples))
    # It is data: no parameter, trainable or not.
    without = {name: generator[name] for name in generator if name != "reference"}
    assert count_params(generator) == count_params(without)
