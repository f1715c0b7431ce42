"""The page of a run and of several: what it shows is what the run's folder holds."""

import html.parser
import importlib
import json
import pathlib
import shutil

import numpy as np
import pytest

from gan_jax.build import ConfigError
from gan_jax.report.charts import Line, chart, shown
from gan_jax.report.grids import save_png
from gan_jax.report.page import Run, render
from gan_jax.run_report import read_run, write_report
from gan_jax.workdir import save_config

VOID = {"meta", "link", "br", "img", "input", "wbr", "path", "rect"}
PERCENT = {"unit": "%", "digits": 2, "better": "largest"}
EVALUATION = {
    "step": 30,
    "data": {"name": "mnist", "source": "embedded", "num_train": 10, "num_test": 5},
    "metrics": {
        "inception_score": {
            "title": "Inception Score",
            "unit": "",
            "digits": 3,
            "better": "largest",
        },
        "gan_test": {"title": "GAN-test", **PERCENT},
        "gan_train": {"title": "GAN-train", **PERCENT},
        "own:distance": {
            "title": "Distance",
            "unit": "",
            "digits": 1,
            "better": "smallest",
        },
    },
    "classifier": {"name": "lenet", "test_accuracy": 0.9875},
    "real_accuracy": 0.9875,
    "inception_score_real": {"mean": 9.5, "std": 0.125},
    "num_samples": 60,
    "class_frequencies": [0.2, 0.05, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05],
    "inception_score": {"mean": 8.1234, "std": 0.0567, "num_splits": 10},
    "inception_score_of": {"1507": {"mean": 7.5, "std": 0.25}},
    "gan_test": {"mean": 0.91, "std": 0.0123, "num_runs": 4},
    "gan_train": 0.8765,
    "own:distance": 12.34,
    "warnings": ["the judge is <b>weak</b>"],
    "health": ["mode collapse: all alike"],
}
ROWS = [
    {"step": 10, "discriminator_loss": 1.0, "real_accuracy": 0.25},
    {"step": 20, "discriminator_loss": 3.0, "real_accuracy": 0.5},
    {"step": 30, "discriminator_loss": None, "real_accuracy": 0.75},
    {"step": 40, "discriminator_loss": 2.0, "inception_score": 4.5},
]


class Element:
    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.children = []

    def all(self, tag=None, **attributes):
        """Elements below this one; `class_` for class."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Element):
                if (
                    child.tag == (tag or child.tag)
                    and wanted.items() <= dict(child.attributes).items()
                ):
                    yield child
                yield from child.all(tag, **attributes)

    def first(self, tag=None, **attributes):
        return next(self.all(tag, **attributes))

    @property
    def text(self):
        """As people see it: not what stands in scripts below."""
        parts = [
            child if isinstance(child, str) else child.text
            for child in self.children
            if isinstance(child, str) or child.tag not in ("script", "style")
        ]
        return " ".join("".join(parts).split())

    def table(self, id_):
        """The texts of a table's cells, row by row."""
        return [
            [cell.text for cell in row.all() if cell.tag in ("th", "td")]
            for row in self.first("table", id=id_).all("tr")
        ]


class Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = self.at = Element("", [], None)

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs, self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_startendtag(self, tag, attrs):
        self.at.children.append(Element(tag, attrs, self.at))

    def handle_endtag(self, tag):
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}>"
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.children.append(data)


def parsed(text) -> Element:
    """The page as a tree; every element is closed."""
    parser = Parser()
    parser.feed(text)
    parser.close()
    assert parser.at is parser.root
    return parser.root


def page_of(folder, runs=()) -> Element:
    return parsed(write_report(folder, runs).read_text(encoding="utf-8"))


def grid(value) -> np.ndarray:
    return np.full((30, 40, 1), value, np.uint8)


@pytest.fixture
def make_run(tmp_path, small_config):
    """make_run(name, fields) -> a run's folder with all that a page can show."""

    def make(name="run", fields=None, evaluation=EVALUATION, rows=ROWS):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        save_config(folder, small_config(fields))
        lines = [json.dumps(row) + "\n" for row in rows]
        (folder / "metrics.jsonl").write_text("".join(lines))
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
        for step in (20, 40):
            save_png(folder / f"samples/step_{step:08}.png", grid(step))
        save_png(folder / "interpolation.png", grid(1))
        save_png(folder / "curves.png", grid(2))
        return folder

    return make


def test_scores_are_those_of_the_evaluation(make_run):
    page = page_of(make_run())

    assert page.table("scores") == [
        ["score", "last checkpointstep 30", "real images"],
        [
            "Inception Score↑ larger is better; ± over 10 splits",
            "8.123 ± 0.057",
            "9.500 ± 0.125",
        ],
        [
            "Inception Score of 1,507 images↑ larger is better",
            "7.500 ± 0.250",
            "–",
        ],
        ["GAN-test (%)↑ larger is better; ± over 4 runs", "91.00 ± 1.23", "98.75"],
        ["GAN-train (%)↑ larger is better", "87.65", "98.75"],
        ["Distance↓ smaller is better", "12.3", "–"],
    ]
    assert "mode collapse: all alike" in page.text
    assert "Warning: the judge is <b>weak</b>" in page.text
    # The log has gone on since.
    assert "These scores are of step 30; the log goes on to step 40." in page.text


def test_other_features_are_named(make_run):
    described = EVALUATION["metrics"]["own:distance"] | {"title": "FID"}
    evaluation = EVALUATION | {
        "metrics": {"frechet_distance": described | {"features": "inception"}},
        "features": {
            "name": "inception",
            "number": 2048,
            "weights_sha256": "6726825d0",
        },
        "frechet_distance": {"mean": 12.34, "std": 0.5},
    }
    rows = [row | {"kernel_distance": 0.5} for row in ROWS]
    run = make_run("a", {"eval.features": "inception"}, evaluation, rows)
    page = page_of(run)

    assert page.table("scores")[1][0].startswith("FID↓ smaller is better")
    assert "Features: inception, 2,048 numbers, weights 6726825d." in page.text
    assert "KID" in page.text and "judge's features" not in page.text
    both = page_of(run, (run, make_run("b")))
    assert "The runs were scored by different features" in both.text


def test_logged_scores_are_of_the_features_of_the_training(make_run):
    """Though the run was evaluated with others since."""
    described = EVALUATION["metrics"]["inception_score"]
    described = described | {"title": "Inception Score (Inception logits)"}
    metrics = {"metrics": {"inception_score": described}}

    page = page_of(make_run(evaluation=EVALUATION | metrics))

    *_, chart = page.all("figure", class_="chart")
    assert chart.first("h3").text == "Inception Score"
    assert page.table("scores")[1][0].startswith("Inception Score (Inception logits)")


def test_best_checkpoint_stands_beside_the_last(make_run):
    best = {
        "rule": "largest inception_score",
        "step": 20,
        "gan_test": {"mean": 0.95, "std": 0.01},
    }
    page = page_of(make_run(evaluation=EVALUATION | {"best": best}))

    head, inception, _, gan_test, *_ = page.table("scores")
    assert head[1:3] == ["last checkpointstep 30", "best checkpointstep 20"]
    assert inception[1:3] == ["8.123 ± 0.057", "–"]
    assert gan_test[1:3] == ["91.00 ± 1.23", "95.00 ± 1.00"]


def test_scores_over_seeds_say_so(make_run):
    evaluation = EVALUATION | {
        "gan_train_std": 0.02,
        "over_seeds": {"gan_train": {"mean": 0.8765, "std": 0.02, "num_seeds": 3}},
    }
    page = page_of(make_run(evaluation=evaluation))

    assert page.table("scores")[4][:2] == [
        "GAN-train (%)↑ larger is better; ± over 3 seeds",
        "87.65 ± 2.00",
    ]


def test_curves_are_the_logged_values(make_run):
    page = page_of(make_run())

    losses, accuracy, score = page.all("figure", class_="chart")
    # Steps from 10 to 40; values from 1 to 3 with a margin of 0.12 on both sides:
    # 1.0 is at 1000 - 1000 * 0.12 / 2.24. The NaN at step 30 is a gap.
    assert losses.first("path", class_="curve").attributes[1][1] == (
        "M0,946.4L333.3,53.6"
    )
    assert losses.first("path", class_="dots").attributes[1][1] == (
        "M0,946.4h0M333.3,53.6h0M1000,500h0"
    )
    assert "discriminator_loss is not a finite number in 1 of 4 rows" in page.text
    assert "first at step 30" in page.text
    # Per cent from -3 to 103, of steps 10 to 30.
    assert accuracy.first("path", class_="curve").attributes[1][1] == (
        "M0,735.8L500,500L1000,264.2"
    )
    assert score.first("h3").text == "Inception Score"
    data = json.loads(losses.first("script").text)
    assert data == {
        "first": 10,
        "last": 40,
        "lines": [{"steps": [10, 20, 30, 40], "values": [1.0, 3.0, None, 2.0]}],
    }
    legend = losses.first("ul").text
    assert legend == "step 40 discriminator 2"


def test_long_curves_are_averaged():
    steps = np.arange(2000.0)
    panel = chart("loss", [Line("d", steps, steps % 2)])

    assert panel.lines[0].path.count("L") == 499
    assert set(panel.data["lines"][0]["values"]) == {0.5}
    assert "2,000 logged rows" in panel.note
    assert not panel.lines[0].dots


def test_deviations_over_seeds_are_a_band():
    # Limits from -1 to 3, so a value of 1 is in the middle.
    line = Line("d", np.array([0.0, 4.0]), np.ones(2), spread=np.array([1.0, 0.5]))
    panel = chart("loss", [line], (-1.0, 3.0))

    assert panel.lines[0].band == "M0,250L1000,375L1000,625L0,750Z"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (12345.6, "12,350"), (-2.0, "-2"), (1e-7, "1e-07")],
)
def test_numbers_have_four_digits(value, text):
    assert shown(value) == text


def test_class_frequencies_are_bars(make_run):
    page = page_of(make_run())

    assert page.table("classes")[1:3] == [["0", "", "20.00%"], ["1", "", "5.00%"]]
    widths = [
        float(dict(bar.attributes)["width"])
        for bar in page.first("table", id="classes").all("rect")
    ]
    assert widths[0] == pytest.approx(4 * widths[1], rel=1e-3)
    mark = dict(page.first("table", id="classes").first("path").attributes)["d"]
    assert mark == f"M{widths[2]},0V10"  # equal shares are 10 %
    assert "equal shares, 10.00%" in page.text


def test_classes_of_own_pictures_have_their_names(make_run):
    fields = {"data.name": "pets", "data.class_names": ("cat", "dog")}
    evaluation = EVALUATION | {"class_frequencies": [0.75, 0.25]}

    page = page_of(make_run(fields=fields, evaluation=evaluation))

    assert page.table("classes")[1:] == [["cat", "", "75.00%"], ["dog", "", "25.00%"]]


def test_classes_asked_for_and_seen(make_run):
    fields = {"data.name": "pets", "data.class_names": ("cat", "dog", "fox")}
    matrix = [[1999, 1, 0], [500, 1500, 0], [0, 0, 0]]
    evaluation = EVALUATION | {"confusion_matrix": matrix}

    page = page_of(make_run(fields=fields, evaluation=evaluation))

    assert page.table("confusion") == [
        ["asked for", "cat", "dog", "fox", "images"],
        ["cat", "100.0", "0.1", "0", "2,000"],
        ["dog", "25.0", "75.0", "0", "2,000"],
        ["fox", "–", "–", "–", "0"],
    ]
    cells = list(page.first("table", id="confusion").all("td"))
    assert dict(cells[5].attributes)["style"] == "--strength: 87%"  # the root
    assert dict(cells[5].attributes)["class"] == "number same"
    assert "asked for and seen" not in page_of(make_run("unconditional")).text.lower()


def test_floors_have_a_column_if_there_are_any(make_run):
    evaluation = EVALUATION | {"own:distance_floor": 1.25}

    table = page_of(make_run(evaluation=evaluation)).table("scores")

    assert table[0][-1] == "half against half"
    assert [row[-1] for row in table[1:]] == ["–", "–", "–", "–", "1.2"]


def test_settings_that_differ_from_the_defaults(make_run):
    fields = {"loss.name": "hinge", "terms.r1_penalty.gamma": 2.5, "data.flip": True}
    page = page_of(make_run(fields=fields))

    differing = {row[0]: row[1:] for row in page.table("differing")}
    assert differing["data.flip"] == ["True", "False"]
    assert differing["loss.name"] == ["hinge", "non_saturating"]
    assert differing["latent.size"] == ["7", "100"]
    assert differing["terms.r1_penalty.gamma"] == ["2.5", "1.0"]
    assert "seed" not in differing
    everything = {row[0]: row[1] for row in page.table("settings")}
    assert everything["seed"] == "0"
    assert everything["generator.hidden_sizes"] == "(16, 12)"


def test_components_are_compared_with_their_own_defaults(make_run, monkeypatch):
    folder = make_run(fields={"loss.name": "hinge"})

    # Label smoothing is configs/default.py's for its own game only.
    with_file = read_run(folder, "run").defaults
    run_report = importlib.import_module("gan_jax.run_report")
    monkeypatch.setattr(run_report, "DEFAULT_CONFIG", pathlib.Path("/no/default.py"))
    without = read_run(folder, "run")

    assert with_file["loss.label_smoothing"] == without.defaults["loss.label_smoothing"]
    assert with_file["latent.size"] == 100
    assert without.defaults["latent.size"] == 7  # not known, so not told as differing
    assert without.defaults["generator.hidden_sizes"] != (16, 12)
    assert "configs/default.py is not installed" in without.remarks["settings"][0]


def test_names_and_settings_are_escaped(make_run):
    evil = '"><script>alert(1)</script>'
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["metrics"]["gan_test"]["title"] = evil
    evaluation["health"] = [evil]
    fields = {"data.dir": evil, "checkpoints.best_metric": "a:</script><b>"}
    rows = [row | {"a:</script><b>": 1.0} for row in ROWS]
    one = make_run("<script>", fields, evaluation, rows)
    two = make_run("<b>&amp;", fields, evaluation, rows)

    plain = page_of(make_run("plain"))
    for folder, runs in ((one, ()), (two, (one, two))):
        page = page_of(folder, runs)
        # Those of the template alone: a chart has one.
        charts = len(list(page.all("figure", class_="chart")))
        assert len(list(page.all("script"))) == charts + 1
        assert not [bold for bold in page.all("b") if not bold.attributes]
        assert evil in page.text
    assert page_of(one).first("h1").text == "<script>"
    assert plain.first("h1").text == "plain"


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("rm evaluation.json", "Not evaluated yet: evaluation.json is missing"),
        ("rm metrics.jsonl", "No curves: metrics.jsonl is missing."),
        ("rm samples", "No samples: samples/ holds no step_00001000.png"),
        ("rm interpolation.png", "No pictures."),
        ("cut evaluation.json", "No scores: evaluation.json is damaged"),
        ("cut metrics.jsonl", "The last line of metrics.jsonl is cut off"),
        ("cut samples/step_00000020.png", "step_00000020.png is damaged"),
        ("cut interpolation.png", "interpolation.png is damaged"),
        ("spoil metrics.jsonl", "No curves: metrics.jsonl is damaged"),
        ("empty metrics.jsonl", "No curves: metrics.jsonl holds no logged step."),
        ("nan evaluation.json", "not a number"),
    ],
)
def test_what_is_missing_is_said_in_words(make_run, damage, text):
    folder = make_run()
    what, name = damage.split()
    path = folder / name
    match what:
        case "rm":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        case "cut":
            data = path.read_bytes()
            path.write_bytes(data[: len(data) * 2 // 3])
        case "spoil":
            path.write_text("no JSON\n" + path.read_text())
        case "empty":
            path.write_text("")
        case "nan":
            path.write_text(json.dumps(EVALUATION | {"gan_train": float("nan")}))

    assert text in page_of(folder).text
    other = make_run("other")
    assert page_of(folder, [folder, other]).first("h1").text == "Comparison of 2 runs"


def test_a_run_of_which_there_is_only_the_config():
    facts = parsed(render([Run("bare", {"seed": 3})])).first("dl", class_="facts")

    texts = [fact.text for fact in facts.all("dd")]
    assert texts == ["–", "–", "–", "–", "3", "–"]


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no run: config.json is missing"):
        write_report(tmp_path)


def test_samples_are_embedded_evenly(make_run):
    folder = make_run()
    for step in range(100, 4000, 100):
        save_png(folder / f"samples/step_{step:08}.png", grid(7))

    run = read_run(folder, "run")

    assert len(run.grids) == 30
    assert (run.grids[0].step, run.grids[-1].step) == (20, 3900)
    page = page_of(folder)
    assert "30 of 41 saved moments" in page.text
    shown_grids = [
        image for image in page.all("img") if "hidden" not in dict(image.attributes)
    ]
    assert dict(shown_grids[0].attributes)["data-step"] == "step 3,900"
    assert len(read_run(folder, "run", max_grids=1).grids) == 1
    assert read_run(folder, "run", max_grids=1).grids[0].step == 3900


def test_page_is_whole_and_accessible(make_run):
    one, two = make_run("one"), make_run("two", {"seed": 5})
    for page, text in (
        (page_of(path, runs), path.joinpath("report.html").read_text())
        for path, runs in ((one, ()), (two, (one, two)))
    ):
        assert dict(page.first("html").attributes)["lang"] == "en"
        assert page.first("title").text.endswith(" - gan_jax")
        levels = [
            int(each.tag[1]) for each in page.all() if each.tag in ("h1", "h2", "h3")
        ]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
        assert all(dict(image.attributes)["alt"] for image in page.all("img"))
        assert "http:" not in text and "https:" not in text
        assert not list(page.all("script", src=None))


def test_runs_are_compared(make_run, tmp_path):
    better = EVALUATION | {"gan_test": {"mean": 0.99, "std": 0.001}, "step": 40}
    one = make_run("one", {"seed": 5, "terms.r1_penalty.gamma": 2.0})
    two = make_run("two", evaluation=better)
    three = make_run("three")
    (three / "evaluation.json").unlink()

    page = page_of(tmp_path / "new", [one, two, three])

    head, first, second, third, real = page.table("scores")
    assert head[:4] == ["run", "step", "Inception Score ↑", "GAN-test (%) ↑"]
    assert head[-1] == "Distance ↓"
    assert first[:4] == ["one", "30", "8.123 ± 0.057", "91.00 ± 1.23"]
    assert second[:4] == ["two", "40", "8.123 ± 0.057", "99.00 ± 0.10"]
    assert third == ["three", *["–"] * 5]
    assert real == ["real images", "", "9.500 ± 0.125", "98.75", "98.75", "–"]
    values = [
        dict(cell.attributes)["data-value"]
        for cell in page.first("table", id="scores").first("tbody").all("td")
    ]
    assert values[2] == "0.91" and values[-1] == ""
    assert page.table("differing")[1:] == [["seed", "5", "0", "0"]]
    assert ["terms.r1_penalty.gamma", "2.0", "–", "–"] in page.table("partial")
    legends = [figure.first("ul").text for figure in page.all("figure", class_="chart")]
    assert all(name in legend for name in ("one", "two", "three") for legend in legends)
    assert "do not compare" not in page.text
    assert "Not evaluated yet" in page.text


def test_a_run_has_its_colour_in_every_panel(make_run, tmp_path):
    one = make_run("one", rows=[row for row in ROWS if "inception_score" not in row])
    two = make_run("two")

    page = page_of(tmp_path / "new", [one, two])

    *_, score = page.all("figure", class_="chart")
    assert score.first("h3").text == "Inception Score"
    assert len(list(score.all("svg", class_="swatch line-0"))) == 0
    assert len(list(score.all("g", class_="line-1"))) == 1
    row = page.first("table", id="scores").first("tbody").first("tr")
    assert row.first("th").text == "one"
    assert len(list(row.all("svg", class_="swatch line-0"))) == 1


def test_other_judges_do_not_compare(make_run):
    one = make_run("one")
    judge = {"name": "resnet", "test_accuracy": 0.9}
    two = make_run("two", evaluation=EVALUATION | {"classifier": judge})

    text = page_of(one, [one, two]).text

    assert "The runs were scored by different judges" in text


def test_gan_train_of_other_numbers_of_images_does_not_compare(make_run):
    one = make_run("one", evaluation=EVALUATION | {"gan_train_samples": 60_000})
    two = make_run("two", evaluation=EVALUATION | {"gan_train_samples": 10_000})

    text = page_of(one, [one, two]).text

    assert "GAN-train has different numbers of images" in text
    three = make_run("three")
    assert "GAN-train has" not in page_of(one, [one, three]).text


def test_runs_of_one_name_are_told_apart(make_run):
    one, two = make_run("a/run"), make_run("b/run")

    page = page_of(one, [one, two])

    assert [row[0] for row in page.table("scores")[1:3]] == ["a/run", "b/run"]
    with pytest.raises(ConfigError, match="twice"):
        write_report(one, [one, one])


def test_page_of_a_trained_run(tiny_run, tmp_path):
    _, workdir = tiny_run
    assert not (workdir / "report.html").exists()  # training writes none
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy, ignore=shutil.ignore_patterns("checkpoints"))

    page = page_of(copy)

    assert len(list(page.all("figure", class_="chart"))) >= 2
    assert "Not evaluated yet" in page.text
