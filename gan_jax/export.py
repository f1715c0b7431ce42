"""A run's generator as files that need neither its folder nor this package."""

import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import export as jax_export
from ml_collections import ConfigDict

from gan_jax import checks
from gan_jax.build import ConfigError
from gan_jax.console_scores import real_score, score_columns
from gan_jax.gan import count_params
from gan_jax.generator import WEIGHTS_FILE, Generator, load_generator, sample_grid
from gan_jax.metrics import mean_and_std, metric_named
from gan_jax.networks.cpu.choice import written_for
from gan_jax.paths import local_path
from gan_jax.precision import in_32_bits
from gan_jax.random import root_keys
from gan_jax.report.files import atomic_write
from gan_jax.report.grids import save_png
from gan_jax.weights import save_weights
from gan_jax.workdir import (
    CONFIG_FILE,
    EVALUATION_FILE,
    check_evaluation_config,
    config_to_dict,
    load_config,
)

PROGRAM_FILE = "sample.jax"
CARD_FILE = "README.md"
PICTURE_FILE = "samples.png"


@in_32_bits
def export(
    workdir: str | pathlib.Path,
    step: int | None = None,
    *,
    config: ConfigDict | None = None,
    output: str | pathlib.Path | None = None,
) -> pathlib.Path:
    """Writes the generator of a run to a folder, which it returns.

    The folder holds generator.safetensors (for `load_generator` and other programs),
    sample.jax (see `program`), samples.png and README.md, a model card. Of a population
    it is the first seed's generator.

    Args:
      step: of the checkpoint; None: the latest usable one.
      config: in place of the run's own, for other settings of sampling.
      output: the folder; None: `export` in `workdir`.

    Raises:
      ConfigError, CheckpointError, OSError: see there.
    """
    workdir = local_path(workdir, "workdir")
    folder = local_path(output or workdir / "export", "output")
    if (folder / CONFIG_FILE).exists():
        raise ConfigError(
            f"--output: {folder} is the folder of a run; expected another one, such as "
            f"{folder / 'export'}"
        )
    config = config or load_config(workdir)
    checks.check_config(config, scored=False)
    config = check_evaluation_config(workdir, config)
    evaluation = _evaluation(workdir)
    generator = load_generator(workdir, step, config=config)
    metadata = {
        "config": json.dumps(config_to_dict(config)),
        "data": json.dumps(dataclasses.asdict(generator.spec)),
        "step": str(generator.step),
        "seed": str(config.seed),
    }
    save_weights(folder / WEIGHTS_FILE, generator.variables, metadata)
    with atomic_write(folder / PROGRAM_FILE) as temporary:
        temporary.write_bytes(program(generator))
    picture = sample_grid(generator, root_keys(config.seed)["samples"])
    save_png(folder / PICTURE_FILE, picture)
    with atomic_write(folder / CARD_FILE) as temporary:
        card = model_card(config, generator, evaluation)
        temporary.write_text(card, encoding="utf-8")
    return folder


def program(generator: Generator) -> bytes:
    """`generator.sample` as a program for CPUs and NVIDIA GPUs, weights inside.

    `jax.export.deserialize` gives it back, as a function (key data uint32 [2], labels
    int32 [N]) -> images uint8 [N, H, W, C] for any N >= 1. An unconditional generator
    takes labels too, and ignores them. Labels out of range are not noticed.
    """

    def written(platform):
        # A sampler of its own: the methods' traces are kept for each sampler.
        sampler = dataclasses.replace(generator.sampler)

        def draw(key_data, labels, variables):
            # XLA would compute what depends on constants alone while it compiles, and
            # round otherwise than the machine.
            variables = jax.lax.optimization_barrier(variables)
            with written_for(platform):
                key = jax.random.wrap_key_data(key_data)
                return sampler.traced(variables, key, labels)

        return draw

    def sample(key_data, labels):
        return jax.lax.platform_dependent(
            key_data,
            labels,
            generator.variables,
            cpu=written("cpu"),
            cuda=written("cuda"),
        )

    (number,) = jax_export.symbolic_shape("N")
    key_data = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
    labels = jax.ShapeDtypeStruct((number,), jnp.int32)
    exported = jax_export.export(jax.jit(sample), platforms=("cpu", "cuda"))
    return exported(key_data, labels).serialize()


def model_card(
    config: ConfigDict, generator: Generator, evaluation: Mapping[str, Any] | None
) -> str:
    """What the generator is, how it scores and how to use it, in Markdown.

    Args:
      config: of the run.
      generator: that of the export.
      evaluation: what evaluation.json holds; None: there is none.
    """
    spec, sampler = generator.spec, generator.sampler
    height, width, channels = spec.image_shape
    kind = "conditional" if generator.conditional else "unconditional"
    settings = {
        "generator": _described(config.generator),
        "discriminator": _described(config.discriminator),
        "game": _described(config.loss),
        "terms": ", ".join(config.terms) or "none",
        "augmentations": ", ".join(config.augmentations) or "none",
        "prior": f"{generator.prior}, {generator.latent_size} numbers",
        "batch size": config.batch_size,
        "updates a step": f"D {config.d_steps}, G {config.g_steps}",
        "learning rates": f"D {config.discriminator_optimizer.learning_rate}, "
        f"G {config.generator_optimizer.learning_rate}",
        "averaged weights": config.ema_decay or "none",
        "sampling mode": config.modes.generator_in_sampling,
        "standing statistics": f"{sampler.standing_batches} batches"
        if sampler.standing_batches
        else "none",
    }
    total, _ = count_params(generator.variables)
    lines = [
        f"# A GAN of {spec.name}",
        "",
        f"A {kind} generator of images {height} x {width} x {channels}, trained by "
        f"gan_jax {importlib.metadata.version('gan_jax')} (jax {jax.__version__}): "
        f"step {generator.step:,}, seed {config.seed}, {total:,} "
        "parameters, moving statistics included.",
        "",
        f"![Samples]({PICTURE_FILE})",
        "",
        "## Recipe",
        "",
        f"Data: {spec.name}, from the source `{config.data.source}`. Classes: "
        f"{', '.join(spec.class_names)}.",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in settings.items()),
        "",
        f"The whole config is in the metadata of `{WEIGHTS_FILE}`.",
        "",
        "## Scores",
        "",
        *_score_lines(evaluation, generator),
        "",
        "## Use",
        "",
        _use(generator),
        _batches(generator),
        "",
    ]
    return "\n".join(lines)


_USE = """With gan_jax:

```python
import gan_jax, jax
generator = gan_jax.load_generator("FOLDER")
images = generator.sample(jax.random.key(0), {request})  # uint8 [3, H, W, C]
```

With JAX alone (`pip install jax flatbuffers`), on a CPU or an NVIDIA GPU; on the same
machine the same images:

```python
import jax, pathlib
import jax.numpy as jnp
from jax import export
program = export.deserialize(bytearray(pathlib.Path("FOLDER/sample.jax").read_bytes()))
key = jax.random.key_data(jax.random.key(0))
images = program.call(key, jnp.array({labels}, jnp.int32))  # uint8 [3, H, W, C]
```

The weights for a program of your own, with `safetensors` and NumPy:

```python
import json
from safetensors import safe_open
with safe_open("FOLDER/generator.safetensors", "np") as file:
    weights = {{name: file.get_tensor(name) for name in file.keys()}}
    config = json.loads(file.metadata()["config"])
```
"""


def _use(generator: Generator) -> str:
    """Code for three images, of classes that there are."""
    labels = [label % generator.spec.num_classes for label in (3, 1, 4)]
    return _USE.format(
        labels=labels, request=labels if generator.conditional else len(labels)
    )


def _batches(generator: Generator) -> str:
    """What the number of images, and the labels, mean for an image."""
    text = "N is any number from 1; each N is compiled once. "
    if not generator.conditional:
        text += "The generator is unconditional: `sample.jax` ignores the labels. "
    if not generator.sampler.gan.modes.generator_in_sampling:
        return (
            text + "The generator is in eval mode: an image depends on its own latent."
        )
    text += "The generator is in train mode, dropout included. "
    if generator.sampler.gan.sampling_generator.mixes_examples:
        size = generator.sampler.batch_size
        text += (
            "An image depends on its batch: images are always generated in whole "
            f"batches of {size}, and those asked for are picked from them. A single "
            f"image costs as much as {size}"
        )
        text += (
            f", and many images of one class {generator.spec.num_classes} times as "
            "much as images of all classes."
            if generator.conditional
            else "."
        )
    return text.strip()


def _score_lines(
    evaluation: Mapping[str, Any] | None, generator: Generator
) -> list[str]:
    """A table of the scores of the last and the best step, and their protocol."""
    if evaluation is None:
        return ["None: the run was not evaluated."]
    remarks = [
        f"- {remark}"
        for remark in (*evaluation.get("warnings", ()), *evaluation.get("health", ()))
    ]
    if not evaluation["metrics"] and "classifier" not in evaluation:
        reason = (
            "no scores were asked for"
            if generator.spec.has_classes
            else "the data have no classes, so there is no judge"
        )
        return [f"None: {reason}.", "", *remarks]
    columns = score_columns(evaluation)
    lines = [
        f"| score | {' | '.join(columns)} | real images |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, description in evaluation["metrics"].items():
        metric = metric_named(name).described(description)
        cells = []
        for scores in columns.values():
            if name not in scores:
                cells.append("")
                continue
            shown = metric.shown(*mean_and_std(scores, name))
            cells.append(f"{shown} {metric.unit}".strip())
        real = real_score(evaluation, name)
        cells.append("" if real is None else metric.shown(real))
        lines.append(f"| {metric.title} | {' | '.join(cells)} |")
    return [*lines, "", _protocol(evaluation, generator.step), *remarks]


def _protocol(evaluation: Mapping[str, Any], step: int) -> str:
    """What the scores are of, and what saw the images."""
    data = evaluation["data"]
    text = (
        f"This export is of step {step:,}. Protocol: {evaluation['num_samples']:,} "
        f"generated images a run; {data['name']}, source `{data['source']}`, "
        f"{data['num_train']:,} images for training and {data['num_test']:,} for tests."
    )
    if judge := evaluation.get("classifier"):
        text += (
            f" The judge is the classifier `{judge['name']}`, right on "
            f"{judge['test_accuracy']:.2%} of the {data['num_test']:,} real test "
            "images."
        )
    if features := evaluation.get("features"):
        weights = features.get("weights_sha256")
        of_file = f" (weights with SHA-256 `{weights}`)" if weights else ""
        text += f" Features are those of `{features['name']}`{of_file}."
    if best := evaluation.get("best"):
        text += f" Best is by {best['rule']}."
    return text


def _described(section: ConfigDict) -> str:
    """A component's name, and how it joins labels and normalises."""
    words = [section.name]
    for field in ("conditioning", "norm", "weight_norm"):
        if section.get(field, "none") != "none":
            words.append(f"{field} {section[field]}")
    return ", ".join(words)


def _evaluation(workdir: pathlib.Path) -> dict[str, Any] | None:
    path = workdir / EVALUATION_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
