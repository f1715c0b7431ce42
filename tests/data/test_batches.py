"""Every example once an epoch, in an order that (seed, epoch) alone decides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.batches import EpochOrder, scale_images, take_batch, to_uint8
from gan_jax.types import Batch

KEY = jax.random.key(5)
RANGES = [(-1.0, 1.0), (0.0, 1.0)]


def numbered_data(num_examples):
    """Example i has label i and the pixel i in its image."""
    numbers = jnp.arange(num_examples, dtype=jnp.int32)
    images = numbers.astype(jnp.uint8).reshape(-1, 1, 1, 1)
    return Batch(images, numbers)


def batches_from(first, count, *, num_examples=12, batch_size=4, key=KEY):
    """Labels [count, batch_size] of the batches from number `first` on."""
    data = numbered_data(num_examples)
    order = EpochOrder.empty(key, num_examples)
    take = jax.jit(take_batch, static_argnames="batch_size")
    labels = []
    for number in range(first, first + count):
        batch, order = take(
            data, order, batch_number=jnp.int32(number), batch_size=batch_size
        )
        np.testing.assert_array_equal(batch.images.reshape(-1), batch.labels)
        labels.append(np.asarray(batch.labels))
    return np.stack(labels)


def test_batches_are_as_stored():
    data = numbered_data(12)
    batch, order = take_batch(
        data, EpochOrder.empty(KEY, 12), batch_number=jnp.int32(4), batch_size=4
    )

    assert batch.images.dtype == jnp.uint8 and batch.images.shape == (4, 1, 1, 1)
    assert batch.labels.dtype == jnp.int32 and batch.labels.shape == (4,)
    assert order.epoch == 1  # three batches in an epoch


def test_an_epoch_shows_every_example_once():
    epochs = batches_from(0, 9).reshape(3, 12)

    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))


def test_epochs_and_keys_differ_in_order():
    epochs = batches_from(0, 9).reshape(3, 12)
    other = batches_from(0, 9, key=jax.random.key(6)).reshape(3, 12)

    orders = {tuple(epoch) for epoch in [*epochs, *other]}
    assert len(orders) == 6
    assert tuple(range(12)) not in orders


@pytest.mark.parametrize("first", [1, 3, 4, 8])
def test_starting_anywhere_gives_the_same_batches(first):
    np.testing.assert_array_equal(
        batches_from(first, 9 - first), batches_from(0, 9)[first:]
    )


def test_the_remainder_is_dropped_and_changes_by_epoch():
    epochs = batches_from(0, 9, num_examples=14).reshape(3, 12)

    missing = [set(range(14)) - set(epoch) for epoch in epochs]
    assert [len(left_over) for left_over in missing] == [2, 2, 2]
    assert len({tuple(sorted(left_over)) for left_over in missing}) > 1


def test_one_batch_may_be_everything():
    epochs = batches_from(0, 2, num_examples=5, batch_size=5)

    np.testing.assert_array_equal(np.sort(epochs), [np.arange(5)] * 2)


def test_a_loop_on_the_device_gives_the_same_batches():
    data = numbered_data(12)

    @jax.jit
    def run(order, first, last):
        def body(number, carry):
            order, labels = carry
            batch, order = take_batch(data, order, batch_number=number, batch_size=4)
            return order, labels.at[number].set(batch.labels)

        labels = jnp.zeros((9, 4), jnp.int32)
        return jax.lax.fori_loop(first, last, body, (order, labels))

    order, early = run(EpochOrder.empty(KEY, 12), 0, 5)
    _, late = run(order, 5, 9)

    np.testing.assert_array_equal(early + late, batches_from(0, 9))


@pytest.mark.parametrize("value_range", RANGES)
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_scaling_reaches_the_ends(value_range, transform):
    ends = transform(lambda images: scale_images(images, value_range))(
        jnp.array([0, 255], jnp.uint8)
    )

    assert ends.dtype == jnp.float32
    # One unit in the last place: compiled, the product and the sum are rounded once.
    np.testing.assert_allclose(ends, np.array(value_range), rtol=1.2e-7, atol=0)


@pytest.mark.parametrize("value_range", RANGES)
def test_scaling_is_linear(value_range):
    scaled = scale_images(jnp.arange(256, dtype=jnp.uint8), value_range)

    np.testing.assert_allclose(scaled, np.linspace(*value_range, 256), atol=2e-7)


@pytest.mark.parametrize("value_range", RANGES)
@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_every_byte_survives_the_round_trip(value_range, transform):
    every_byte = jnp.arange(256, dtype=jnp.uint8)

    there_and_back = transform(
        lambda images: to_uint8(scale_images(images, value_range), value_range)
    )(every_byte)

    assert there_and_back.dtype == jnp.uint8
    np.testing.assert_array_equal(there_and_back, every_byte)


def test_to_uint8_rounds_and_clips():
    images = jnp.array([-7.0, -1.0, -0.999, 0.001, 0.999, 1.0, 7.0])

    # 255 * 0.9995 = 254.87 and 127.6: rounding, not cutting off.
    np.testing.assert_array_equal(
        to_uint8(images, (-1.0, 1.0)), [0, 0, 0, 128, 255, 255, 255]
    )


def flipping_batches(first, count, *, flip=True, key=KEY):
    """Images [count, 4, 1, 2, 1] from batch `first` on; image i is (i, 100 + i)."""
    numbers = jnp.arange(12, dtype=jnp.uint8)
    images = jnp.stack([numbers, 100 + numbers], axis=1).reshape(12, 1, 2, 1)
    data = Batch(images, jnp.arange(12, dtype=jnp.int32))
    order = EpochOrder.empty(key, 12)
    take = jax.jit(take_batch, static_argnames=("batch_size", "flip"))
    batches = []
    for number in range(first, first + count):
        batch, order = take(
            data,
            order,
            batch_number=jnp.int32(number),
            batch_size=4,
            flip=flip,
        )
        left_and_right = np.sort(np.asarray(batch.images).reshape(4, 2), axis=1)
        np.testing.assert_array_equal(left_and_right[:, 0], batch.labels)
        np.testing.assert_array_equal(left_and_right[:, 1], 100 + batch.labels)
        batches.append(np.asarray(batch.images))
    return np.stack(batches)


def is_flipped(batches):
    return batches[:, :, 0, 0, 0] >= 100


def test_flips_change_neither_order_nor_unflipped_images():
    flipped = flipping_batches(0, 60)
    plain = flipping_batches(0, 60, flip=False)

    assert not is_flipped(plain).any()
    mirrored = is_flipped(flipped)[..., None, None, None]
    np.testing.assert_array_equal(
        flipped, np.where(mirrored, plain[:, :, :, ::-1], plain)
    )
    # 240 fair coins.
    assert abs(is_flipped(flipped).mean() - 0.5) < 4 * np.sqrt(0.25 / 240)


def test_flips_differ_by_batch_and_key():
    flips = is_flipped(flipping_batches(0, 60))
    other = is_flipped(flipping_batches(0, 60, key=jax.random.key(6)))

    # Sixteen patterns of four coins; one alone would mean that batches share a draw.
    assert len({tuple(batch) for batch in flips.tolist()}) > 10
    assert 60 < np.sum(flips != other) < 180


@pytest.mark.parametrize("first", [1, 3, 8])
def test_starting_anywhere_gives_the_same_flips(first):
    np.testing.assert_array_equal(
        flipping_batches(first, 9 - first), flipping_batches(0, 9)[first:]
    )
