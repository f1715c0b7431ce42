"""Which images are kept, by hand."""

import numpy as np

from gan_jax.metrics import METRICS, Samples, Scoring
from gan_jax.metrics.gan_train_filtered import MAX_DRAWS, confidences

METRIC = METRICS["gan_train_filtered"]


def test_confidences_by_hand():
    logits = np.log([[0.2, 0.8], [0.9, 0.1], [0.5, 0.5]]).astype(np.float32)

    found = confidences(logits, np.array([1, 1, 0]))

    np.testing.assert_allclose(found, [0.8, 0.1, 0.5], rtol=1e-6)


class Judge:
    """Sure by how an image says: its value is the probability of its class, in %."""

    def logits(self, images):
        sure = images[:, 0, 0, 0] / 100
        classes = images[:, 0, 0, 1]
        rows = np.where(classes[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])
        return np.log(rows.astype(np.float32))


def scoring(values, *, checkpoints=1, threshold=0.75):
    """`values[checkpoint][draw]` are the images' values; classes come in turn."""
    seen = []

    def pool(checkpoint, draw):
        sure = np.asarray(values[checkpoint][draw % len(values[checkpoint])])
        labels = np.arange(len(sure), dtype=np.int32) % 2
        images = np.stack([sure, labels], axis=1).astype(np.uint8)[:, None, None]
        return Samples(lambda: images, labels, Judge())

    def train_and_test(samples):
        seen.append((samples.images[:, 0, 0, 0].tolist(), samples.labels.tolist()))
        return 0.5

    settings = {"pool_checkpoints": checkpoints, "filter_confidence": threshold}
    real = Samples(lambda: None, None, Judge())
    return Scoring(None, real, None, settings, None, train_and_test, pool), seen


def test_images_are_drawn_until_each_class_is_full():
    # Four images: two of each class are wanted.
    given, seen = scoring([[[80, 70, 60, 90], [99, 74, 98, 76], [97, 96, 95, 94]]])

    result = METRIC.scores("filtered", given)

    # First draw: 80 (class 0), 90 (class 1); second: 99 (0), and 76 (1).
    ((images, labels),) = seen
    assert sorted(zip(images, labels, strict=True)) == [
        (76, 1),
        (80, 0),
        (90, 1),
        (99, 0),
    ]
    assert result == {
        "filtered": 0.5,
        "filtered_samples": 4,
        "filtered_smallest_class": 2,
        "filtered_kept": 4 / 8,
        "filtered_confidence": 0.75,
        "filtered_checkpoints": 1,
    }


def test_checkpoints_share_the_images():
    given, seen = scoring([[[80, 81, 82, 83]], [[90, 91, 92, 93]]], checkpoints=2)

    result = METRIC.scores("filtered", given)

    assert seen == [([80, 81, 90, 91], [0, 1, 0, 1])]
    # Of each checkpoint two images were enough.
    assert (result["filtered_kept"], result["filtered_checkpoints"]) == (1.0, 2)


def test_a_class_that_the_judge_never_recognises_stays_small(caplog):
    given, seen = scoring([[[80, 20, 81, 76], [80, 20, 81, 20]]], threshold=0.75)
    given.settings["filter_confidence"] = 0.78

    with caplog.at_level("WARNING"):
        result = METRIC.scores("filtered", given)

    assert seen == [([80, 81], [0, 0])]
    assert result["filtered_smallest_class"] == 0
    assert result["filtered_kept"] == 2 / (4 * MAX_DRAWS)
    assert "sure (0.78) of 0 images of class 1 and of 2 of class 0" in caplog.text


def test_without_any_image_nothing_is_known(caplog):
    given, seen = scoring([[[20, 30]]])

    result = METRIC.scores("filtered", given)

    assert (result["filtered"], result["filtered_samples"], seen) == (0.0, 0, [])
