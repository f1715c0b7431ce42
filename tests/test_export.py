"""A generator as files: the same images by every way of loading them."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys

import chex
import flatbuffers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import saved_run
from jax import export as jax_export
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import gan_jax
from gan_jax.build import ConfigError
from gan_jax.checkpoint import CheckpointError
from gan_jax.command_line import update
from gan_jax.export import export, model_card
from gan_jax.generator import load_generator
from gan_jax.workdir import config_from_dict, config_to_dict

KEY = jax.random.key(3)
STEP = 5  # of `saved_run`
# Name, model, fields and whether an image depends on its batch. Batches are of 11.
RUNS = {
    # Conditional batch norm, averaged weights, standing statistics, convolutions.
    "convolutional": ("sngan_mnist", None, {"sampling.standing_batches": 2}, False),
    "dropout": ("default", None, {"ema_decay": 0.5}, True),
    "unconditional": ("mlp_gan_mnist", "3", {}, False),
    "unconditional_in_train_mode": ("mlp_gan_mnist", "2", {}, True),
}


@pytest.fixture(scope="module", params=RUNS)
def exported(request, small_config, tmp_path_factory):
    """(generator of the run, folder of its export, whether batches are mixed)."""
    name, model, fields, mixed = RUNS[request.param]
    config = small_config(fields, name=name, model=model)
    workdir = tmp_path_factory.mktemp(request.param)
    saved_run(config, workdir)
    return load_generator(workdir), export(workdir), mixed


def requests(generator):
    """Labels, and what `sample` takes for them: less than a batch, more, uneven."""
    for labels in ([3], [9, 1, 9], [*range(10)] * 2):
        labels = np.array(labels, np.int32)
        yield labels, labels if generator.conditional else len(labels)


def test_the_folder_is_the_run(exported):
    generator, folder, _ = exported

    for path in (folder, str(folder), folder / "generator.safetensors"):
        loaded = load_generator(path)
        assert (loaded.spec, loaded.step) == (generator.spec, STEP)
        assert loaded.conditional == generator.conditional
        chex.assert_trees_all_equal(loaded.variables, generator.variables)
        chex.assert_trees_all_equal_dtypes(loaded.variables, generator.variables)
    for _, request in requests(generator):
        np.testing.assert_array_equal(
            loaded.sample(KEY, request), generator.sample(KEY, request)
        )
    assert load_generator(folder, STEP, seed=0).step == STEP
    with pytest.raises(CheckpointError, match=f"is of step {STEP}, not 7$"):
        load_generator(folder, 7)
    with pytest.raises(CheckpointError, match="is of seed 0, not 1$"):
        load_generator(folder, seed=1)


@pytest.mark.slow
def test_the_program_is_the_run(exported):
    generator, folder, mixed = exported
    exported = jax_export.deserialize(bytearray((folder / "sample.jax").read_bytes()))

    assert set(exported.platforms) == {"cpu", "cuda"}
    assert generator.sampler._batches_are_mixed == mixed
    for labels, request in requests(generator):
        images = exported.call(jax.random.key_data(KEY), labels)
        assert images.dtype == jnp.uint8 and len(np.unique(images)) > 2
        np.testing.assert_array_equal(images, generator.sample(KEY, request))


@pytest.mark.slow
def test_each_platform_has_its_own_convolutions(small_config, tmp_path):
    """For GPUs XLA's, though it was traced where patches are taken."""
    saved_run(small_config(name="sngan_mnist"), tmp_path)
    generator = load_generator(tmp_path)
    folder = export(tmp_path)

    exported = jax_export.deserialize(bytearray((folder / "sample.jax").read_bytes()))
    here = jax.jit(lambda: generator.sample(KEY, np.arange(10))).lower().as_text()

    assert "stablehlo.convolution" not in here
    assert "stablehlo.convolution" in exported.mlir_module()


@pytest.fixture(scope="module")
def run(small_config, tmp_path_factory):
    """A small conditional run, its config and export."""
    config = small_config({"ema_decay": 0.5, "generator.hidden_sizes": (8,)})
    workdir = tmp_path_factory.mktemp("run")
    saved_run(config, workdir)
    return config, workdir, export(workdir)


ALONE = """
import pathlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gan_jax", "flax", "orbax", "safetensors"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
sys.path.append(sys.argv[3])
import jax, numpy
from jax import export
program = export.deserialize(bytearray(pathlib.Path(sys.argv[1]).read_bytes()))
key = jax.random.key_data(jax.random.key(3))
images = program.call(key, numpy.array([3, 1, 4], numpy.int32))
numpy.save(sys.argv[2], images)
"""


@pytest.mark.slow
def test_the_program_needs_jax_alone(run, tmp_path):
    _, workdir, folder = run
    packages = pathlib.Path(flatbuffers.__file__).parents[1]
    result = tmp_path / "images.npy"
    program = folder / "sample.jax"

    subprocess.run(
        [sys.executable, "-I", "-c", ALONE, program, result, packages],
        cwd=tmp_path,
        check=True,
    )

    expected = load_generator(workdir).sample(KEY, [3, 1, 4])
    np.testing.assert_array_equal(np.load(result), expected)


@pytest.mark.slow
def test_an_export_is_loaded_without_orbax(run):
    code = (
        "import sys; sys.modules['orbax'] = None; sys.modules['orbax.checkpoint'] = "
        "None; import gan_jax; print(gan_jax.load_generator(sys.argv[1]).step)"
    )

    found = subprocess.run(
        [sys.executable, "-c", code, run[2]],
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout == f"{STEP}\n"


def test_metadata_say_what_it_is(run):
    config, workdir, folder = run

    with safe_open(folder / "generator.safetensors", "np") as file:
        metadata, names = file.metadata(), set(file.keys())

    assert metadata["format"] == "gan_jax generator"
    assert metadata["format_version"] == "1"
    assert (metadata["step"], metadata["seed"]) == (str(STEP), "0")
    assert config_from_dict(json.loads(metadata["config"])) == config
    assert json.loads(metadata["data"])["name"] == "mnist"
    assert "params/output/kernel" in names


def test_another_step_and_place(run, tmp_path):
    _, workdir, _ = run

    assert export(workdir, STEP, output=str(tmp_path / "a" / "b")) == (
        tmp_path / "a" / "b"
    )
    assert load_generator(tmp_path / "a" / "b").step == STEP
    with pytest.raises(CheckpointError, match="step 7"):
        export(workdir, 7)


def test_the_folder_of_a_run_is_no_place_for_an_export(run):
    _, workdir, _ = run

    with pytest.raises(ConfigError, match="--output: .* is the folder of a run; expec"):
        export(workdir, output=workdir)

    assert not (workdir / "generator.safetensors").exists()


@pytest.mark.slow
def test_other_settings_of_sampling(run, tmp_path):
    config, workdir, _ = run
    other = config_from_dict(config_to_dict(config))
    update(other, {"modes.generator_in_sampling": "eval"})

    loaded = load_generator(export(workdir, config=other, output=tmp_path))

    expected = load_generator(workdir, config=other).sample(KEY, 5)
    np.testing.assert_array_equal(loaded.sample(KEY, 5), expected)
    update(other, {"latent.size": 9})
    with pytest.raises(ConfigError, match="latent.size is 9 here"):
        export(workdir, config=other)


@pytest.fixture
def weights(run, tmp_path):
    """A copy of the export's safetensors file, to be damaged."""
    return pathlib.Path(shutil.copy(run[2] / "generator.safetensors", tmp_path))


def test_a_damaged_file_is_noticed(weights):
    intact = weights.read_bytes()
    flipped = bytearray(intact)
    flipped[-1] ^= 1
    for content, reason in (
        (intact[:-9], "cannot be read: "),
        (b"", "cannot be read: "),
        (flipped, "is damaged: it does not match its checksum"),
        (intact.replace(b'"seed":"0"', b'"seed":"1"'), "is damaged: "),
    ):
        weights.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"^{weights} {reason}") as caught:
            load_generator(weights)
        assert "\n" not in str(caught.value)


def test_foreign_files_are_refused(weights, tmp_path):
    arrays = load_file(weights)
    for metadata, reason in (
        (None, "is no generator that gan_jax exported"),
        ({"format": "pt"}, "is no generator that gan_jax exported"),
        (
            {"format": "gan_jax generator", "format_version": "2"},
            "has format version 2; this gan_jax reads 1",
        ),
    ):
        save_file(arrays, weights, metadata)
        with pytest.raises(CheckpointError, match=f"^{weights} {reason}$"):
            load_generator(weights)
    with pytest.raises(CheckpointError, match="cannot be read: .*[Nn]o such file"):
        load_generator(tmp_path / "none.safetensors")


def test_weights_of_another_network_are_refused(run, weights):
    config = config_from_dict(config_to_dict(run[0]))
    update(config, {"generator.hidden_sizes": (9,)})

    with pytest.raises(CheckpointError, match=r"does not fit its config: .* not float"):
        load_generator(weights, config=config)


EVALUATION = {
    "step": 1000,
    "data": {
        "name": "mnist",
        "source": "embedded",
        "num_train": 10000,
        "num_test": 2000,
    },
    "metrics": {"inception_score": {}, "gan_test": {}, "gan_train": {}},
    "classifier": {"name": "lenet", "test_accuracy": 0.9871},
    "inception_score_real": {"mean": 9.8765, "std": 0.01},
    "num_samples": 777,
    "inception_score": {"mean": 8.1234, "std": 0.4321},
    "gan_test": {"mean": 0.91239, "std": 0.0123},
    "gan_train": 0.8642,
    "best": {
        "rule": "largest gan_test of 100 images at a checkpoint",
        "step": 500,
        "inception_score": {"mean": 8.5432, "std": 0.1111},
        "gan_test": {"mean": 0.95, "std": 0.01},
    },
    "warnings": ["few images"],
    "health": [],
}


def test_the_card_has_the_numbers_of_the_evaluation(run):
    config, workdir, _ = run

    card = model_card(config, load_generator(workdir), EVALUATION)

    assert "| score | step 1,000 | best, step 500 | real images |" in card
    for row in (
        r"Inception Score \| 8\.123 ± 0\.432 \| 8\.543 ± 0\.111 \| 9\.8\d+ ",
        r"GAN-test \| 91\.24 ± 1\.23 % \| 95\.00 ± 1\.00 % \|",
        r"GAN-train \| 86\.42 % \|  \|",
    ):
        assert re.search(row, card), card
    for text in (
        "This export is of step 5.",
        "777 generated images a run",
        "`lenet`, right on 98.71% of the 2,000 real test images",
        "largest gan_test of 100 images",
        "- few images",
        "seed 0",
        "batches of 11",
    ):
        assert text in card


def test_the_card_names_the_features_and_their_weights(run):
    config, workdir, _ = run
    evaluation = {
        "step": 5,
        "num_samples": 60,
        "data": {"name": "own", "source": "folder", "num_train": 9, "num_test": 8},
        "metrics": {"frechet_distance": {"title": "FID"}},
        "features": {"name": "inception", "number": 2048, "weights_sha256": "6726825d"},
        "frechet_distance": {"mean": 12.3456, "std": 0.5},
        "frechet_distance_real": {"mean": 1.5},
        "health": [],
    }

    card = model_card(config, load_generator(workdir), evaluation)

    assert "| FID | 12.346 ± 0.500 | 1.500 |" in card
    assert (
        "Features are those of `inception` (weights with SHA-256 `6726825d`)." in card
    )
    assert "The judge is" not in card


def test_the_card_of_data_without_classes_says_so(run):
    config, workdir, _ = run
    # What `evaluate` writes where no judge can be trained.
    evaluation = {"step": 5, "metrics": {}, "warnings": ["one class"], "health": ["x"]}
    generator = load_generator(workdir)
    assert "None: no scores were asked for." in model_card(
        config, generator, evaluation
    )
    spec = dataclasses.replace(generator.spec, num_classes=1, class_names=("all",))

    card = model_card(config, dataclasses.replace(generator, spec=spec), evaluation)

    assert "None: the data have no classes, so there is no judge." in card
    assert "- one class\n- x\n" in card


def test_the_cards_code_asks_for_classes_that_there_are(run):
    config, workdir, _ = run
    generator = load_generator(workdir)
    spec = dataclasses.replace(generator.spec, num_classes=2, class_names=("a", "b"))

    card = model_card(config, dataclasses.replace(generator, spec=spec), None)

    assert "generator.sample(jax.random.key(0), [1, 1, 0])" in card
    assert "program.call(key, jnp.array([1, 1, 0], jnp.int32))" in card
    unconditional = dataclasses.replace(generator, conditional=False)
    assert "jax.random.key(0), 3)" in model_card(config, unconditional, None)


def test_the_folder_has_a_card_and_a_picture(run):
    _, _, folder = run

    card = (folder / "README.md").read_text(encoding="utf-8")

    assert "None: the run was not evaluated." in card
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "generator.safetensors",
        "sample.jax",
        "samples.png",
    }
    with Image.open(folder / "samples.png") as picture:
        picture.verify()


@pytest.mark.slow
def test_the_cards_program_runs(run):
    """The three ways, as they stand in the card."""
    _, workdir, folder = run
    card = (folder / "README.md").read_text(encoding="utf-8")
    expected = np.asarray(load_generator(workdir).sample(jax.random.key(0), [3, 1, 4]))

    for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        names = {}
        exec(block.replace("FOLDER", str(folder)), names)
        if "images" in names:
            np.testing.assert_array_equal(names["images"], expected)
        else:
            assert names["config"]["seed"] == 0
            assert "params/output/kernel" in names["weights"]


def test_functions_stand_in_front_of_modules_of_their_names():
    for name in ("train", "evaluate", "export", "load_generator", "score"):
        assert callable(getattr(gan_jax, name))
    assert sys.modules["gan_jax.train"].train is gan_jax.train
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gan_jax.nothing


@pytest.mark.slow
def test_a_run_in_python(tiny_world, tiny_run, tmp_path):
    config, workdir = tiny_run[0], tmp_path / "run"
    shutil.copytree(tiny_run[1], workdir)

    assert gan_jax.train(config, str(workdir))  # is complete already
    result = gan_jax.evaluate(str(workdir))

    card = (gan_jax.export(workdir) / "README.md").read_text(encoding="utf-8")
    assert result == json.loads((workdir / "evaluation.json").read_text())
    accuracy = result["gan_test"]["mean"]
    assert f"| GAN-test | {100 * accuracy:.2f} ± " in card
