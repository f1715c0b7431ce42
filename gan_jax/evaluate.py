"""Judging a trained generator: sample, classify, score, write."""

import importlib.metadata
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from gan_jax import build, checks, metrics
from gan_jax.checkpoint import CheckpointError
from gan_jax.console_scores import format_scores
from gan_jax.data import Dataset, remarks
from gan_jax.data.batches import fixed_order
from gan_jax.generator import Generator, load_generators, open_checkpoints
from gan_jax.health import unhealthy_images, unhealthy_log
from gan_jax.judge import Judge, gan_train
from gan_jax.metrics import mean_and_std, metric_named
from gan_jax.names import lookup
from gan_jax.objective import GAMES
from gan_jax.paths import check_writable, local_path
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys, stream
from gan_jax.report.files import atomic_write
from gan_jax.report.metric_log import (
    METRICS_FILE,
    MetricLogError,
    read_column,
    read_metrics,
)
from gan_jax.sampling import balanced_labels
from gan_jax.workdir import (
    EVALUATION_FILE,
    check_evaluation_config,
    evaluation_settings,
    load_config,
)

# Of the way from guessing to perfection; a judge below it is warned of.
MIN_SKILL = 0.25
MAX_HEALTH_SAMPLES = 1000  # generated images behind the rules of `health`
MIN_FLOOR_SAMPLES = 50  # training images on either side; of fewer there is no floor


@in_32_bits
def evaluate(
    config: ConfigDict, workdir: pathlib.Path, step: int | None = None
) -> dict[str, Any]:
    """Scores a checkpoint and writes evaluation.json.

    For a population, `members` lists each seed's scores; the top-level fields hold
    means and sample standard deviations over seeds, and `over_seeds` repeats them as
    {mean, std, num_seeds}. A single seed has `gan_train_std` if `eval.gan_train_runs`
    is more than 1; `gan_train_accuracies` lists the accuracy of each run. `warnings`,
    if present, lists reasons to read the scores with care.

    Args:
      step: of the checkpoint; None: the latest, and the best besides.

    Returns:
      What evaluation.json holds.

    Raises:
      ConfigError, DataError, CheckpointError: see there.
    """
    workdir = local_path(workdir, "workdir")
    checks.check_config(config)
    config = check_evaluation_config(workdir, config)
    settings = evaluation_settings(config)
    check_writable(workdir)
    dataset = build.build_dataset(config)
    generators = load_generators(workdir, step, config=config)
    config, left_out = without_impossible(config, dataset)
    checks.check_comparisons(config, dataset)
    result = {
        "step": generators[0].step,
        "seed": config.seed,
        "settings": settings,
        **protocol(config, dataset),
    }
    if published := config.get("published"):
        result["published"] = published.to_dict()
    result |= _judged(config, workdir, step, dataset, generators)
    if warnings := left_out + score_warnings(config, dataset, result):
        result["warnings"] = warnings
    result["health"] = _health(config, workdir, dataset, generators)
    try:
        with atomic_write(workdir / EVALUATION_FILE) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n")
    except OSError:
        # Not lost with the file: they may have taken an hour.
        print(format_scores(result), flush=True)
        raise
    return result


def _judged(
    config: ConfigDict,
    workdir: pathlib.Path,
    step: int | None,
    dataset: Dataset,
    generators: list[Generator],
) -> dict[str, Any]:
    """What evaluation.json holds of the judge and all scores; {} if none are asked."""
    if not config.eval.scores:
        return {}
    best = _best(config, workdir, generators) if step is None else None
    pool = _pool(config, workdir, generators[0].step)
    judge = Judge.load_or_train(config, dataset)
    ceilings = real_scores(config, judge)
    result = ceilings | _scores(config, judge, generators, pool)
    if best is not None:
        name, of_seeds = config.checkpoints.best_metric, len(generators) > 1
        result["best"] = {
            "rule": f"{metric_named(name).better} {'mean ' * of_seeds}{name} of "
            f"{config.checkpoints.best_num_samples} images at a checkpoint",
            "step": best[0].step,
        }
        # Where the latest is the best, its scores are the ones above.
        if best[0].step != generators[0].step:
            result["best"] |= _best_scores(config, workdir, judge, best)
    return result


def without_impossible(
    config: ConfigDict, dataset: Dataset
) -> tuple[ConfigDict, list[str]]:
    """The config without the scores that need classes where there are none; and why."""
    scores, left_out = build.possible_scores(config, dataset.spec)
    if left_out:
        config = config.copy_and_resolve_references()
        config.eval.scores = scores
    return config, left_out


def protocol(config: ConfigDict, dataset: Dataset) -> dict[str, Any]:
    """What a result is of: real images, scores, versions of what computed them."""
    return {
        "data": {
            "name": config.data.name,
            "source": config.data.source,
            "num_train": len(dataset.train_labels),
            "num_test": len(dataset.test_labels),
            "reference": "test",
        },
        "metrics": descriptions(config),
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("gan_jax", "jax", "flax", "numpy")
        },
    }


def descriptions(config: ConfigDict) -> dict[str, dict[str, Any]]:
    """What is said of each of the config's scores, see `Metric.description`."""
    return {
        name: metric_named(name).description(config.eval.features)
        for name in config.eval.scores
    }


def evaluate_run(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
) -> dict[str, Any]:
    """Scores the run in `workdir` and writes evaluation.json; see `evaluate`.

    Args:
      step: of the checkpoint; None: the latest, and the best besides.
      config: in place of the run's own, for other settings of `eval`, `sampling` and
        `classifier`.
    """
    workdir = local_path(workdir, "workdir")
    return evaluate(config or load_config(workdir), workdir, step)


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


def _pool(
    config: ConfigDict, workdir: pathlib.Path, step: int
) -> list[list[Generator]]:
    """Generators of the checkpoints before a step, the last one first.

    As many as `eval.pool_checkpoints` says besides the step's own; without those that
    interrupts have left.

    Raises:
      ConfigError: there are fewer.
    """
    number = config.eval.pool_checkpoints - 1
    if not number or "gan_train_filtered" not in config.eval.scores:
        return []
    every = load_config(workdir).checkpoint_every
    with open_checkpoints(config, workdir) as checkpoints:
        earlier = [
            each
            for each in checkpoints.all_steps()
            if each < step and each % every == 0
        ]
    if len(earlier) < number:
        raise build.ConfigError(
            f"config.eval.pool_checkpoints is {number + 1}, but {workdir} holds "
            f"{len(earlier)} checkpoints of multiples of {every:,} steps before step "
            f"{step:,} (config.checkpoints.keep_latest, config.checkpoint_every)"
        )
    steps = sorted(earlier, reverse=True)[:number]
    return [load_generators(workdir, each, config=config) for each in steps]


def _best_scores(
    config: ConfigDict, workdir: pathlib.Path, judge: Judge, best: list[Generator]
) -> dict[str, Any]:
    """All scores of the best checkpoint; the one that wants a pool only if it has one.

    An old best one has no checkpoints before it any more, and that must not cost the
    scores of the latest.
    """
    pool = []
    try:
        pool = _pool(config, workdir, best[0].step)
    except build.ConfigError as error:
        logging.warning("The best checkpoint has no gan_train_filtered: %s", error)
        config = config.copy_and_resolve_references()
        config.eval.scores = tuple(
            name for name in config.eval.scores if name != "gan_train_filtered"
        )
    return _scores(config, judge, best, pool)


def real_scores(config: ConfigDict, judge: Judge) -> dict[str, Any]:
    """Reference scores: of real images, with the judge and features that gave them.

    The test images' accuracy and Inception Score; for other scores `NAME_real`, with
    training images in place of generated ones, and the floors, see `_floors`.
    """
    training = judge.training_images(config.eval.num_samples)
    settings = config.eval.to_dict()
    compared = {
        f"{name}_real": {
            "mean": metric_named(name).value_of(training, judge.real, settings)
        }
        for name in config.eval.scores
        if metric_named(name).compares or metric_named(name).scores_training
    }
    return (
        _judge_itself(judge)
        | _other_features(judge)
        | _real_inception_score(config, judge)
        | compared
        | _floors(config, judge, training)
    )


def _judge_itself(judge: Judge) -> dict[str, Any]:
    """The classifier and its accuracy; nothing where there is none."""
    if judge.classifier is None:
        return {}
    accuracy = metrics.accuracy(judge.real.logits, judge.dataset.test_labels)
    return {
        "classifier": {"name": judge.settings.name, "test_accuracy": accuracy},
        "real_accuracy": accuracy,
    }


def _other_features(judge: Judge) -> dict[str, Any]:
    """Which features scores saw, if not the judge's."""
    if judge.features is None:
        return {}
    features = {"name": judge.features.name, "number": judge.real.features.shape[1]}
    if judge.features.weights_sha256:
        features["weights_sha256"] = judge.features.weights_sha256
    return {"features": features}


def _real_inception_score(config: ConfigDict, judge: Judge) -> dict[str, Any]:
    """Of the logits that generated images have it of; without any, nothing."""
    metric = metric_named("inception_score")
    if judge.classifier is None and metric.needs_judge(config.eval.features):
        return {}
    logits = judge.real.inception_logits
    # Two images in each: a single one has a score of 1, whatever it shows.
    num_splits = min(config.eval.num_splits, max(1, len(logits) // 2))
    mean, std = metrics.inception_score(logits[fixed_order(len(logits))], num_splits)
    return {"inception_score_real": {"mean": mean, "std": std}}


def _floors(
    config: ConfigDict, judge: Judge, training: metrics.Samples
) -> dict[str, Any]:
    """Scores that compare, of training images against as many other ones.

    Both halves are new to one another and known to the judge, so an ideal generator has
    about this score.
    """
    number = len(judge.dataset.train_labels) // 2
    number = min(config.eval.num_samples, number)
    names = [name for name in config.eval.scores if metric_named(name).compares]
    if not names or number < MIN_FLOOR_SAMPLES:
        return {}
    other = judge.training_images(number, skip=number)
    if number < len(training.labels):
        training = judge.training_images(number)
    settings = config.eval.to_dict()
    return {
        f"{name}_floor": metric_named(name).value_of(training, other, settings)
        for name in names
    }


def class_counts(samples: Sequence[metrics.Samples]) -> dict[str, Any]:
    """How often the judge sees each class, and where it was asked for, if it was.

    Nothing where there is no judge.
    """
    if samples[0].classifier is None:
        return {}
    logits = np.concatenate([each.logits for each in samples])
    counts = {"class_frequencies": metrics.class_frequencies(logits).tolist()}
    if samples[0].labels is not None:
        labels = np.concatenate([each.labels for each in samples])
        counts["confusion_matrix"] = metrics.confusion_matrix(logits, labels).tolist()
    return counts


def score_warnings(
    config: ConfigDict, dataset: Dataset, result: Mapping[str, Any]
) -> list[str]:
    """What makes the scores of a result say less than they seem to."""
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
    if "real_accuracy" not in result:
        return lines
    real_accuracy = result["real_accuracy"]
    counts = np.bincount(dataset.test_labels)
    chance = counts.max() / counts.sum()
    if real_accuracy < chance + MIN_SKILL * (1 - chance):
        lines.append(
            f"the judge is right on {real_accuracy:.1%} of the real test images, where "
            f"always guessing the same class gives {chance:.1%}: its scores say little"
        )
    return lines


def _health(
    config: ConfigDict,
    workdir: pathlib.Path,
    dataset: Dataset,
    generators: list[Generator],
) -> list[str]:
    """What the log and the latest images say is wrong with a run, a line each."""
    lines = []
    if (workdir / METRICS_FILE).exists():
        game = lookup(config.loss.name, GAMES)
        try:
            rows = read_metrics(workdir)
        except MetricLogError as error:
            lines.append(f"the log cannot be read: {error}")
        else:
            lines += unhealthy_log(rows, is_critic=game.is_critic)
    number = min(config.eval.num_samples, MAX_HEALTH_SAMPLES)
    for seed, generator in zip(build.seeds(config), generators, strict=True):
        key = stream(root_keys(seed)["gan_test"], "health")
        labels = None
        if generator.conditional:
            labels = balanced_labels(number, dataset.spec.num_classes)
        of_seed = unhealthy_images(
            np.asarray(generator.sample(key, number)),
            labels,
            training_images=dataset.train_images,
            training_labels=dataset.train_labels,
            test_images=dataset.test_images,
        )
        prefix = f"seed {seed}: " if len(generators) > 1 else ""
        lines += [prefix + line for line in of_seed]
    return lines


def _scores(
    config: ConfigDict,
    judge: Judge,
    generators: list[Generator],
    pool: list[list[Generator]],
) -> dict[str, Any]:
    """All scores of a run's generators, of one seed or of several; see `_pool`."""
    seeds = build.seeds(config)
    members = [
        _generated_scores(config, judge, of_checkpoints, seed)
        for seed, *of_checkpoints in zip(seeds, generators, *pool, strict=True)
    ]
    if len(members) == 1:
        return members[0]

    result = {"seeds": seeds, "num_samples": members[0]["num_samples"]}
    if judge.classifier is not None:
        result["class_frequencies"] = np.mean(
            [scores["class_frequencies"] for scores in members], axis=0
        ).tolist()
    if "confusion_matrix" in members[0]:
        matrices = [scores["confusion_matrix"] for scores in members]
        result["confusion_matrix"] = np.sum(matrices, axis=0).tolist()
    summary = {}
    for name in config.eval.scores:
        summary[name] = _over_seeds([mean_and_std(each, name)[0] for each in members])
        if isinstance(members[0][name], dict):
            result[name] = summary[name]
        else:
            result[name] = summary[name]["mean"]
            result[f"{name}_std"] = summary[name]["std"]
        if f"{name}_of" in members[0]:
            every = [each[f"{name}_of"] for each in members]
            result[f"{name}_of"] = {
                size: _over_seeds([of_sizes[size]["mean"] for of_sizes in every])
                for size in every[0]
            }
    result["over_seeds"] = summary
    # What does not depend on the seed, as the score of real images.
    for name, value in members[0].items():
        same = all(name in each and each[name] == value for each in members)
        if same and name != "seconds":
            result.setdefault(name, value)
    result["members"] = [
        {"seed": seed, **scores} for seed, scores in zip(seeds, members, strict=True)
    ]
    return result


def _over_seeds(values: Sequence[float]) -> dict[str, Any]:
    mean, std = metrics.mean_and_sample_std(values)
    return {"mean": mean, "std": std, "num_seeds": len(values)}


def _generated_scores(
    config: ConfigDict, judge: Judge, generators: list[Generator], seed: int
) -> dict[str, Any]:
    """All scores of the first generator that the config asks for, drawn by the seed.

    The others are of the same seed's earlier checkpoints.
    """
    generator = generators[0]
    start = time.perf_counter()
    keys = root_keys(seed)
    num_samples = config.eval.num_samples
    dataset = judge.dataset
    seen: dict[int, metrics.Samples] = {}

    def generated(run):
        if run not in seen:
            key = jax.random.fold_in(keys["gan_test"], run)
            seen[run] = judge.samples(generator, key, num_samples)
        return seen[run]

    training_size = config.eval.gan_train_samples or len(dataset.train_labels)

    def training_set(run):
        key = keys["gan_train"]
        if run:  # Further runs leave the first one as it is.
            key = jax.random.fold_in(keys["further_gan_train"], run)
        return judge.samples(generator, key, training_size)

    def pool(checkpoint, draw):
        key = stream(keys["further_gan_train"], f"pool {checkpoint} {draw}")
        return judge.samples(generators[checkpoint], key, training_size)

    def train_and_test(samples):
        return gan_train(
            samples.images,
            samples.labels,
            test_images=dataset.test_images,
            test_labels=dataset.test_labels,
            num_classes=dataset.spec.num_classes,
            settings=judge.settings,
        )

    scoring = metrics.Scoring(
        generated=generated,
        real=judge.real,
        training=judge.training,
        settings=config.eval.to_dict(),
        training_set=training_set,
        train_and_test=train_and_test,
        pool=pool,
    )
    scores = {}
    for name in config.eval.scores:
        scores |= metric_named(name).scores(name, scoring)
    generated(0)
    return {
        "num_samples": num_samples,
        **class_counts([seen[run] for run in sorted(seen)]),
        **scores,
        "seconds": round(time.perf_counter() - start, 1),
    }
