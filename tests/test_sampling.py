"""The images asked for, from batches as the generator was trained on."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER

from gan_jax import build, checks
from gan_jax.metrics import checked_labels
from gan_jax.random import stream
from gan_jax.sampling import Sampler, balanced_labels

NUM_CLASSES = 3
KEY = jax.random.key(0)


def telling_gan(*, train=True, mixes_examples=True, conditional=True):
    """Its images tell: class, fewest and most of a class in the batch, random bytes."""

    def generate(variables, latents, labels, key):
        counts = jax.nn.one_hot(labels, NUM_CLASSES).sum(axis=0)
        size = labels.shape[0]
        told = [
            labels.astype(jnp.float32),
            jnp.broadcast_to(counts.min(), (size,)),
            jnp.broadcast_to(counts.max(), (size,)),
            *latents.T,
        ]
        return jnp.stack(told, axis=1).astype(jnp.uint8).reshape(size, 1, 1, -1)

    return SimpleNamespace(
        conditional=conditional,
        modes=SimpleNamespace(generator_in_sampling=train),
        sampling_generator=SimpleNamespace(mixes_examples=mixes_examples),
        num_classes=NUM_CLASSES,
        image_shape=(1, 1, 7),
        sample_latents=lambda key, size: jax.random.randint(key, (size, 4), 0, 256),
        generate=generate,
    )


def sampled(labels, *, batch_size=6, key=KEY, **gan):
    """[N, 7]: what the images for these labels tell."""
    sampler = Sampler(telling_gan(**gan), batch_size=batch_size)
    images = sampler({}, key, np.asarray(labels))
    assert images.dtype == jnp.uint8 and images.shape == (len(labels), 1, 1, 7)
    return np.asarray(images).reshape(len(labels), 7)


REQUESTS = {
    "in turn": balanced_labels(12, NUM_CLASSES),
    "one batch and a part": balanced_labels(8, NUM_CLASSES),
    "one image": [2],
    "one class": [1] * 10,
    "uneven": [2, 2, 0, 2, 2, 1, 2, 2, 0],
    "in blocks": [0] * 5 + [1] * 5 + [2] * 5,
}


@pytest.mark.parametrize("batch_size", [6, 7, 2])
@pytest.mark.parametrize("labels", REQUESTS.values(), ids=REQUESTS.keys())
def test_images_are_of_the_classes_asked_for_from_balanced_batches(labels, batch_size):
    told = sampled(labels, batch_size=batch_size)

    np.testing.assert_array_equal(told[:, 0], labels)
    # As even as the batch size allows: 6 of 3 classes are 2 each, 7 are 2, 2 and 3.
    assert np.all(told[:, 1] == batch_size // NUM_CLASSES)
    assert np.all(told[:, 2] == -(-batch_size // NUM_CLASSES))
    # Four random bytes: no image is given twice.
    assert len(np.unique(told[:, 3:], axis=0)) == len(labels)


@pytest.mark.parametrize(
    "gan",
    [{"train": False}, {"mixes_examples": False}, {"conditional": False}],
    ids=["eval mode", "no batch norm", "unconditional"],
)
@pytest.mark.parametrize("labels", REQUESTS.values(), ids=REQUESTS.keys())
def test_elsewhere_batches_hold_what_was_asked_for(labels, gan):
    told = sampled(labels, **gan)

    np.testing.assert_array_equal(told[:, 0], labels)
    assert len(np.unique(told[:, 3:], axis=0)) == len(labels)
    first_batch = np.bincount(labels[:6], minlength=3)
    if len(labels) >= 6:
        assert told[0, 1] == first_batch.min() and told[0, 2] == first_batch.max()


def test_the_key_decides():
    labels = REQUESTS["uneven"]

    np.testing.assert_array_equal(sampled(labels), sampled(labels))
    other = sampled(labels, key=jax.random.key(1))
    assert not np.any(np.all(sampled(labels)[:, 3:] == other[:, 3:], axis=1))


@pytest.mark.parametrize("labels", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("train", [True, False])
def test_latents_are_those_of_the_images(labels, train):
    sampler = Sampler(telling_gan(train=train), batch_size=6)

    latents = sampler.latents(KEY, np.asarray(labels))

    np.testing.assert_array_equal(latents, sampled(labels, train=train)[:, 3:])


WANTED = np.array([[9, 8, 7, 6], [9, 8, 7, 6], [250, 0, 1, 2]])


def chosen(labels, keys, *, batch_size=6, **gan):
    """[N, 7]: what the images of the WANTED latents tell."""
    sampler = Sampler(telling_gan(**gan), batch_size=batch_size)
    images = sampler.generate({}, keys, np.asarray(labels), jnp.asarray(WANTED))
    return np.asarray(images).reshape(len(labels), 7)


@pytest.mark.parametrize("batch_size", [6, 7, 2])
def test_chosen_latents_are_generated_in_balanced_batches(batch_size):
    labels = [2, 2, 0]

    told = chosen(labels, jax.random.split(KEY, 3), batch_size=batch_size)

    np.testing.assert_array_equal(told[:, 0], labels)
    assert np.all(told[:, 1] == batch_size // NUM_CLASSES)
    assert np.all(told[:, 2] == -(-batch_size // NUM_CLASSES))
    np.testing.assert_array_equal(told[:, 3:], WANTED)


@pytest.mark.parametrize("gan", [{"train": False}, {"mixes_examples": False}])
def test_elsewhere_chosen_latents_need_no_company(gan):
    told = chosen([2, 2, 0], jax.random.split(KEY, 3), **gan)

    np.testing.assert_array_equal(told[:, 0], [2, 2, 0])
    np.testing.assert_array_equal(told[:, 3:], WANTED)
    # Without dropout one batch, filled up with classes in turn; else one by one.
    in_batch = np.all(told[:, 1:3] == [1, 3], axis=1)
    assert np.all(in_batch) == ("train" in gan)


def test_an_image_has_its_company_from_its_key():
    def generate(variables, latents, labels, key):
        """Images that tell the batch's other latents' sum, and the dropout key."""
        others = latents.sum(axis=0, keepdims=True) - latents
        bits = jax.random.bits(key, (1, 4), jnp.uint8).repeat(len(others), axis=0)
        told = jnp.concatenate([others.astype(jnp.uint8), bits], axis=1)
        return told.reshape(labels.shape[0], 1, 1, -1)

    gan = telling_gan()
    gan.generate, gan.image_shape = generate, (1, 1, 8)
    # The prior: zeros and ones, so that sums of five others are from 0 to 5.
    gan.sample_latents = lambda key, size: jax.random.randint(key, (size, 4), 0, 2)
    first, second = jax.random.split(KEY)
    keys = jnp.stack([first, first, second])

    told = Sampler(gan, batch_size=6).generate(
        {}, keys, np.array([0, 2, 0]), jnp.asarray(WANTED)
    )

    told = np.asarray(told).reshape(3, 8)
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0, :4], told[2, :4])
    assert not np.array_equal(told[0, 4:], told[2, 4:])
    # None of the WANTED latents is among them.
    assert told[:, :4].max() <= 5


@pytest.fixture(scope="module")
def make_generator(small_config, tiny_spec):
    def make(fields):
        config = small_config(ONE_HIDDEN_LAYER | {"sampling.batch_size": 4} | fields)
        gan = build.build_gan(config, tiny_spec)
        variables, _ = jax.jit(gan.init)(jax.random.key(1))
        sampler = build.build_sampler(config, gan)

        def sample(labels, key=KEY):
            return np.asarray(sampler(variables, key, np.asarray(labels)))

        sample.latents = lambda labels: sampler.latents(KEY, np.asarray(labels))
        sample.generate = lambda latents, labels, keys: np.asarray(
            sampler.generate(variables, keys, np.asarray(labels), latents)
        )
        return sample

    return make


def test_in_eval_mode_filling_up_changes_nothing(make_generator):
    sample = make_generator({"modes.generator_in_sampling": "eval"})

    five, three = sample([0, 2, 1, 1, 2]), sample([0, 2, 1])

    np.testing.assert_array_equal(five[:3], three)
    # Nor does the class of a neighbour.
    np.testing.assert_array_equal(sample([0, 1, 1])[[0, 2]], three[[0, 2]])
    assert not np.array_equal(sample([0, 1, 1])[1], three[1])


def test_in_train_mode_images_do_not_depend_on_what_else_is_asked_for(make_generator):
    sample = make_generator({"modes.generator_in_sampling": "train"})

    in_turn = sample([0, 1, 2, 0])

    # The n-th image of a class is the same one in any request.
    np.testing.assert_array_equal(sample([0, 0]), in_turn[[0, 3]])
    np.testing.assert_array_equal(sample([2]), in_turn[[2]])


def test_in_eval_mode_the_latents_of_samples_give_the_samples(make_generator):
    sample = make_generator({"modes.generator_in_sampling": "eval"})
    labels = [0, 2, 1, 1, 2]

    images = sample.generate(sample.latents(labels), labels, jax.random.split(KEY, 5))

    np.testing.assert_array_equal(images, sample(labels))


@pytest.mark.slow
def test_in_train_mode_chosen_latents_do_not_depend_on_each_other(make_generator):
    sample = make_generator({"modes.generator_in_sampling": "train"})
    latents, labels = sample.latents([0, 1, 2]), [0, 1, 2]
    first, second = jax.random.split(KEY)

    images = sample.generate(latents, labels, jnp.stack([first, first, second]))

    # Alone, and many times over: a batch of them would be normalised to nothing.
    for row, key in enumerate([first, first, second]):
        again = sample.generate(
            jnp.repeat(latents[row : row + 1], 5, axis=0),
            labels[row : row + 1] * 5,
            jnp.repeat(key[None], 5),
        )
        np.testing.assert_array_equal(again, np.repeat(images[row : row + 1], 5, 0))
    # The key decides, as do the latent and the class.
    for other in (
        sample.generate(latents[:1], [0], second[None]),
        sample.generate(latents[1:2], [0], first[None]),
        sample.generate(latents[:1], [1], first[None]),
    ):
        assert not np.array_equal(other[0], images[0])


def test_in_train_mode_draws_from_the_prior_look_like_samples(make_generator):
    """With batches of two the company's part in an image is as large as can be."""
    sample = make_generator(
        {
            "modes.generator_in_sampling": "train",
            "sampling.batch_size": 2,
            "conditional": False,
            "eval.scores": (),
        }
    )
    labels = np.zeros(4000, np.int32)
    latents = jax.random.normal(jax.random.key(5), (4000, 7))

    images = sample.generate(latents, labels, jax.random.split(KEY, 4000))

    means = [np.mean(array, axis=0) for array in (images, sample(labels))]
    stds = [np.std(array, axis=0) for array in (images, sample(labels))]
    # Five standard errors of the mean's difference; the spread to a twentieth.
    assert np.all(np.abs(means[0] - means[1]) < 5 * stds[1] * np.sqrt(2 / 4000))
    np.testing.assert_allclose(stds[0], stds[1], rtol=0.05)


def test_unconditional_images_do_not_depend_on_labels(make_generator):
    sample = make_generator({"conditional": False, "eval.scores": ()})

    images = sample([0, 1, 2, 0, 1])

    np.testing.assert_array_equal(images, sample([2, 2, 2, 2, 2]))
    assert len(np.unique(images, axis=0)) == 5


def test_batch_size_is_that_of_training_by_default(small_config, tiny_spec):
    def tell(fields):
        sampler = build.build_sampler(small_config(fields), telling_gan())
        return np.asarray(sampler({}, KEY, np.zeros(1, np.int32))).reshape(-1)[1:3]

    default = {"batch_size": 9, "sampling.batch_size": 0}
    np.testing.assert_array_equal(tell(default), [3, 3])
    np.testing.assert_array_equal(
        tell({"batch_size": 9, "sampling.batch_size": 4}), [1, 2]
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1]], r"one-dimensional.*shape \(1, 2\)"),
        ([], "non-empty"),
        ([0.0, 1.0], "integers, .* not float64"),
        ([0, 3], r"in \[0, 3\), but reach from 0 to 3"),
        ([-1, 2], "reach from -1 to 2"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        Sampler(telling_gan(), batch_size=6)({}, KEY, np.array(labels))


def test_labels_become_int32():
    checked = checked_labels(np.array([2, 0], np.uint8), NUM_CLASSES)

    assert checked.dtype == np.int32
    np.testing.assert_array_equal(checked, [2, 0])


def test_balanced_labels():
    labels = balanced_labels(5, 3)

    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1])


def test_standing_statistics_are_those_of_the_sampling_weights(small_config, tiny_spec):
    config = small_config(
        ONE_HIDDEN_LAYER
        | {
            # A batch alone has not every class.
            "sampling.batch_size": 2,
            "sampling.standing_batches": 3,
            "modes.generator_in_sampling": "eval",
        }
    )
    gan = build.build_gan(config, tiny_spec)
    variables, _ = jax.jit(gan.init)(jax.random.key(1))
    sampler = build.build_sampler(config, gan)

    settled = sampler.settled(variables)

    # In train mode with a momentum of 0, moving statistics are the batch's.
    alone = gan.generator.clone(norm_momentum=0.0)
    seen = []
    for number in range(3):
        latents, key = sampler._draw(stream(jax.random.key(0), "standing"), number)
        _, state = alone.apply(
            variables,
            latents,
            jnp.array([[0, 1], [2, 0], [1, 2]])[number],
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        seen.append(state["batch_stats"])
    means = jax.tree.map(lambda *values: np.mean(values, axis=0), *seen)
    jax.tree.map(np.testing.assert_array_equal, settled["params"], variables["params"])
    jax.tree.map(
        lambda *pair: np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-6),
        settled["batch_stats"],
        means,
    )
    assert not np.allclose(means["output_norm"]["var"], 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"modes.generator_in_sampling": "train"}, "generator_in_sampling is 'train'"),
        (
            {"modes.generator_in_sampling": "eval", "generator.name": "residual"},
            "ResidualGenerator has no norm_momentum",
        ),
        (
            {"modes.generator_in_sampling": "eval", "sampling.batch_size": 1},
            "of 2 batches of 1, which must hold .* one of every class",
        ),
    ],
)
def test_standing_statistics_need_batch_norm_in_eval_mode(
    small_config, fields, message
):
    with pytest.raises(build.ConfigError, match=message):
        checks.check_config(small_config(fields | {"sampling.standing_batches": 2}))
