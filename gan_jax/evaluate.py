"""Judging a trained generator: sample, classify, score, write."""

import contextlib
import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict
from tqdm import tqdm

from gan_jax import build, metrics
from gan_jax.checkpoint import CheckpointError
from gan_jax.classifier import (
    Classifier,
    ClassifierSettings,
    load_or_train_classifier,
    train_classifier,
)
from gan_jax.data import Dataset, remarks
from gan_jax.data.batches import fixed_order
from gan_jax.generator import Generator, load_generators, open_checkpoints
from gan_jax.paths import check_writable, local_path
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys
from gan_jax.report.files import atomic_write
from gan_jax.report.metric_log import METRICS_FILE, MetricLogError, read_column
from gan_jax.sampling import balanced_labels
from gan_jax.workdir import EVALUATION_FILE, check_evaluation_config

# Of the way from guessing to perfection; a judge below it is warned of.
MIN_SKILL = 0.25


@dataclasses.dataclass(frozen=True)
class Judge:
    """A classifier of real images, and the scores that its logits give."""

    classifier: Classifier
    settings: ClassifierSettings
    dataset: Dataset

    @classmethod
    def load_or_train(cls, config: ConfigDict, dataset: Dataset) -> "Judge":
        """The judge of this data set, from the cache if it is there."""
        settings = build.classifier_settings(config)
        with _progress("judge") as progress:
            classifier = load_or_train_classifier(
                dataset,
                settings=settings,
                cache_dir=config.classifier.cache_dir or None,
                progress=progress,
            )
        return cls(classifier, settings, dataset)

    def score(
        self,
        metric: str,
        generator: Generator,
        key: jax.Array,
        *,
        num_samples: int,
        num_splits: int,
    ) -> float:
        """One score, 'inception_score' or 'gan_test', of `num_samples` images.

        GAN-test is the judge's accuracy on labelled generated images, in [0, 1]
        (Shmelkov et al. 2018, section 3).
        """
        labels = balanced_labels(num_samples, self.dataset.spec.num_classes)
        logits = self.classifier.logits(generator.sample(key, num_samples))
        if metric == "gan_test":
            return metrics.accuracy(logits, labels)
        return metrics.inception_score(logits, num_splits)[0]


def gan_train(
    images: jax.Array,
    labels: np.ndarray,
    *,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    num_classes: int,
    settings: ClassifierSettings,
) -> float:
    """Accuracy, in [0, 1], on real test images of a classifier of generated images.

    The classifier is trained on `images` [N, H, W, C] uint8 and `labels` [N] alone.

    Source: Shmelkov et al. 2018, section 3.
    """
    with _progress("GAN-train") as progress:
        classifier = train_classifier(
            images,
            labels,
            num_classes=num_classes,
            settings=settings,
            progress=progress,
        )
    return classifier.accuracy(test_images, test_labels)


@in_32_bits
def evaluate(
    config: ConfigDict, workdir: pathlib.Path, step: int | None = None
) -> dict[str, Any]:
    """Scores a checkpoint and writes evaluation.json.

    Of a population every member is scored: `members` has the scores of each seed, and
    in their place at the top stand means over the seeds with their sample deviations
    (`over_seeds` has GAN-train's mean and deviation too; at the top they are
    `gan_train` and `gan_train_std`). A single seed has `gan_train_std` where
    `eval.gan_train_runs` is more than 1; `gan_train_accuracies` has one of each run.
    `warnings`, if there are any, says what makes the scores say less than they seem to.

    Args:
      step: of the checkpoint; None: the latest, and the best besides.

    Returns:
      What evaluation.json holds.

    Raises:
      ConfigError, DataError, CheckpointError: see there.
    """
    workdir = local_path(workdir, "workdir")
    build.check_config(config)
    check_evaluation_config(workdir, config)
    check_writable(workdir)
    dataset = build.build_dataset(config)
    generators = load_generators(workdir, step, config=config)
    best = _best(config, workdir, generators) if step is None else None
    judge = Judge.load_or_train(config, dataset)
    real_scores = _real_scores(config, judge)
    result = {
        "step": generators[0].step,
        "seed": config.seed,
        "data": {
            "name": config.data.name,
            "source": config.data.source,
            "num_train": len(dataset.train_labels),
            "num_test": len(dataset.test_labels),
        },
        **real_scores,
        **_scores(config, judge, generators),
    }
    if best is not None:
        mean = "mean " * (len(generators) > 1)
        result["best"] = {
            "rule": f"largest {mean}{config.checkpoints.best_metric} of "
            f"{config.checkpoints.best_num_samples} images at a checkpoint",
            "step": best[0].step,
        }
        # Where the latest is the best, its scores are the ones above.
        if best[0].step != result["step"]:
            result["best"] |= _scores(config, judge, best)
    warnings = _warnings(config, dataset, real_scores["real_accuracy"])
    if warnings:
        result["warnings"] = warnings
    try:
        with atomic_write(workdir / EVALUATION_FILE) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n")
    except OSError:
        # Not lost with the file: they may have taken an hour.
        print(format_scores(result), flush=True)
        raise
    return result


def format_scores(result: dict) -> str:
    """The scores as lines for people, in per cent where they are fractions."""
    judge = result["classifier"]
    lines = [
        f"judge {judge['name']}: {judge['test_accuracy']:.2%} of the real test images",
        *(f"warning: {warning}" for warning in result.get("warnings", ())),
        _score_line(f"step {result['step']:,}", result, result["inception_score_real"]),
    ]
    best = result.get("best")
    if best and best["step"] != result["step"]:
        title = f"best, step {best['step']:,}"
        lines.append(_score_line(title, best, result["inception_score_real"]))
    return "\n".join(lines)


def _score_line(title: str, scores: dict, real: dict) -> str:
    parts = []
    if "inception_score" in scores:
        parts.append(
            f"Inception Score {scores['inception_score']['mean']:.3f} ± "
            f"{scores['inception_score']['std']:.3f} (real {real['mean']:.3f})"
        )
    for size, score in scores.get("inception_score_of", {}).items():
        parts.append(
            f"of {int(size):,} images {score['mean']:.3f} ± {score['std']:.3f}"
        )
    if "gan_test" in scores:
        mean, std = scores["gan_test"]["mean"], scores["gan_test"]["std"]
        parts.append(f"GAN-test {100 * mean:.2f} ± {100 * std:.2f} %")
    if "gan_train" in scores:
        spread = ""
        if "gan_train_std" in scores:
            spread = f" ± {100 * scores['gan_train_std']:.2f}"
        parts.append(f"GAN-train {100 * scores['gan_train']:.2f}{spread} %")
    if "over_seeds" in scores:
        title = f"{title}, {len(scores['members'])} seeds"
    return f"{title}: {', '.join(parts) or 'no scores asked for'}"


def _best(
    config: ConfigDict, workdir: pathlib.Path, latest: list[Generator]
) -> list[Generator] | None:
    """The best checkpoint's generators; None if there is no best or it is damaged."""
    metric = config.checkpoints.best_metric
    if metric and not (workdir / METRICS_FILE).exists():
        logging.warning(
            "The best checkpoint is not known: %s is missing", workdir / METRICS_FILE
        )
    try:
        scores = read_column(workdir, metric)
    except MetricLogError as error:
        logging.warning("The best checkpoint is not known: %s", error)
        return None
    with open_checkpoints(config, workdir, scores) as checkpoints:
        step = checkpoints.best_step()
    if step is None:
        return None
    if step == latest[0].step:
        return latest
    try:
        return load_generators(workdir, step, config=config)
    except CheckpointError as error:
        logging.warning("The best checkpoint is left out: %s", error)
        return None


@contextlib.contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar for a classifier's training; quiet when not on a terminal."""
    with tqdm(desc=title, unit="step", disable=None, leave=False) as bar:

        def update(step, num_steps, loss):
            bar.total = num_steps
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        yield update


def _real_scores(config: ConfigDict, judge: Judge) -> dict[str, Any]:
    """The ceilings: the judge's scores of the real test images."""
    dataset = judge.dataset
    logits = judge.classifier.logits(dataset.test_images)
    accuracy = metrics.accuracy(logits, dataset.test_labels)
    # Two images in each: a single one has a score of 1, whatever it shows.
    num_splits = min(config.eval.num_splits, max(1, len(dataset.test_labels) // 2))
    mean, std = metrics.inception_score(logits[fixed_order(len(logits))], num_splits)
    return {
        "classifier": {"name": judge.settings.name, "test_accuracy": accuracy},
        "real_accuracy": accuracy,
        "inception_score_real": {"mean": mean, "std": std},
    }


def _warnings(config: ConfigDict, dataset: Dataset, real_accuracy: float) -> list[str]:
    """What makes the scores say less than they seem to."""
    lines = remarks(dataset)
    num_classes = dataset.spec.num_classes
    for score, field in (
        ("gan_test", "num_samples"),
        ("gan_train", "gan_train_samples"),
    ):
        number = config.eval[field]
        if score in config.eval.scores and 0 < number < num_classes:
            lines.append(
                f"{score} is of {number} generated images, not one of each of the "
                f"{num_classes} classes"
            )
    counts = np.bincount(dataset.test_labels)
    chance = counts.max() / counts.sum()
    if real_accuracy < chance + MIN_SKILL * (1 - chance):
        lines.append(
            f"the judge is right on {real_accuracy:.1%} of the real test images, where "
            f"always guessing the same class gives {chance:.1%}: its scores say little"
        )
    return lines


def _scores(
    config: ConfigDict, judge: Judge, generators: list[Generator]
) -> dict[str, Any]:
    """All scores of a run's generators, of one seed or of several."""
    seeds = build.seeds(config)
    members = [
        _generated_scores(config, judge, generator, seed)
        for seed, generator in zip(seeds, generators, strict=True)
    ]
    if len(members) == 1:
        return members[0]

    def over_seeds(values):
        mean, std = metrics.mean_and_sample_std(values)
        return {"mean": mean, "std": std, "num_seeds": len(values)}

    result = {"seeds": seeds, "num_samples": members[0]["num_samples"]}
    result["class_frequencies"] = np.mean(
        [scores["class_frequencies"] for scores in members], axis=0
    ).tolist()
    for name in ("inception_score", "gan_test"):
        if name in members[0]:
            result[name] = over_seeds([scores[name]["mean"] for scores in members])
    for size in members[0].get("inception_score_of", {}):
        result.setdefault("inception_score_of", {})[size] = over_seeds(
            [scores["inception_score_of"][size]["mean"] for scores in members]
        )
    summary = {name: result[name] for name in build.SCORES if name in result}
    if "gan_train" in members[0]:
        summary["gan_train"] = over_seeds([scores["gan_train"] for scores in members])
        result["gan_train"] = summary["gan_train"]["mean"]
        result["gan_train_std"] = summary["gan_train"]["std"]
        result["gan_train_samples"] = members[0]["gan_train_samples"]
    result["over_seeds"] = summary
    result["members"] = [
        {"seed": seed, **scores} for seed, scores in zip(seeds, members, strict=True)
    ]
    return result


def _generated_scores(
    config: ConfigDict, judge: Judge, generator: Generator, seed: int
) -> dict[str, Any]:
    """All scores of one generator that the config asks for, drawn by the seed."""
    start = time.perf_counter()
    scores = config.eval.scores
    num_classes = judge.dataset.spec.num_classes
    keys = root_keys(seed)
    num_samples = config.eval.num_samples
    labels = balanced_labels(num_samples, num_classes)
    num_runs = config.eval.num_runs if "gan_test" in scores else 1
    sizes = config.eval.inception_sizes if "inception_score" in scores else ()
    logits = [
        judge.classifier.logits(
            generator.sample(jax.random.fold_in(keys["gan_test"], run), num_samples)
        )
        for run in range(max(num_runs, -(-max(sizes, default=0) // num_samples)))
    ]
    all_logits = np.concatenate(logits)
    result = {
        "num_samples": num_samples,
        "class_frequencies": metrics.class_frequencies(all_logits).tolist(),
    }

    def inception_score(logits):
        mean, std = metrics.inception_score(logits, config.eval.num_splits)
        return {"mean": mean, "std": std, "num_splits": config.eval.num_splits}

    if "inception_score" in scores:
        result["inception_score"] = inception_score(logits[0])
    if sizes:
        result["inception_score_of"] = {
            str(size): inception_score(all_logits[:size]) for size in sizes
        }
    if "gan_test" in scores:
        accuracies = [metrics.accuracy(run, labels) for run in logits[:num_runs]]
        mean, std = metrics.mean_and_sample_std(accuracies)
        result["gan_test"] = {"mean": mean, "std": std, "num_runs": num_runs}
    if "gan_train" in scores:
        num_train = config.eval.gan_train_samples or len(judge.dataset.train_labels)
        # Further runs leave the first one as it is.
        run_keys = [keys["gan_train"]] + [
            jax.random.fold_in(keys["further_gan_train"], run)
            for run in range(1, config.eval.gan_train_runs)
        ]
        accuracies = [
            gan_train(
                generator.sample(run_key, num_train),
                balanced_labels(num_train, num_classes),
                test_images=judge.dataset.test_images,
                test_labels=judge.dataset.test_labels,
                num_classes=num_classes,
                settings=judge.settings,
            )
            for run_key in run_keys
        ]
        result["gan_train"] = float(np.mean(accuracies))
        if len(accuracies) > 1:
            result["gan_train_std"] = metrics.mean_and_sample_std(accuracies)[1]
        result["gan_train_accuracies"] = accuracies
        result["gan_train_samples"] = num_train
    return result | {"seconds": round(time.perf_counter() - start, 1)}
