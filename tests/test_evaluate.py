"""Scores against known answers: real images as generated, and what judges see."""

import contextlib
import dataclasses
import json
import math
import shutil
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ONE_HIDDEN_LAYER, saved_run
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax import judge as judge_module
from gan_jax.build import ConfigError
from gan_jax.classifier import ClassifierSettings, train_classifier
from gan_jax.console_scores import format_scores
from gan_jax.data import Dataset, DatasetSpec
from gan_jax.data.batches import fixed_order
from gan_jax.evaluate import evaluate
from gan_jax.features import Features
from gan_jax.generator import Generator, load_generator
from gan_jax.judge import Judge, gan_train
from gan_jax.metrics import (
    METRICS,
    _balls,
    frechet_distance,
    inception_score,
    precision_recall,
)
from gan_jax.metrics._balls import balls
from gan_jax.random import root_keys
from gan_jax.report.metric_log import read_metrics
from gan_jax.score import score_images
from gan_jax.workdir import config_to_dict, load_config

KEY = jax.random.key(0)
# gan_jax.evaluate is the function.
evaluate_module = sys.modules["gan_jax.evaluate"]


def changed(config, fields):
    other = ConfigDict(config_to_dict(config))
    other.update_from_flattened_dict(fields)
    return other


@pytest.fixture
def run(tiny_world, tiny_run, tmp_path):
    """(config, workdir): a copy of the finished run, to be written in."""
    config, workdir = tiny_run
    shutil.copytree(workdir, tmp_path / "run")
    return config, tmp_path / "run"


@pytest.fixture(scope="module")
def real_judge(tiny_run, tiny_mnist, quick_judge):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "classifier_settings", lambda config: quick_judge)
        return Judge.load_or_train(tiny_run[0], tiny_mnist)


@pytest.fixture
def real_generator(monkeypatch, tiny_mnist):
    """Checkpoints now generate real images: test images, or 400 training images."""

    def sampler(variables, key, labels):
        train = len(labels) == len(tiny_mnist.train_labels)
        images = tiny_mnist.train_images if train else tiny_mnist.test_images
        expected = tiny_mnist.train_labels if train else tiny_mnist.test_labels
        np.testing.assert_array_equal(labels, expected)
        return jnp.asarray(images)

    generator = Generator(tiny_mnist.spec, True, 12, sampler, {})
    monkeypatch.setattr(evaluate_module, "load_generators", lambda *a, **k: [generator])
    return generator


@pytest.mark.slow
def test_real_images_as_generated_reach_the_ceilings(
    run, real_generator, real_judge, tiny_mnist
):
    config, workdir = run
    config = changed(config, {"eval.num_samples": 200, "eval.gan_train_samples": 400})

    result = evaluate(config, workdir)

    # Exactly: the same images, judged by the same classifier.
    assert result["gan_test"] == {
        "mean": result["real_accuracy"],
        "std": 0.0,
        "num_runs": 2,
    }
    # The generated ones are cut into splits in their order, in which classes come in
    # turn; the real ones in one that no file decides.
    logits = real_judge.classifier.logits(tiny_mnist.test_images)
    mean, std = inception_score(logits, 3)
    assert result["inception_score"] == {"mean": mean, "std": std, "num_splits": 3}
    mean, std = inception_score(logits[fixed_order(200)], 3)
    assert result["inception_score_real"] == {"mean": mean, "std": std}
    # The same images and settings train the same classifier as the judge.
    assert result["gan_train"] == result["real_accuracy"]
    # Twenty test images of each class: the judge is right about some.
    assert 0.2 < result["real_accuracy"] < 1
    assert result["real_accuracy"] * 200 == pytest.approx(
        round(result["real_accuracy"] * 200), abs=1e-9
    )


@pytest.mark.slow
def test_the_ceiling_does_not_depend_on_how_the_test_set_is_sorted(
    run, real_judge, tiny_mnist, monkeypatch
):
    rows = np.argsort(tiny_mnist.test_labels, kind="stable")
    by_class = dataclasses.replace(
        tiny_mnist,
        test_images=tiny_mnist.test_images[rows],
        test_labels=tiny_mnist.test_labels[rows],
    )
    monkeypatch.setattr(build, "build_dataset", lambda _: by_class)
    fields = {"eval.num_samples": 20, "eval.scores": ("inception_score",)}
    config = changed(run[0], fields)
    config.eval.num_splits = 10

    ceiling = evaluate(config, run[1])["inception_score_real"]["mean"]

    # In the order of the file each split would be of one class.
    logits = real_judge.classifier.logits(by_class.test_images)
    one_class_each, _ = inception_score(logits, 10)
    others = [
        inception_score(logits[np.random.default_rng(seed).permutation(200)], 10)[0]
        for seed in range(20)
    ]
    assert min(others) <= ceiling <= max(others)
    assert ceiling > 1.3 * one_class_each


def test_without_scores_there_is_no_judge(run, monkeypatch):
    monkeypatch.setattr(Judge, "load_or_train", None)

    config = changed(run[0], {"eval.scores": ()})
    config.published = ConfigDict({"gan_test": "97.1"})  # may differ from the run's
    result = evaluate(config, run[1])

    assert result["metrics"] == {} and "classifier" not in result
    assert result["published"] == {"gan_test": "97.1"}
    assert format_scores(result).endswith(f"step {result['step']}: no scores")


@pytest.mark.slow
def test_what_makes_scores_say_little_is_told_with_them(run, tiny_mnist, monkeypatch):
    """Classes without images, and a judge that guesses."""

    def without(label, images, labels):
        return images[labels != label], labels[labels != label]

    train = without(7, tiny_mnist.train_images, tiny_mnist.train_labels)
    test = without(3, *without(7, tiny_mnist.test_images, tiny_mnist.test_labels))
    lacking = Dataset(tiny_mnist.spec, *train, *test)
    monkeypatch.setattr(build, "build_dataset", lambda _: lacking)

    class Guess:
        def logits(self, images):
            return jnp.tile(jnp.arange(10.0), (len(images), 1)).at[:, 9].set(-1)

    judge = Judge(Guess(), ClassifierSettings(), lacking)
    monkeypatch.setattr(Judge, "load_or_train", lambda config, dataset: judge)
    config = changed(run[0], {"eval.num_samples": 20, "eval.scores": ("gan_test",)})

    result = evaluate(config, run[1])

    assert result["real_accuracy"] == 20 / 160  # always 8
    assert result["warnings"] == [
        "the training images of mnist have none of class 7",
        "the test images of mnist have none of class 3, 7",
        "the judge is right on 12.5% of the real test images, where always guessing "
        "the same class gives 12.5%: its scores say little",
    ]
    lines = format_scores(result).splitlines()
    assert lines[1:4] == [f"warning: {text}" for text in result["warnings"]]
    health = [f"health: {text}" for text in result["health"]]
    assert lines[4 : 4 + len(health)] == health
    assert lines[4 + len(health)].split()[:2] == ["step", "12"]


@pytest.mark.slow
def test_a_good_judge_and_whole_classes_are_not_warned_of(run):
    assert "warnings" not in evaluate(*run)


def test_evaluation_file(run):
    config, workdir = run

    result = evaluate(config, workdir)

    assert json.loads((workdir / "evaluation.json").read_text()) == result
    assert (result["step"], result["seed"]) == (12, 0)
    assert result["data"] == {
        "name": "mnist",
        "source": "embedded",
        "num_train": 400,
        "num_test": 200,
        "reference": "test",
    }
    assert result["classifier"] == {
        "name": "lenet",
        "test_accuracy": result["real_accuracy"],
    }
    for name in ("inception_score", "inception_score_real"):
        assert 1 <= result[name]["mean"] <= 10 and result[name]["std"] >= 0
    for name in ("real_accuracy", "gan_train"):
        assert 0 <= result[name] <= 1
    assert 0 <= result["gan_test"]["mean"] <= 1
    assert (result["num_samples"], result["gan_train_samples"]) == (60, 400)
    assert len(result["class_frequencies"]) == 10
    assert sum(result["class_frequencies"]) == pytest.approx(1)
    # Two runs of 60 images, so 120 in all, 12 of each class.
    counts = 120 * np.array(result["class_frequencies"])
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)
    matrix = np.array(result["confusion_matrix"])
    np.testing.assert_array_equal(matrix.sum(axis=1), 10 * [12])
    np.testing.assert_allclose(matrix.sum(axis=0), counts)
    assert np.trace(matrix) / 120 == pytest.approx(result["gan_test"]["mean"])


def test_inception_scores_of_other_numbers_of_images(run):
    config, workdir = run
    fields = {"eval.scores": ["inception_score"], "eval.inception_sizes": (7, 60, 130)}

    result = evaluate(changed(config, fields), workdir)

    of_sizes = result["inception_score_of"]
    assert list(of_sizes) == ["7", "60", "130"]
    # Those of the first run; of three runs of 60 images in all.
    assert of_sizes["60"] == result["inception_score"]
    counts = 180 * np.array(result["class_frequencies"])
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)
    assert len({score["mean"] for score in of_sizes.values()}) == 3
    (line,) = [x for x in format_scores(result).splitlines() if "of 130 images" in x]
    assert line.split()[3:5] == [f"{of_sizes['130']['mean']:.3f}", "±"]


@pytest.mark.slow
def test_the_best_checkpoint_besides(run):
    config, workdir = run
    rows = {row["step"]: row["inception_score"] for row in read_metrics(workdir)}
    best = max(rows, key=lambda step: (rows[step], step))

    result = evaluate(config, workdir)

    assert result["best"]["step"] == best
    assert result["best"]["rule"].startswith("largest inception_score of 100 images")
    # Scored as well, unless it is the one above.
    assert ("inception_score" in result["best"]) == (best != result["step"])


def test_the_best_checkpoint_is_scored_if_it_is_another(run, monkeypatch):
    config, workdir = run
    config = changed(config, {"eval.scores": ["inception_score"]})
    monkeypatch.setattr(
        "gan_jax.checkpoint.Checkpointer.best_step", lambda checkpoints: 8
    )

    result = evaluate(config, workdir)

    assert result["step"] == 12 and result["best"]["step"] == 8
    eight = evaluate(config, workdir, 8)
    assert eight["step"] == 8 and "best" not in eight
    assert result["best"]["inception_score"] == eight["inception_score"]
    assert result["inception_score"] != eight["inception_score"]


def test_only_the_scores_asked_for(run):
    config, workdir = run

    result = evaluate(changed(config, {"eval.scores": ["inception_score"]}), workdir)

    assert "inception_score" in result and "inception_score_real" in result
    assert not {"gan_test", "gan_train", "gan_train_samples"} & set(result)


COMPARING = tuple(name for name, metric in METRICS.items() if metric.compares)


def test_scores_against_real_images(run, monkeypatch, tiny_mnist):
    config, workdir = run
    passes = []
    monkeypatch.setattr(
        _balls,
        "balls",
        lambda *features, **ks: passes.append(features) or balls(*features, **ks),
    )

    result = evaluate(changed(config, {"eval.scores": COMPARING}), workdir, 12)

    assert len(COMPARING) == 8
    # One for the training images, one for halves of them and one for each run, for
    # four scores.
    assert len(passes) == 2 + 2
    text = format_scores(result)
    for name in COMPARING:
        metric, score = METRICS[name], result[name]
        assert score["num_runs"] == 2 and math.isfinite(score["std"])
        real = result[f"{name}_real"]["mean"]
        # Twelve steps: noise. Real training images are nearer to real test images.
        if metric.better == "smallest":
            assert real < score["mean"]
        else:
            assert 1.2 > real > score["mean"]
        (line,) = [x for x in text.splitlines() if x.startswith(metric.title)]
        floor = result[f"{name}_floor"]
        assert line.split()[-3:-1] == [metric.shown(real), metric.shown(floor)]
    assert "Fréchet distance (judge's features) " in text
    # By hand: features of the first run and of 60 training images in a fixed order.
    judge = Judge.load_or_train(config, tiny_mnist)
    order = np.asarray(fixed_order(400))
    test, training, others = (
        judge.classifier.features(images)
        for images in (
            tiny_mnist.test_images,
            tiny_mnist.train_images[order[:60]],
            tiny_mnist.train_images[order[60:120]],
        )
    )
    real = frechet_distance(training, test)
    assert result["frechet_distance_real"]["mean"] == pytest.approx(real, rel=1e-6)
    assert result["precision_real"]["mean"] == precision_recall(test, training)[0]
    floor = frechet_distance(training, others)
    assert result["frechet_distance_floor"] == pytest.approx(floor, rel=1e-6)
    assert result["recall_floor"] == precision_recall(others, training)[1]
    keys = [jax.random.fold_in(root_keys(0)["gan_test"], run) for run in range(2)]
    generator = load_generator(workdir, 12)
    distances = [
        frechet_distance(judge.classifier.features(generator.sample(key, 60)), test)
        for key in keys
    ]
    mean = result["frechet_distance"]["mean"]
    assert mean == pytest.approx(np.mean(distances), rel=1e-6)


def quarters(images):
    """Means of the four quarters of grey images, [N, 4]."""
    images = np.float32(images)[..., 0]
    halves = images.reshape(len(images), 2, 14, 2, 14)
    return halves.mean(axis=(2, 4)).reshape(-1, 4)


@pytest.fixture
def other_features(monkeypatch, tmp_path):
    """`eval.features` are the quarters, by the name of Inception."""
    features = Features(
        "inception", quarters, lambda values: values / 9, "f" * 64, tmp_path / "kept"
    )
    monkeypatch.setattr(build, "build_features", lambda config: features)
    return tmp_path / "kept"


def test_other_features_take_the_place_of_the_judges(run, other_features, tiny_mnist):
    config, workdir = run
    scores = ("inception_score", "gan_test", "frechet_distance", "kernel_distance")
    scores += ("precision", "class_frequency_distance", "copying")
    fields = {"eval.scores": scores, "eval.features": "inception"}

    result = evaluate(changed(config, fields), workdir, 12)

    assert result["features"] == {
        "name": "inception",
        "number": 4,
        "weights_sha256": "f" * 64,
    }
    seen = {name: each["features"] for name, each in result["metrics"].items()}
    assert seen == {
        "inception_score": "inception",
        "gan_test": "judge",
        "frechet_distance": "inception",
        "kernel_distance": "inception",
        "precision": "inception",
        "class_frequency_distance": "judge",
        "copying": "pixels",
    }
    lines = format_scores(result).splitlines()
    assert lines[1] == "features inception: 4, weights ffffffff"
    titles = ("FID ", "KID ", "Precision (Inception features) % ")
    for title in (*titles, "Inception Score (Inception logits) ", "GAN-test % "):
        assert any(line.startswith(title) for line in lines)
    # By hand, of the same images.
    keys = [jax.random.fold_in(root_keys(0)["gan_test"], run) for run in range(2)]
    generator = load_generator(workdir, 12)
    runs = [quarters(generator.sample(key, 60)) for key in keys]
    test = quarters(tiny_mnist.test_images)
    distances = [frechet_distance(each, test) for each in runs]
    mean = result["frechet_distance"]["mean"]
    assert mean == pytest.approx(np.mean(distances), rel=1e-6)
    training = tiny_mnist.train_images[np.asarray(fixed_order(400))[:60]]
    assert result["frechet_distance_real"]["mean"] == pytest.approx(
        frechet_distance(quarters(training), test), rel=1e-6
    )
    mean, _ = inception_score(runs[0] / 9, 3)
    assert result["inception_score"]["mean"] == pytest.approx(mean, rel=1e-6)
    mean, _ = inception_score(test[fixed_order(200)] / 9, 3)
    assert result["inception_score_real"]["mean"] == pytest.approx(mean, rel=1e-6)
    # What the judge alone says has not changed.
    by_judge = evaluate(changed(config, {"eval.scores": scores}), workdir, 12)
    for name in ("gan_test", "class_frequency_distance", "copying", "real_accuracy"):
        assert result[name] == by_judge[name]
    # Real images' features are kept, generated ones' are not.
    kept = sorted(len(np.load(file)["features"]) for file in other_features.iterdir())
    assert kept == [60, 60, 200]


def test_images_without_classes_have_scores_that_need_no_judge(
    small_config, tiny_mnist, other_features, monkeypatch, tmp_path
):
    spec = DatasetSpec("own", (28, 28, 1), 1, ("all",))
    labels = np.zeros(400, np.int32), np.zeros(200, np.int32)
    images = tiny_mnist.train_images, tiny_mnist.test_images
    dataset = Dataset(spec, images[0], labels[0], images[1], labels[1])
    monkeypatch.setattr(build, "build_dataset", lambda _: dataset)
    config = small_config(
        ONE_HIDDEN_LAYER
        | {
            "data.name": "own",
            "data.source": "folder",
            "eval.features": "inception",
            "eval.scores": ("inception_score", "gan_test", "frechet_distance"),
            "eval.num_samples": 60,
            "eval.num_splits": 3,
            "eval.num_runs": 2,
        }
    )
    config = build.completed(config, spec, "")
    assert config.eval.scores == ("inception_score", "frechet_distance")
    assert config.checkpoints.best_metric == "inception_score"
    saved_run(config, tmp_path / "run")
    config.eval.scores = (*config.eval.scores, "class_frequency_distance", "copying")

    result = evaluate(config, tmp_path / "run")

    assert list(result["metrics"]) == ["inception_score", "frechet_distance", "copying"]
    assert result["warnings"][0] == (
        "class_frequency_distance is left out: the images of own have no classes, and "
        "so no judge"
    )
    assert not {"classifier", "real_accuracy", "class_frequencies"} & set(result)
    keys = [jax.random.fold_in(root_keys(0)["gan_test"], run) for run in range(2)]
    generator = load_generator(tmp_path / "run")
    distances = [
        frechet_distance(quarters(generator.sample(key, 60)), quarters(images[1]))
        for key in keys
    ]
    mean = result["frechet_distance"]["mean"]
    assert mean == pytest.approx(np.mean(distances), rel=1e-6)
    assert format_scores(result).splitlines()[0].startswith("features inception: 4")
    # Of images of other programs too.
    np.savez(tmp_path / "x.npz", images=tiny_mnist.train_images)
    scores = score_images(config, tmp_path / "x.npz")
    assert scores["frechet_distance"] == pytest.approx(
        frechet_distance(quarters(images[0]), quarters(images[1])), rel=1e-6
    )
    assert "class_frequencies" not in scores and "FID" in format_scores(scores)


@pytest.mark.parametrize(
    ("score", "number"),
    [("frechet_distance", 1), ("kernel_distance", 1), ("precision", 5), ("density", 5)],
)
def test_too_few_images_are_refused_at_once(run, score, number):
    config, workdir = run
    config = changed(config, {"eval.scores": (score,), "eval.num_samples": number})

    with pytest.raises(ConfigError, match=f"eval.num_samples is {number}; .* take"):
        evaluate(config, workdir)


def test_runs_of_gan_test_have_images_of_their_own(run, monkeypatch, real_judge):
    config, workdir = run
    seen = []
    judge = real_judge.classifier

    class Watching(type(judge)):
        def logits(self, images, **kwargs):
            seen.append(np.asarray(images))
            return super().logits(images, **kwargs)

    watching = Watching(judge.network, judge.variables, judge.image_shape)
    monkeypatch.setattr(
        judge_module, "load_or_train_classifier", lambda *a, **k: watching
    )
    scores = ["inception_score", "gan_test"]
    result = evaluate(
        changed(config, {"eval.scores": scores, "eval.num_runs": 3}), workdir, 12
    )

    real, *runs = seen
    assert len(real) == 200 and [len(images) for images in runs] == [60] * 3
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(runs[one], runs[other])
    labels = np.tile(np.arange(10), 6)
    right = [
        np.mean(np.argmax(judge.logits(images), axis=1) == labels) for images in runs
    ]
    assert result["gan_test"]["mean"] == pytest.approx(np.mean(right), abs=1e-7)
    # The sample standard deviation, divided by runs - 1.
    spread = math.sqrt(sum((value - np.mean(right)) ** 2 for value in right) / 2)
    assert result["gan_test"]["std"] == pytest.approx(spread, abs=1e-6)


def test_the_gan_train_classifier_sees_generated_images_alone(
    run, monkeypatch, tiny_mnist
):
    config, workdir = run
    # Trained before, so that what follows is GAN-train's training.
    Judge.load_or_train(config, tiny_mnist)
    seen = []

    def record(images, labels, **kwargs):
        seen.append((images, np.asarray(labels)))
        return train_classifier(images, labels, **kwargs)

    monkeypatch.setattr(judge_module, "train_classifier", record)
    monkeypatch.setattr("gan_jax.classifier.train_classifier", record)
    config = changed(config, {"eval.gan_train_samples": 400})
    result = evaluate(config, workdir, 12)

    ((images, labels),) = seen  # one training, and not that of the judge
    real = {
        image.tobytes() for image in (*tiny_mnist.train_images, *tiny_mnist.test_images)
    }
    assert len(images) == 400
    assert not any(image.tobytes() in real for image in np.asarray(images))
    np.testing.assert_array_equal(labels, np.tile(np.arange(10), 40))
    # Nor are they the images of GAN-test.
    generated = load_generator(workdir, 12)
    train_key = root_keys(config.seed)["gan_train"]
    np.testing.assert_array_equal(images, generated.sample(train_key, 400))
    assert result["gan_train_samples"] == 400
    assert result["gan_train_accuracies"] == [result["gan_train"]]
    assert "gan_train_std" not in result


def test_gan_train_of_several_sets_of_images(run, monkeypatch):
    config, workdir = run
    accuracies, seen = [0.75, 0.5, 0.625], []

    def score(images, labels, **kwargs):
        seen.append(np.asarray(images))
        np.testing.assert_array_equal(labels, np.tile(np.arange(10), 4))
        return accuracies[len(seen) - 1]

    monkeypatch.setattr(evaluate_module, "gan_train", score)
    fields = {"eval.gan_train_runs": 3, "eval.gan_train_samples": 40}

    result = evaluate(changed(config, fields), workdir, 12)

    # Deviations 1/8, -1/8 and 0, so a variance of 1/64 with ddof 1.
    assert (result["gan_train"], result["gan_train_std"]) == (0.625, 0.125)
    assert result["gan_train_accuracies"] == accuracies
    (line,) = [x for x in format_scores(result).splitlines() if "GAN-train" in x]
    assert line.split()[2:5] == ["62.50", "±", "12.50"]
    # The first set is the one that a single run has; no image is in two sets.
    generated = load_generator(workdir, 12)
    train_key = root_keys(config.seed)["gan_train"]
    np.testing.assert_array_equal(seen[0], generated.sample(train_key, 40))
    assert len({image.tobytes() for images in seen for image in images}) == 120


def test_a_pool_leaves_out_what_interrupts_left(run, monkeypatch):
    config, workdir = run
    every = load_config(workdir).checkpoint_every
    found = types.SimpleNamespace(all_steps=lambda: [every, every + 1, 2 * every])
    monkeypatch.setattr(
        evaluate_module, "open_checkpoints", lambda *_: contextlib.nullcontext(found)
    )
    monkeypatch.setattr(
        evaluate_module, "load_generators", lambda _, step, config: step
    )
    fields = {"eval.scores": ("gan_train_filtered",), "eval.pool_checkpoints": 2}

    pool = evaluate_module._pool(changed(config, fields), workdir, 2 * every)

    assert pool == [every]


def test_a_best_checkpoint_without_a_pool_costs_no_scores(run, monkeypatch, caplog):
    """The latest has the checkpoint before it; the best one is the first there is."""
    config, workdir = run
    steps = sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())
    best = evaluate_module.load_generators(workdir, steps[0])
    monkeypatch.setattr(evaluate_module, "_best", lambda *arguments: best)
    seen = []

    def score(images, labels, **kwargs):
        seen.append(len(images))
        return 0.5

    monkeypatch.setattr(evaluate_module, "gan_train", score)
    fields = {
        "eval.scores": ("gan_train", "gan_train_filtered"),
        "eval.gan_train_samples": 40,
        "eval.pool_checkpoints": 2,
        "eval.filter_confidence": 0.0,
    }

    result = evaluate(changed(config, fields), workdir)

    assert seen == [40, 40, 40]  # two scores of the latest, one of the best
    assert result["gan_train_filtered_checkpoints"] == 2
    assert result["best"]["step"] == steps[0] and result["best"]["gan_train"] == 0.5
    assert "gan_train_filtered" not in result["best"]
    assert "The best checkpoint has no gan_train_filtered" in caplog.text
    format_scores(result)
    # Asked for by name, it is refused before anything is scored.
    with pytest.raises(ConfigError, match="pool_checkpoints is 2, but .* holds 0"):
        evaluate(changed(config, fields), workdir, steps[0])


def test_gan_train_on_the_real_training_set(real_judge, tiny_mnist, quick_judge):
    def score(labels):
        return gan_train(
            tiny_mnist.train_images,
            labels,
            test_images=tiny_mnist.test_images,
            test_labels=tiny_mnist.test_labels,
            num_classes=10,
            settings=quick_judge,
        )

    real = real_judge.classifier.accuracy(
        tiny_mnist.test_images, tiny_mnist.test_labels
    )
    shuffled = np.random.default_rng(0).permutation(tiny_mnist.train_labels)
    assert score(tiny_mnist.train_labels) == real
    assert score(shuffled) < 0.25 < real


def test_a_judge_scores_what_it_is_asked_for(real_judge, real_generator):
    def score(metric):
        return real_judge.score(
            metric,
            real_generator,
            KEY,
            num_samples=200,
            settings={"num_splits": 1},
        )

    dataset = real_judge.dataset
    logits = np.asarray(real_judge.classifier.logits(dataset.test_images), np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    divergence = (p * np.log(p / p.mean(axis=0))).sum(axis=1).mean()
    np.testing.assert_allclose(score("inception_score"), np.exp(divergence), rtol=1e-4)
    right = np.mean(logits.argmax(axis=1) == dataset.test_labels)
    assert score("gan_test") == pytest.approx(right, abs=1e-7)


def test_another_config_is_refused(run):
    config, workdir = run

    with pytest.raises(ConfigError, match="seed is 1 here, 0 there"):
        evaluate(changed(config, {"seed": 1}), workdir)
    assert not (workdir / "evaluation.json").exists()


def test_scores_for_people_are_a_table_in_per_cent():
    result = {
        "step": 4000,
        "metrics": {
            "inception_score": {"title": "Inception Score", "unit": "", "digits": 3},
            "gan_test": {"title": "GAN-test", "unit": "%", "digits": 2},
            "gan_train": {"title": "GAN-train", "unit": "%", "digits": 2},
        },
        "classifier": {"name": "lenet", "test_accuracy": 0.98765},
        "real_accuracy": 0.98765,
        "health": ["it is ill"],
        "inception_score": {"mean": 8.1234, "std": 0.0567},
        "inception_score_real": {"mean": 9.5, "std": 0.1},
        "gan_test": {"mean": 0.9123, "std": 0.0045},
        "gan_train": 0.87654,
        "best": {"step": 3000, "rule": "", "inception_score": {"mean": 9, "std": 0}},
    }

    assert format_scores(result).splitlines() == [
        "judge lenet: 98.77% of the real test images",
        "health: it is ill",
        "                    step 4,000  best, step 3,000  real images  better",
        "Inception Score  8.123 ± 0.057     9.000 ± 0.000        9.500  larger",
        "GAN-test %        91.23 ± 0.45                          98.77  larger",
        "GAN-train %              87.65                          98.77  larger",
    ]

    published = {"gan_test": "89.40 ± 0.29", "gan_train": "none"}
    del result["best"], result["health"][0]
    assert format_scores(result | {"published": published}).splitlines()[1:] == [
        "                    step 4,000     published  real images  better",
        "Inception Score  8.123 ± 0.057                      9.500  larger",
        "GAN-test %        91.23 ± 0.45  89.40 ± 0.29        98.77  larger",
        "GAN-train %              87.65          none        98.77  larger",
    ]
