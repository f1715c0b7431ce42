"""Each picture cell by cell: from generators whose images tell their latents, and from
a trained one through the program's entry point."""

import dataclasses
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import flagsaver
from ml_collections import ConfigDict
from PIL import Image

import main
from gan_jax import analyses
from gan_jax.analyses import Group, analyse
from gan_jax.build import ConfigError
from gan_jax.data.batches import fixed_order
from gan_jax.generator import grid_request, load_generator
from gan_jax.judge import Judge
from gan_jax.metrics import nearest_neighbours
from gan_jax.random import root_keys
from gan_jax.report.grids import split_grid
from gan_jax.workdir import config_to_dict, save_config

KEY = jax.random.key(0)
SIZE = 12


def image_of(latents, labels=None):
    """The fake generator's images, [N, 4, 3, 1]: 20 z + 120, and the label at last."""
    images = np.rint(20 * np.asarray(latents, np.float64) + 120)
    if labels is not None:
        images[:, -1] = labels
    return np.clip(images, 0, 255).astype(np.uint8).reshape(-1, 4, 3, 1)


@dataclasses.dataclass
class LinearGenerator:
    """As a `Generator`; remembers the keys that it was given."""

    spec: object
    conditional: bool
    prior: str = "normal"
    latent_size: int = SIZE
    keys: np.ndarray | None = None

    def latents(self, key, labels_or_n):
        number = labels_or_n if np.ndim(labels_or_n) == 0 else len(labels_or_n)
        draws = np.random.default_rng(7).normal(size=(number, SIZE))
        if self.prior == "uniform":
            draws = np.tanh(draws)
        return jnp.asarray(draws, jnp.float32)

    def sample(self, key, labels_or_n):
        labels = labels_or_n if self.conditional else None
        return jnp.asarray(image_of(self.latents(key, labels_or_n), labels))

    def generate(self, latents, labels, key):
        assert (labels is not None) == self.conditional
        assert key.shape == (len(latents),)
        self.keys = np.asarray(jax.random.key_data(key)).reshape(len(latents), -1)
        return jnp.asarray(image_of(latents, labels))


@pytest.fixture
def linear(tiny_spec):
    def make(conditional, **fields):
        return LinearGenerator(tiny_spec, conditional, **fields)

    return make


def cells(picture, rows, columns, image_shape=(4, 3, 1)):
    return split_grid(picture, image_shape=image_shape, rows=rows, columns=columns)


def blank(images):
    return np.all(images == 255)


def slerp(start, end, time):
    """White 2016, in NumPy and float64."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    angle = np.arccos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))
    sines = np.sin((1 - time) * angle), np.sin(time * angle)
    return (sines[0] * start + sines[1] * end) / np.sin(angle)


def lerp(start, end, time):
    return (1 - time) * np.asarray(start) + time * np.asarray(end)


def assert_close(images, expected):
    """Up to the rounding of a pixel."""
    difference = np.abs(np.asarray(images, int) - np.asarray(expected, int))
    assert difference.max() <= 1


@pytest.mark.parametrize(("prior", "path"), [("normal", slerp), ("uniform", lerp)])
def test_interpolation_of_pairs(linear, prior, path):
    generator = linear(False, prior=prior)

    images = cells(analyses.interpolation(generator, KEY), 10, 11)

    ends = generator.latents(KEY, 20)
    for row in range(10):
        start, end = ends[row], ends[10 + row]
        expected = [path(start, end, time) for time in np.linspace(0, 1, 11)]
        assert_close(images[row], image_of(expected))
        assert_close(images[row, [0, -1]], image_of([start, end]))
    keys = generator.keys.reshape(10, 11, -1)
    # A row has its dropout and its company in common, with no other row.
    np.testing.assert_array_equal(keys, np.repeat(keys[:, :1], 11, axis=1))
    assert len(np.unique(keys[:, 0], axis=0)) == 10


def test_interpolation_in_every_class(linear):
    generator = linear(True)

    images = cells(analyses.interpolation(generator, KEY), 3, 11)

    start, end = generator.latents(KEY, 2)
    path = [slerp(start, end, time) for time in np.linspace(0, 1, 11)]
    for label in range(3):
        assert_close(images[label], image_of(path, label))
    assert len(np.unique(generator.keys, axis=0)) == 1


@pytest.mark.parametrize("conditional", [True, False])
def test_directions_start_from_one_draw(linear, monkeypatch, conditional):
    vectors = np.eye(SIZE)[::-1]
    monkeypatch.setattr(
        analyses.projection, "directions", lambda generator: (vectors, None)
    )
    generator = linear(conditional)

    images = cells(analyses.directions(generator, KEY), 10, 9)

    start = np.asarray(generator.latents(KEY, 10))[0]
    for row in range(10):
        moved = [start + step * vectors[row] for step in range(-4, 5)]
        assert_close(images[row], image_of(moved, row % 3 if conditional else None))
    assert len(np.unique(generator.keys, axis=0)) == 1


def test_truncation_rows(linear):
    generator = linear(True)
    thresholds = analyses.THRESHOLDS["normal"]

    picture = analyses.truncation(generator, KEY)

    labels = [0, 0, 1, 1, 2, 2]
    images = cells(picture, len(thresholds), 6)
    latents = generator.latents(KEY, labels)
    np.testing.assert_array_equal(images[0], image_of(latents, labels))
    pixels = images.reshape(len(thresholds), 6, SIZE)
    np.testing.assert_array_equal(pixels[..., -1], np.tile(labels, (8, 1)))
    for row, threshold in zip(pixels[1:, :, :-1], thresholds[1:], strict=True):
        found = (row.astype(float) - 120) / 20
        assert np.abs(found).max() <= threshold + 0.5 / 20
        # What is within stays; what was not is drawn anew, not clipped.
        within = np.abs(latents)[:, :-1] <= threshold
        np.testing.assert_array_equal(row[within], pixels[0, :, :-1][within])
        assert threshold > 1 or len(np.unique(row[~within])) > 2
    keys = generator.keys.reshape(len(thresholds), 6, -1)
    np.testing.assert_array_equal(keys, np.repeat(keys[:1], len(thresholds), axis=0))
    assert len(np.unique(keys[0], axis=0)) == 6


def test_truncation_of_the_uniform_prior_scales(linear):
    generator = linear(False, prior="uniform")

    images = cells(analyses.truncation(generator, KEY), 6, 20)

    latents = np.asarray(generator.latents(KEY, 20), np.float64)
    for row, scale in zip(images, (1, 0.8, 0.6, 0.4, 0.2, 0.1), strict=True):
        assert_close(row, image_of(scale * latents))


def group(name, latents, label=None):
    latents = jnp.asarray(latents, jnp.float32)
    return Group(name, image_of(latents, label), latents, label)


def test_arithmetic_by_hand(linear):
    ones = np.ones(SIZE)
    groups = (
        group("a", [ones, 3 * ones]),  # mean 2
        group("b", [0.5 * ones]),
        group("c", [-ones, -2 * ones, 0 * ones]),  # mean -1
    )

    images = cells(analyses.arithmetic(linear(False), KEY, groups), 4, 10)

    for row, shown in zip(images, groups, strict=False):
        number = len(shown.images)
        np.testing.assert_array_equal(row[:number], shown.images)
        assert blank(row[number:9])
    # 20 z + 120: 2, 0.5, -1 and 2 - 0.5 - 1 = 0.5.
    for image, value in zip(images[:, 9], (160, 130, 100, 130), strict=True):
        np.testing.assert_array_equal(image, np.full((4, 3, 1), value))
    variations = images[3, :8].astype(int)
    assert len(np.unique(variations.reshape(8, -1), axis=0)) == 8
    # U(-0.25, 0.25) is 5 pixel values to either side.
    assert set(range(126, 135)) <= set(variations.ravel()) <= set(range(125, 136))
    assert blank(images[3, 8])


def test_arithmetic_in_the_class_of_the_last_group(linear):
    generator = linear(True)
    zeros = np.zeros((20, SIZE))

    picture = analyses.arithmetic(
        generator,
        KEY,
        (group("a", zeros, 0), group("b", zeros, 1), group("c", zeros, 2)),
    )

    images = cells(picture, 4, 10).reshape(4, 10, SIZE)
    np.testing.assert_array_equal(images[:, 9, -1], [0, 1, 2, 2])
    np.testing.assert_array_equal(images[3, :8, -1], np.full(8, 2))
    np.testing.assert_array_equal(images[:3, :8, :-1], np.full((3, 8, 11), 120))
    assert len(np.unique(generator.keys, axis=0)) == 1


def test_groups_of_classes_are_what_the_judge_says(linear):
    generator = linear(False)
    verdicts = np.array([2, 0, 1, 1, 2, 2])
    seen = []

    def classify(images):
        seen.append(images)
        return verdicts

    groups = analyses.class_groups(generator, KEY, [2, 0, 1], classify, 6)

    (images,) = seen
    latents = generator.latents(KEY, 6)
    np.testing.assert_array_equal(images, image_of(latents))
    assert [found.name for found in groups] == ["c", "a", "b"]
    for found, members in zip(groups, ([0, 4, 5], [1], [2, 3]), strict=True):
        np.testing.assert_array_equal(found.latents, latents[np.array(members)])
        np.testing.assert_array_equal(found.images, image_of(found.latents))
        assert found.label is None


def test_classes_that_cannot_be_grouped(linear):
    with pytest.raises(ConfigError, match="takes none of 6 generated .* class b$"):
        analyses.class_groups(linear(False), KEY, [0, 1, 2], lambda _: [0, 2] * 3, 6)
    with pytest.raises(ConfigError, match="conditional generator .* not in z; give"):
        analyses.class_groups(linear(True), KEY, [0, 1, 2], None, 6)


@pytest.mark.parametrize("conditional", [True, False])
def test_groups_of_numbered_images(linear, conditional):
    generator = linear(conditional)
    request = grid_request(generator)

    groups = analyses.image_groups(generator, KEY, [[25, 3], [7], [12, 12]])

    images = np.asarray(generator.sample(KEY, request))
    latents = generator.latents(KEY, request)
    for found, members in zip(groups, ([25, 3], [7], [12, 12]), strict=True):
        np.testing.assert_array_equal(found.images, images[members])
        np.testing.assert_array_equal(found.latents, latents[np.array(members)])
    assert [found.name for found in groups] == ["25, 3", "7", "12, 12"]
    # Ten images of a class; that of the first image counts.
    labels = [2, 0, 1] if conditional else [None] * 3
    assert [found.label for found in groups] == labels
    last = 29 if conditional else 99
    with pytest.raises(ConfigError, match=f"no image {last + 1} .* 0 to {last},"):
        analyses.image_groups(generator, KEY, [[0], [1], [last, last + 1]])


def test_by_default_bright_minus_dark_plus_dark(linear):
    generator = linear(True)

    groups = analyses.image_groups(generator, KEY)

    images = np.asarray(generator.sample(KEY, grid_request(generator)))
    sums = images.reshape(3, 10, -1).sum(axis=2)

    def brightness(found):
        return sorted(found.images.reshape(3, -1).sum(axis=1))

    bright, dark, other_dark = groups
    assert brightness(bright) == sorted(sums[0])[-3:]
    assert brightness(dark) == sorted(sums[0])[:3]
    assert brightness(other_dark) == sorted(sums[1])[:3]
    assert [found.label for found in groups] == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,2,1", ("classes", [0, 2, 1])),
        ("c, A ,b", ("classes", [2, 0, 1])),
        ("b,b,0", ("classes", [1, 1, 0])),
        ("0+3+7,1+2,5", ("images", [[0, 3, 7], [1, 2], [5]])),
        ("4+4, 17 ,23", ("images", [[4, 4], [17], [23]])),
    ],
)
def test_groups_are_parsed(tiny_spec, text, expected):
    assert analyses.parse_groups(text, tiny_spec) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is ''; it must be three groups"),
        ("a,b", "is 'a,b'; it must be three"),
        ("a,b,c,a", "must be three groups"),
        ("a,,c", "must be three groups"),
        ("a,b,d", r"tiny has no class 'd'; known: a, b, c \(or 0 to 2\)"),
        ("0,1,3", "no class '3'"),
        ("0+1,2,a", "'a' is no number"),
        ("0+,1,2", "'' is no number"),
        ("0+-1,1,2", "'-1' is no number"),
        ("0+1.5,1,2", "'1.5' is no number"),
    ],
)
def test_malformed_groups(tiny_spec, text, message):
    with pytest.raises(ConfigError, match=f"--groups.*{message}"):
        analyses.parse_groups(text, tiny_spec)


@pytest.mark.parametrize(("conditional", "rows"), [(True, 3), (False, 10)])
def test_samples_beside_their_nearest_training_images(linear, conditional, rows):
    generator = linear(conditional)
    train_images = np.random.default_rng(1).integers(60, 180, (30, 4, 3, 1), np.uint8)

    picture = analyses.neighbours(generator, KEY, train_images)

    images = cells(picture, rows, 10)
    samples = generator.sample(KEY, np.arange(3) if conditional else 10)
    np.testing.assert_array_equal(images[:, 0], samples)
    assert blank(images[:, 1])
    for sample, row in zip(np.asarray(samples, int), images[:, 2:], strict=True):
        squares = ((train_images.astype(int) - sample) ** 2).sum(axis=(1, 2, 3))
        nearest = np.argsort(squares, kind="stable")[:8]
        np.testing.assert_array_equal(row, train_images[nearest])


def changed(config, fields):
    other = ConfigDict(config_to_dict(config))
    other.update_from_flattened_dict(fields)
    return other


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_rows_of_the_dropout_sweep_are_samples_at_that_rate(
    tiny_run, mode, monkeypatch
):
    config, workdir = tiny_run
    monkeypatch.setattr(analyses, "DROPOUT_RATES", (0.5, 0.35, 0.0))
    given = changed(config, {"modes.generator_in_sampling": mode})
    key = jax.random.key(3)

    picture = analyses.dropout_sweep(load_generator(workdir, config=given), key)

    images = cells(picture, 3, 20, (28, 28, 1))
    labels = np.repeat(np.arange(10), 2)
    for row, rate in zip(images, (0.5, 0.35, 0.0), strict=True):
        at_rate = changed(config, {"sampling.dropout_rate": rate})
        generator = load_generator(workdir, config=at_rate)
        np.testing.assert_array_equal(row, generator.sample(key, labels))
    assert not np.array_equal(images[0], images[1])


def test_dropout_rates_are_those_of_report_d():
    rates = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0)
    np.testing.assert_allclose(analyses.DROPOUT_RATES, rates)


def test_a_generator_trained_without_dropout_has_no_sweep():
    gan = SimpleNamespace(generator=SimpleNamespace(dropout_rate=0.0))
    generator = SimpleNamespace(sampler=SimpleNamespace(gan=gan))

    with pytest.raises(ConfigError, match="trained with dropout.*dropout_rate is 0"):
        analyses.with_dropout(generator, 0.5)


# The program's entry point.


@pytest.fixture
def sample(tiny_world, tiny_run, tmp_path, capsys):
    """sample(arguments) -> (lines printed, folder): main.py on a finished run."""
    workdir = tmp_path / "run"
    shutil.copytree(tiny_run[1], workdir)

    def run(*arguments):
        with flagsaver.flagsaver():
            given = main.parse_flags(
                ["main.py", f"--workdir={workdir}", "--mode=sample", *arguments]
            )
            main.main(given)
        return capsys.readouterr().out.splitlines(), workdir

    return run


@pytest.fixture
def loaded(tiny_run):
    return load_generator(tiny_run[1])


def read_cells(path, rows, columns):
    with Image.open(path) as picture:
        return cells(np.asarray(picture)[..., None], rows, columns, (28, 28, 1))


def test_without_an_analysis_samples_are_written(sample):
    lines, workdir = sample()

    assert lines == [f"Wrote {workdir / 'samples.npz'}"]
    assert (workdir / "samples.png").exists()
    assert sample("--analysis=samples")[0] == lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("interpolation", analyses.interpolation),
        ("truncation", analyses.truncation),
        ("directions", analyses.directions),
    ],
)
def test_the_program_writes_the_picture(sample, loaded, tiny_run, name, picture):
    lines, workdir = sample(f"--analysis={name}")

    assert lines == [f"Wrote {workdir / name}.png"]
    key = root_keys(tiny_run[0].seed)["samples"]
    with Image.open(workdir / f"{name}.png") as image:
        np.testing.assert_array_equal(
            np.asarray(image)[..., None], picture(loaded, key)
        )


@pytest.mark.slow
def test_a_step_may_be_chosen(sample, tiny_run):
    _, workdir = sample("--analysis=interpolation", "--step=8")

    key = root_keys(tiny_run[0].seed)["samples"]
    earlier = load_generator(tiny_run[1], 8)
    with Image.open(workdir / "interpolation.png") as image:
        np.testing.assert_array_equal(
            np.asarray(image)[..., None], analyses.interpolation(earlier, key)
        )


@pytest.mark.slow
def test_the_program_sweeps_dropout(sample, loaded, tiny_run):
    lines, workdir = sample("--analysis=dropout")

    assert lines == [f"Wrote {workdir / 'dropout.png'}"]
    images = read_cells(workdir / "dropout.png", 11, 20)
    key = root_keys(tiny_run[0].seed)["samples"]
    # The run's own rate, 0.5, is the first.
    labels = np.repeat(np.arange(10), 2)
    np.testing.assert_array_equal(images[0], loaded.sample(key, labels))


@pytest.mark.slow
def test_the_program_projects_test_images(sample, tiny_world):
    lines, workdir = sample(
        "--analysis=projection", "--config.modes.generator_in_sampling=eval"
    )

    assert lines[1] == f"Wrote {workdir / 'projection.png'}"
    given, found = read_cells(workdir / "projection.png", 2, 10)
    first = [np.flatnonzero(tiny_world.test_labels == label)[0] for label in range(10)]
    np.testing.assert_array_equal(given, tiny_world.test_images[first])
    squared = np.square((given / 255.0) - found / 255.0).mean(axis=(1, 2, 3))
    assert lines[0] == (
        "Root mean square difference of 10 test images, one of each class, to the "
        f"nearest found: {np.sqrt(squared).mean():.3f} (pixels in [0, 1])"
    )


@pytest.mark.slow
def test_the_program_adds_images(sample, loaded, tiny_run):
    sample()
    lines, workdir = sample("--analysis=arithmetic", "--groups=0+3+7,61+62,35")

    assert lines == [f"Wrote {workdir / 'arithmetic.png'}"]
    images = read_cells(workdir / "arithmetic.png", 4, 10)
    grid = read_cells(workdir / "samples.png", 10, 10).reshape(100, 28, 28, 1)
    for row, numbers in zip(images, ([0, 3, 7], [61, 62], [35]), strict=False):
        np.testing.assert_array_equal(row[: len(numbers)], grid[numbers])
        assert blank(row[len(numbers) : 9])
    assert not blank(images[3, :8]) and not blank(images[3, 9])
    default, _ = sample("--analysis=arithmetic")
    assert default == lines


def test_the_program_shows_training(sample):
    lines, workdir = sample("--analysis=training")

    assert lines == [f"Wrote {workdir / 'training.png'}"]
    strip = read_cells(workdir / "training.png", 2, 10)
    for row, step in zip(strip, (0, 12), strict=True):
        grid = read_cells(workdir / "samples" / f"step_{step:08d}.png", 10, 10)
        np.testing.assert_array_equal(row, grid[:, 0])


@pytest.mark.slow
def test_the_program_finds_neighbours(sample, loaded, tiny_run, tiny_world):
    (told, wrote), workdir = sample("--analysis=neighbours")

    assert wrote == f"Wrote {workdir / 'neighbours.png'}"
    key = root_keys(tiny_run[0].seed)["samples"]
    train = tiny_world.train_images.reshape(400, -1).astype(float)
    means = []
    chosen = np.asarray(fixed_order(200))[:60]
    for images in (loaded.sample(key, 60), tiny_world.test_images[chosen]):
        images = np.asarray(images, float).reshape(60, -1)
        squares = ((images[:, None] - train[None]) ** 2).sum(axis=2)
        means.append(np.sqrt(squares.min(axis=1)).mean() / 255)
    assert told == (
        "Mean distance to the nearest of 400 training images: "
        f"{means[0]:.3f} of 60 samples, {means[1]:.3f} of 60 test images "
        "(L2, pixels in [0, 1])"
    )
    images = read_cells(workdir / "neighbours.png", 10, 10)
    samples = np.asarray(loaded.sample(key, np.arange(10)))
    np.testing.assert_array_equal(images[:, 0], samples)
    _, nearest = nearest_neighbours(samples, tiny_world.train_images, 8)
    np.testing.assert_array_equal(images[:, 2:], tiny_world.train_images[nearest])


@pytest.mark.slow
def test_classes_by_the_judge_in_a_run_without_labels(
    tiny_world, small_config, tmp_path, monkeypatch
):
    config = small_config({"conditional": False, "eval.scores": ("inception_score",)})
    config.update_from_flattened_dict(
        {"eval.num_samples": 200, "checkpoints.best_num_samples": 100}
    )
    save_config(tmp_path, config)

    class DigitGenerator(LinearGenerator):
        """Generates real test images; of chosen latents, their first value."""

        def sample(self, key, number):
            return tiny_world.test_images[:number]

        def generate(self, latents, labels, key):
            first = np.rint(100 + 50 * np.asarray(latents[:, 0]))
            return np.full((len(latents), 28, 28, 1), first[:, None, None, None], "u1")

    generator = DigitGenerator(tiny_world.spec, False)
    monkeypatch.setattr(analyses, "load_generator", lambda *a, **k: generator)

    told, _ = analyse(config, tmp_path, "arithmetic", None, "7,1,0").splitlines()

    judge = Judge.load_or_train(config, tiny_world).classifier
    found = np.argmax(judge.logits(tiny_world.test_images), axis=1)
    counts = [np.sum(found == label) for label in (7, 1, 0)]
    assert min(counts) > 0
    assert (
        told == f"Images averaged: {counts[0]} of 7, {counts[1]} of 1, {counts[2]} of 0"
    )
    images = read_cells(tmp_path / "arithmetic.png", 4, 10)
    latents = np.asarray(generator.latents(KEY, 200), np.float64)[:, 0]
    a, b, c = (latents[found == label].mean() for label in (7, 1, 0))
    for image, mean in zip(images[:, 9], (a, b, c, a - b + c), strict=True):
        assert_close(image, np.full((28, 28, 1), np.rint(100 + 50 * mean)))
    shown = tiny_world.test_images[found == 7][:8]
    np.testing.assert_array_equal(images[0, : len(shown)], shown)
    # By default the first three classes.
    (default, _) = analyse(config, tmp_path, "arithmetic").splitlines()
    counts = [np.sum(found == label) for label in (0, 1, 2)]
    assert default.endswith(f"{counts[0]} of 0, {counts[1]} of 1, {counts[2]} of 2")


def test_arithmetic_of_few_classes_needs_groups(
    tiny_run, tiny_spec, monkeypatch, tmp_path
):
    config, workdir = tiny_run
    spec = dataclasses.replace(tiny_spec, num_classes=1, class_names=("all",))
    generator = LinearGenerator(spec, False)
    monkeypatch.setattr(analyses, "load_generator", lambda *a, **k: generator)

    with pytest.raises(ConfigError, match="has 1: give --groups=A,B,C, numbers of im"):
        analyse(config, workdir, "arithmetic", output=tmp_path)

    analyse(config, workdir, "arithmetic", None, "0+3,1+2,5", tmp_path)
    assert (tmp_path / "arithmetic.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--analysis=arithmetic", "--groups=1,2,3"], "class is not in z"),
        (["--analysis=arithmetic", "--groups=1,2"], "must be three groups"),
        (["--analysis=arithmetic", "--groups=1+2,3,100"], "no image 100"),
        (["--analysis=dropout", "--groups=1,2,3"], "--groups is for .* not dropout"),
        (["--analysis=training", "--step=4"], "--step is 4, but"),
        (["--analysis=interpolation", "--step=5"], "no checkpoint .*5|step 5"),
        (["--analysis=projection"], "projection needs a generator .* in eval mode"),
        (["--analysis=dreams"], "dreams.*samples.*arithmetic.*neighbours"),
    ],
)
def test_mistakes_end_in_one_line(sample, arguments, message):
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        sample(*arguments)


def test_what_cannot_be_done_is_told_before_the_work(
    sample, tiny_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(analyses, "load_or_train_judge", None)
    with pytest.raises(SystemExit, match="in eval mode"):
        sample("--analysis=projection")
    monkeypatch.setitem(analyses._PICTURES, "interpolation", None)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        analyse(*tiny_run, "interpolation", output=tmp_path / "file")


def test_other_modes_have_no_analysis(sample):
    with pytest.raises(SystemExit, match="^error: --analysis is for --mode=sample$"):
        sample("--analysis=dropout", "--mode=evaluate")


def test_unknown_analyses_list_the_known_ones(tiny_run):
    with pytest.raises(ConfigError, match="dreams is unknown; known: samples, "):
        analyse(*tiny_run, "dreams")


def test_another_config_is_refused(tiny_run):
    config, workdir = tiny_run

    with pytest.raises(ConfigError, match="latent.size is 9 here, 7 there"):
        analyse(changed(config, {"latent.size": 9}), workdir, "interpolation")
