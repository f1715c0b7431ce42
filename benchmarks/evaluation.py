"""Times evaluation, and a train step of its judge, of gan_jax and PyTorch in turns.

    pip install -e '.[benchmark]'
    python -m benchmarks.evaluation [--config=cgan_mnist] [--classifier=NAME] \
        [--data-dir=DIR] [--num-samples=10000] [--judge-steps=40] [--rounds=5] \
        [--output=FILE.json]

Evaluation is what Inception Score and GAN-test take: --num-samples images uint8 from
the generator in the config's sampling mode, drawing their latents included; the judge's
logits of them; both scores. GAN-train is bound by the judge's train step, which is
timed as `gan_jax.classifier.train_classifier` runs it, with the recipe's optimiser and
augmentation. The generator must be the network `dcgan`.

Generator and judge have random initial weights, on which no time depends; only the
generator's last layer is enlarged, so that images have all grey levels. That both
programs compute the same is checked first: images of the same latents to within one
grey level; to within 1e-3 the judge's logits, the scores, and the losses of a few train
steps without dropout and augmentation, at a tenth of the learning rate. PyTorch runs
with the fastest of its memory formats, Adams and, in eval mode, of several batch sizes,
by trial. Quote figures from an otherwise idle machine only.
"""

import argparse
import copy
import dataclasses
import functools
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax
import numpy as np
import torch
from ml_collections import ConfigDict
from torch import nn

from benchmarks import common, torch_dcgan, torch_evaluation
from benchmarks.torch_evaluation import JUDGES, JudgeTraining
from gan_jax import build, checks, metrics
from gan_jax.classifier import Classifier, ClassifierSettings, train_classifier
from gan_jax.data import DataError, Dataset
from gan_jax.generator import Generator
from gan_jax.sampling import balanced_labels

CHECK_IMAGES = 250
CHECK_STEPS = 6
CHECK_TOLERANCE = 1e-3  # of logits, scores and losses, absolute
GREY_SPREAD = 64  # standard deviation of the generated images, in grey levels
BATCH_SIZES = (100, 250, 500)  # of PyTorch in eval mode
TRIAL_IMAGES = 500
TRIALS = 3  # of each of PyTorch's ways, the first to warm up
PARTS = ("sampling", "judging", "evaluation")


class Evaluation(NamedTuple):
    """One program's evaluation, in two parts."""

    sample: Callable[[], Any]  # to images on the device
    judge: Callable[[Any], dict[str, float]]  # images to scores


def main() -> None:
    arguments = parse_arguments()
    threads = common.use_same_threads()
    try:
        config = common.load_config(arguments.config, arguments)
        config.classifier.name = arguments.classifier or config.classifier.name
        checks.check_config(config)
        dataset = build.build_dataset(config)
        generator, torch_generator = generators(config, dataset)
    except (DataError, ValueError, ModuleNotFoundError) as error:
        sys.exit(f"error: {arguments.config}: {error}")
    settings = build.classifier_settings(config)
    classifier = untrained_classifier(settings, dataset)
    num_samples, num_splits = arguments.num_samples, config.eval.num_splits
    differences = {
        "grey levels": check_images(generator, torch_generator),
        **check_judge(generator, settings, classifier, num_splits),
        "losses": check_training(settings, classifier, dataset),
    }
    print(
        "Same results; largest differences: "
        + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()),
        flush=True,
    )
    ours = jax_evaluation(generator, classifier, num_samples, num_splits)
    ways, theirs = torch_program(
        generator, torch_generator, settings, classifier, num_samples, num_splits
    )
    tasks = time_evaluations(ours, theirs, arguments.rounds)
    ways["judge's training"], tasks["judge's train step"] = time_training(
        settings, classifier, dataset, arguments.rounds, arguments.judge_steps
    )
    result = {
        "config": arguments.config,
        "classifier": settings.name,
        "num_samples": num_samples,
        "threads": threads,
        "largest_differences": differences,
        "torch_implementation": ways,
        "tasks": {name: common.summarise(rounds) for name, rounds in tasks.items()},
    }
    print(format_table(result))
    common.write_json(arguments.output, result)


def parse_arguments() -> argparse.Namespace:
    parser = common.argument_parser(__doc__)
    parser.add_argument("--config", default="cgan_mnist", help="NAME or NAME:ARGUMENT")
    parser.add_argument("--classifier", choices=JUDGES, help="default: the config's")
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--judge-steps", type=int, default=40, help="in a round")
    return common.parse_arguments(parser)


def generators(
    config: ConfigDict, dataset: Dataset
) -> tuple[Generator, torch_dcgan.Generator]:
    """An untrained generator, and the same in PyTorch in the same mode.

    Raises:
      ValueError: the config's generator is not written in PyTorch.
    """
    settings = config.generator
    if settings.name != "dcgan" or settings.output != "tanh" or settings.dropout_rate:
        raise ValueError(
            "only the network dcgan with tanh and without dropout is written in PyTorch"
        )
    gan = build.build_gan(config, dataset.spec)
    sampler = build.build_sampler(config, gan)
    variables = common.initial_state(config, gan).generator.variables
    generator = Generator(dataset.spec, gan.conditional, 0, sampler, variables)
    images = np.asarray(generator.sample(jax.random.key(0), CHECK_IMAGES))
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    flat[f"params/conv_{len(settings.filters)}/kernel"] *= GREY_SPREAD / images.std()
    variables = flax.traverse_util.unflatten_dict(flat, sep="/")
    theirs = torch_dcgan.Generator(
        settings,
        common.params_by_layer(variables["params"]),
        gan.image_shape,
        gan.num_classes,
    ).train(gan.modes.generator_in_sampling)
    return dataclasses.replace(generator, variables=variables), theirs


def untrained_classifier(settings: ClassifierSettings, dataset: Dataset) -> Classifier:
    """The judge as it is before training on the data set's first batch."""
    # The parameters do not change, and what the moving statistics are does not matter.
    settings = dataclasses.replace(
        settings, num_epochs=1, min_steps=1, learning_rate=1e-30
    )
    return train_classifier(
        *first_batch(settings, dataset),
        num_classes=dataset.spec.num_classes,
        settings=settings,
    )


def first_batch(
    settings: ClassifierSettings, dataset: Dataset
) -> tuple[np.ndarray, np.ndarray]:
    size = settings.batch_size
    return dataset.train_images[:size], dataset.train_labels[:size]


def torch_judge(settings: ClassifierSettings, classifier: Classifier) -> nn.Module:
    return JUDGES[settings.name](jax.device_get(classifier.variables))


def check_images(generator: Generator, theirs: nn.Module) -> float:
    """The largest difference, in grey levels, between images of the same latents.

    Raises:
      RuntimeError: it exceeds 1, or the images are too grey to tell.
    """
    batch_size = generator.sampler.batch_size
    num_images = 2 * batch_size
    key = jax.random.key(1)
    images = torch_dcgan.mirrored(np.asarray(generator.sample(key, num_images)))
    expected = torch_evaluation.generate(
        theirs,
        torch.tensor(np.asarray(generator.latents(key, num_images))),
        torch_labels(generator, num_images),
        batch_size,
    )
    difference = float((images.int() - expected.int()).abs().max())
    spread = float(images.float().std())
    if difference > 1 or spread < GREY_SPREAD / 4:
        raise RuntimeError(
            f"the programs' images differ by up to {difference:.0f} grey levels, of a "
            f"standard deviation of {spread:.1f}"
        )
    return difference


def check_judge(
    generator: Generator,
    settings: ClassifierSettings,
    classifier: Classifier,
    num_splits: int,
) -> dict[str, float]:
    """The largest differences between logits, and between scores, of the same images.

    Raises:
      RuntimeError: one exceeds CHECK_TOLERANCE, or is no less than what is compared.
    """
    images = generator.sample(jax.random.key(2), CHECK_IMAGES)
    logits = classifier.logits(images)
    scores = jax_scores(logits, num_splits)
    expected_logits = torch_evaluation.logits_of(
        torch_judge(settings, classifier),
        torch_dcgan.mirrored(np.asarray(images)),
        CHECK_IMAGES,
        settings.flip,
    )
    labels = torch_labels(generator, CHECK_IMAGES)
    expected = torch_evaluation.scores(expected_logits, labels, num_splits)
    differences = {
        "logits": float(np.abs(logits - expected_logits.numpy()).max()),
        "scores": max(abs(scores[name] - expected[name]) for name in scores),
    }
    spread = float(logits.std(axis=0).min())
    if not max(differences.values()) <= min(CHECK_TOLERANCE, spread / 10):
        raise RuntimeError(
            f"the two judges differ: {differences}, with a standard deviation of "
            f"logits of {spread:.1e}"
        )
    return differences


def check_training(
    settings: ClassifierSettings, classifier: Classifier, dataset: Dataset
) -> float:
    """The largest difference between losses of the judge's first train steps.

    Without dropout and augmentation; every step is on the same batch.

    Raises:
      RuntimeError: it exceeds CHECK_TOLERANCE.
    """
    # At the full rate Adam's first steps, which are of one size whatever the gradient,
    # magnify rounding.
    settings = dataclasses.replace(
        settings,
        num_epochs=CHECK_STEPS,
        min_steps=1,
        learning_rate=settings.learning_rate / 10,
        flip=False,
        max_shift=0,
    )
    images, labels = first_batch(settings, dataset)
    losses = []

    def without_dropout(call, arguments, keywords, context):
        if isinstance(context.module, flax.linen.Dropout):
            return arguments[0]
        return call(*arguments, **keywords)

    with flax.linen.intercept_methods(without_dropout):
        train_classifier(
            images,
            labels,
            num_classes=dataset.spec.num_classes,
            settings=settings,
            progress=lambda step, num_steps, loss: losses.append(loss),
        )
    network = torch_judge(settings, classifier)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    training = JudgeTraining(
        settings, network, images, labels, CHECK_STEPS, "foreach", "contiguous"
    )
    expected = [training.run_steps(1)["loss"] for _ in range(CHECK_STEPS)]
    difference = float(np.abs(np.subtract(losses, expected)).max())
    moved = abs(expected[-1] - expected[0])
    if not difference <= min(CHECK_TOLERANCE, moved / 10):
        raise RuntimeError(
            f"the two judges' training differs: a loss by {difference:.1e} in "
            f"{CHECK_STEPS} steps, which move it by {moved:.1e}"
        )
    return difference


def torch_labels(generator: Generator, num_images: int) -> torch.Tensor:
    """As gan_jax samples them: every class in turn."""
    labels = balanced_labels(num_images, generator.spec.num_classes)
    return torch.tensor(labels, dtype=torch.int64)


def jax_scores(logits: jax.Array, num_splits: int) -> dict[str, float]:
    labels = balanced_labels(*logits.shape)
    return {
        "inception_score": metrics.inception_score(logits, num_splits)[0],
        "gan_test": metrics.accuracy(logits, labels),
    }


def jax_evaluation(
    generator: Generator, classifier: Classifier, num_samples: int, num_splits: int
) -> Evaluation:
    key = jax.random.key(3)
    return Evaluation(
        sample=lambda: generator.sample(key, num_samples),
        judge=lambda images: jax_scores(classifier.logits(images), num_splits),
    )


def torch_program(
    generator: Generator,
    network: nn.Module,
    settings: ClassifierSettings,
    classifier: Classifier,
    num_samples: int,
    num_splits: int,
) -> tuple[dict[str, str], Evaluation]:
    """PyTorch's evaluation in the fastest way, and which that is for each part."""
    # In train mode an image depends on the others in its batch.
    sizes = (generator.sampler.batch_size,) if network.training else BATCH_SIZES

    def sampling(network, batch_size, num_images):
        def sample():
            shape = num_images, generator.latent_size
            uniform = generator.prior == "uniform"
            latents = torch.rand(shape) * 2 - 1 if uniform else torch.randn(shape)
            labels = torch_labels(generator, num_images)
            return torch_evaluation.generate(network, latents, labels, batch_size)

        return sample

    def judging(network, batch_size, num_images):
        labels = torch_labels(generator, num_images)

        def judge(images):
            logits = torch_evaluation.logits_of(
                network, images, batch_size, settings.flip
            )
            return torch_evaluation.scores(logits, labels, num_splits)

        return judge

    trial_images = sampling(network, sizes[0], TRIAL_IMAGES)()
    sampler_name, sampler = fastest_way(
        network, sizes, lambda *way: sampling(*way, TRIAL_IMAGES)
    )
    judge_name, judge = fastest_way(
        torch_judge(settings, classifier),
        BATCH_SIZES,
        lambda *way: functools.partial(judging(*way, TRIAL_IMAGES), trial_images),
    )
    return {"sampling": sampler_name, "judging": judge_name}, Evaluation(
        sampling(*sampler, num_samples), judging(*judge, num_samples)
    )


def fastest_way(
    network: nn.Module,
    batch_sizes: tuple[int, ...],
    make: Callable[[nn.Module, int], Callable[[], Any]],
) -> tuple[str, tuple[nn.Module, int]]:
    """The memory format and batch size with which `make`'s function takes least."""
    ways = {
        f"{name}, batches of {batch_size}": (
            copy.deepcopy(network).to(memory_format=memory_format),
            batch_size,
        )
        for name, memory_format in torch_dcgan.MEMORY_FORMATS.items()
        for batch_size in batch_sizes
    }
    timed = {name: functools.partial(seconds, make(*way)) for name, way in ways.items()}
    name = common.fastest(timed, TRIALS)
    return name, ways[name]


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def time_evaluations(
    ours: Evaluation, theirs: Evaluation, num_rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each part, round after round, after a warm-up of ours."""

    def seconds_of_parts(program: Evaluation) -> tuple[float, float, float]:
        start = time.perf_counter()
        images = jax.block_until_ready(program.sample())
        sampled = time.perf_counter()
        program.judge(images)
        judged = time.perf_counter()
        return sampled - start, judged - sampled, judged - start

    seconds_of_parts(ours)  # The trials have warmed up PyTorch.
    rounds = {part: [] for part in PARTS}
    for _ in range(num_rounds):
        pair = seconds_of_parts(ours), seconds_of_parts(theirs)
        for part, *times in zip(PARTS, *pair, strict=True):
            rounds[part].append(tuple(times))
        print(
            f"{PARTS[-1]}: gan_jax {pair[0][-1]:.2f} s, PyTorch {pair[1][-1]:.2f} s",
            flush=True,
        )
    return rounds


def time_training(
    settings: ClassifierSettings,
    classifier: Classifier,
    dataset: Dataset,
    num_rounds: int,
    num_steps: int,
) -> tuple[str, list[tuple[float, float]]]:
    """PyTorch's way, and seconds per step of the judge's training in turns.

    A round is an epoch of gan_jax, as many images as make the steps, and then as many
    steps of PyTorch.
    """
    num_steps = min(num_steps, len(dataset.train_labels) // settings.batch_size)
    num_images = num_steps * settings.batch_size
    images = dataset.train_images[:num_images]
    labels = dataset.train_labels[:num_images]
    settings = dataclasses.replace(settings, num_epochs=num_rounds + 1, min_steps=1)
    programs = {
        f"{memory_format}, {adam} Adam": JudgeTraining(
            settings,
            torch_judge(settings, classifier),
            images,
            labels,
            settings.num_epochs * num_steps,
            adam,
            memory_format,
        ).run_steps
        for memory_format, adam in torch_dcgan.implementations()
    }
    timed = {
        name: functools.partial(common.seconds_per_step, program, 2)
        for name, program in programs.items()
    }
    name = common.fastest(timed, TRIALS)
    rounds = []
    start = time.perf_counter()

    def after_epoch(*_):
        nonlocal start
        ours = (time.perf_counter() - start) / num_steps
        rounds.append((ours, common.seconds_per_step(programs[name], num_steps)))
        start = time.perf_counter()

    train_classifier(
        images,
        labels,
        num_classes=dataset.spec.num_classes,
        settings=settings,
        progress=after_epoch,
    )
    return name, rounds[1:]  # The first epoch of ours was compiled.


def format_table(result: dict) -> str:
    lines = [f"{'seconds':20}{'gan_jax':>10}{'PyTorch':>10}  ratio (rounds)"]
    for name, times in result["tasks"].items():
        medians = (times["seconds"][program]["median"] for program in common.NAMES)
        ratios = times["ratios"]
        lines.append(
            f"{name:20}{''.join(f'{median:10.4f}' for median in medians)}"
            f"{times['ratio_of_medians']:7.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    lines.append(
        f"{result['config']}, {result['num_samples']:,} images, judge "
        f"{result['classifier']}, {result['threads']} threads; ratio: PyTorch's time / "
        "gan_jax's"
    )
    lines += [
        f"PyTorch's {part}: {way}"
        for part, way in result["torch_implementation"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
