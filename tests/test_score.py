"""Images of other programs are read, checked and scored."""

import importlib
import json

import jax
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER
from PIL import Image

import gan_jax
from gan_jax import metrics
from gan_jax.build import ConfigError
from gan_jax.console_scores import format_scores
from gan_jax.data import DataError, DatasetSpec, load_dataset
from gan_jax.data.batches import fixed_order
from gan_jax.data.folder import PictureOptions
from gan_jax.judge import Judge
from gan_jax.score import score_images

score = importlib.import_module("gan_jax.score")  # gan_jax.score is a function


@pytest.fixture(scope="module")
def digits():
    return load_dataset(name="mnist", source="embedded")


@pytest.fixture
def config(small_config):
    fields = {
        "data.source": "embedded",
        "eval.num_splits": 2,
        "eval.scores": ("inception_score", "gan_test", "gan_train_filtered"),
    }
    return small_config(ONE_HIDDEN_LAYER | fields)


def _read(place, digits):
    images, labels = score._read(place, digits.spec, PictureOptions())
    return score._checked(images, labels, digits.spec, str(place))


@pytest.mark.parametrize("name", ["images", "arr_0"])
def test_arrays_are_read(tmp_path, digits, name):
    images, labels = digits.test_images[:20], digits.test_labels[:20]
    np.savez(tmp_path / "a.npz", **{name: images[..., 0]}, labels=labels.astype(int))
    np.savez(tmp_path / "b.npz", **{name: images})
    np.savez(tmp_path / "c.npz", **{name: images}, labels=np.full(20, -1))

    read, read_labels = _read(tmp_path / "a.npz", digits)
    np.testing.assert_array_equal(read, images)
    np.testing.assert_array_equal(read_labels, labels)
    assert _read(tmp_path / "b.npz", digits)[1] is None
    assert _read(tmp_path / "c.npz", digits)[1] is None


def test_pictures_are_read_with_the_classes_of_their_folders(tmp_path, digits):
    for row in range(12):
        folder = tmp_path / str(digits.test_labels[row])
        folder.mkdir(exist_ok=True)
        image = Image.fromarray(digits.test_images[row, ..., 0])
        image.save(folder / f"{row}.png")

    images, labels = _read(tmp_path, digits)

    assert images.shape == (12, 28, 28, 1)
    order = np.lexsort((np.arange(12).astype(str), digits.test_labels[:12].astype(str)))
    np.testing.assert_array_equal(labels, digits.test_labels[:12][order])
    np.testing.assert_array_equal(images, digits.test_images[:12][order])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros(3)}, "expected an array images, found pictures"),
        (
            {"images": np.zeros((4, 28, 28, 3), np.uint8)},
            r"mnist images of shape \[N, 28, 28, 1\] .* found \[4, 28, 28, 3\]",
        ),
        ({"images": np.zeros((4, 28, 28, 1))}, "found float64"),
        (
            {"images": np.zeros((4, 28, 28), np.uint8), "labels": np.zeros(3, int)},
            r"expected one label for each of the 4 images of .*, found 3 labels",
        ),
        (
            {"images": np.zeros((4, 28, 28), np.uint8), "labels": np.zeros(0, int)},
            r"expected one label for each of the 4 images of .*, found 0 labels",
        ),
        (
            {"images": np.zeros((2, 28, 28), np.uint8), "labels": np.array([0, 10])},
            "expected labels from 0 to 9, found 10 at position 1",
        ),
    ],
)
def test_other_arrays_are_refused(arrays, message, tmp_path, digits):
    np.savez(tmp_path / "x.npz", **arrays)

    with pytest.raises(DataError, match=message):
        _read(tmp_path / "x.npz", digits)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path, digits):
    (tmp_path / "text.npz").write_text("no array")
    (tmp_path / "dog").mkdir()
    for number in range(2):
        Image.new("L", (28, 28), number).save(tmp_path / "dog" / f"{number}.png")

    with pytest.raises(DataError, match="text.npz: expected an .npz archive"):
        _read(tmp_path / "text.npz", digits)
    with pytest.raises(DataError, match="absent.npz is not there"):
        _read(tmp_path / "absent.npz", digits)


def test_unknown_classes_are_named(tmp_path, digits):
    with pytest.raises(DataError, match="mnist has no class 'dog'; known: 0, 1,"):
        score._numbers(["3", "dog"], digits.spec, tmp_path)
    np.testing.assert_array_equal(
        score._numbers(["3", "0"], digits.spec, tmp_path), [3, 0]
    )


def test_names_of_classes_win_over_numbers(tmp_path):
    spec = DatasetSpec("mine", (8, 8, 1), 3, ("1", "2", "Cat"))

    assert score._numbers(["1", "cat", "0", "2"], spec, tmp_path).tolist() == [
        0,
        2,
        0,
        1,
    ]


def test_too_few_images_are_refused(tmp_path, digits, config):
    np.savez(tmp_path / "x.npz", images=digits.test_images[:1])

    with pytest.raises(ConfigError, match="the number of images .*inception_score"):
        score_images(config, tmp_path / "x.npz")


def test_sizes_of_which_there_are_no_images_are_left_out(config):
    config.eval.num_samples = 300
    config.eval.inception_sizes = (100, 300, 1507)

    sizes, left_out = score._possible_sizes(config)

    assert sizes == (100, 300)
    assert left_out == ["inception_score of 1,507 images is left out: there are 300"]
    config.eval.scores = ("gan_test",)
    assert score._possible_sizes(config)[1] == []


def test_labels_are_given_once(tmp_path, digits, config):
    images, labels = digits.test_images[:20], digits.test_labels[:20]
    np.savez(tmp_path / "x.npz", images=images, labels=labels)

    with pytest.raises(ConfigError, match="x.npz has labels of its own: expected no"):
        score_images(config, tmp_path / "x.npz", labels=labels)


def test_health_is_that_of_images_of_all_classes(digits, config, monkeypatch):
    """Though they are sorted by class, and more than the rules look at."""
    order = np.argsort(digits.test_labels, kind="stable")
    seen = []

    class Stop(Exception):
        pass

    def health(images, labels, **of_data):
        seen.append((images, labels))
        raise Stop

    monkeypatch.setattr(score, "unhealthy_images", health)
    monkeypatch.setattr(Judge, "load_or_train", lambda config, dataset: _FakeJudge())
    monkeypatch.setattr(score, "real_scores", lambda config, judge: {})
    monkeypatch.setattr(score, "class_counts", lambda samples: {})
    monkeypatch.setattr(score, "score_warnings", lambda *arguments: [])
    config.eval.scores = ()
    with pytest.raises(Stop):
        score_images(
            config, digits.test_images[order], labels=digits.test_labels[order]
        )

    ((images, labels),) = seen
    assert len(images) == len(labels) == 1000
    assert np.bincount(labels).min() > 50


def test_images_sorted_by_class_are_mixed(digits, config, monkeypatch):
    """The splits of the Inception Score are cut in their order."""
    order = np.argsort(digits.test_labels, kind="stable")
    images, labels = digits.test_images[order], digits.test_labels[order]
    seen = []

    class Stop(Exception):
        pass

    class Seeing(_FakeJudge):
        def seen(self, make_images, labels):
            seen.append((make_images(), labels))
            raise Stop

    monkeypatch.setattr(Judge, "load_or_train", lambda config, dataset: Seeing())
    with pytest.raises(Stop):
        score_images(config, images, labels=labels)

    ((mixed, mixed_labels),) = seen
    number = len(labels)
    assert np.bincount(mixed_labels[: number // 10]).min() > number // 200
    rows = np.asarray(fixed_order(number))
    np.testing.assert_array_equal(mixed, images[rows])
    np.testing.assert_array_equal(mixed_labels, labels[rows])


@pytest.mark.parametrize("output", ["gs://bucket/out", "file"])
def test_where_nothing_can_be_written_nothing_is_scored(
    tmp_path, digits, config, monkeypatch, output
):
    (tmp_path / "file").touch()
    place = output if "://" in output else tmp_path / output
    monkeypatch.setattr(Judge, "load_or_train", None)

    with pytest.raises(OSError, match=output):
        score_images(config, digits.test_images, place)


class _FakeJudge:
    real = training = settings = None

    def seen(self, generate, labels):
        return None


def test_the_judge_knows_the_classes_of_own_pictures(tmp_path, config, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(20):
            picture = Image.new("L", (28, 28), 5 * number)
            picture.putpixel((number, 0), 255)
            picture.save(tmp_path / name / f"{number}.png")
    config.data.update(name="mine", source="folder", dir=str(tmp_path))
    config.batch_size, config.eval.scores = 10, ("gan_test",)
    seen = []

    class Stop(Exception):
        pass

    def judge(config, dataset):
        seen.append((config.data.class_names, dataset.spec.class_names))
        raise Stop

    monkeypatch.setattr(Judge, "load_or_train", judge)
    with pytest.raises(Stop):
        score_images(config, tmp_path)

    assert seen == [(("cat", "dog"), ("cat", "dog"))]


def test_what_chooses_checkpoints_does_not_matter(digits, config, monkeypatch):
    """Ten images, one of each class, are too few for that score alone."""
    config.checkpoints.best_metric = "class_frechet_distance"
    config.eval.scores = ("gan_test",)

    class Stop(Exception):
        pass

    def judge(config, dataset):
        raise Stop

    monkeypatch.setattr(Judge, "load_or_train", judge)
    rows = [np.flatnonzero(digits.test_labels == label)[0] for label in range(10)]
    with pytest.raises(Stop):
        score_images(config, digits.test_images[rows], labels=digits.test_labels[rows])


def test_arrays_are_checked_by_their_name(digits, config):
    assert gan_jax.score is score_images
    with pytest.raises(DataError, match=r"images.*found \[4, 28, 28, 3\]"):
        gan_jax.score(config, np.zeros((4, 28, 28, 3), np.uint8))
    images = digits.test_images[:2]
    with pytest.raises(DataError, match="images: expected labels from 0 to 9"):
        gan_jax.score(config, images, labels=[0, 10])


@pytest.mark.slow
def test_images_are_scored_by_the_judge(tmp_path, digits, config, monkeypatch):
    images, labels = digits.test_images[:300], digits.test_labels[:300]
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    config.eval.scores = (*config.eval.scores, "gan_train", "frechet_distance")
    config.eval.inception_sizes = (200, 301)
    monkeypatch.setattr(score, "gan_train", lambda *images_and_labels, **_: 0.75)

    result = score_images(config, tmp_path / "x.npz", tmp_path / "out")

    judge = Judge.load_or_train(config, digits)
    logits = judge.classifier.logits(images)[fixed_order(300)]
    labels = labels[fixed_order(300)]
    assert result["gan_test"] == metrics.accuracy(logits, labels)
    expected = metrics.inception_score(logits, 2)
    assert result["inception_score"]["mean"] == pytest.approx(expected[0])
    assert list(result["inception_score_of"]) == ["200"]
    assert (
        "inception_score of 301 images is left out: there are 300"
        in (result["warnings"])
    )
    features = (
        judge.classifier.features(each) for each in (images, digits.test_images)
    )
    assert result["frechet_distance"] == pytest.approx(
        metrics.frechet_distance(*features), rel=1e-5
    )
    assert result["gan_train"] == 0.75
    assert result["warnings"][0] == (
        "gan_train_filtered is left out: it needs a generator"
    )
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == result
    assert "these images" in format_scores(result)

    np.savez(tmp_path / "y.npz", images=images)
    unlabelled = score_images(config, tmp_path / "y.npz")

    assert gan_jax.score(config, jax.numpy.asarray(images)) == unlabelled | {
        "images": "images"
    }
    assert "gan_test" not in unlabelled and "gan_train" not in unlabelled
    assert unlabelled["inception_score"] == result["inception_score"]
    assert any("gan_test is left out" in line for line in unlabelled["warnings"])
