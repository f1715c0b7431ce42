"""Tables of scores against what a reader should find in them."""

import csv
import io

from gan_jax.report.score_table import Row, Score, csv_table, markdown_table

FINISHED = Row(
    name="a",
    settings={"z": "normal"},
    state="finished",
    published={"gan_test": Score(0.894, 0.0029)},
    scores={
        "gan_test": Score(0.923456, 0.00158),
        "gan_train": Score(0.93921),
        "inception_score": Score(9.0312, 0.0789),
    },
    steps=18000,
    epochs=30.0,
    seeds=1,
)
FAILED = Row(
    name="b",
    settings={"z": "uniform", "D:G": "2:1"},
    state="error: no | here,\nnor there",
    published={},
)


def test_markdown():
    assert markdown_table([FINISHED, FAILED]).splitlines() == [
        "| run | z | D:G | epochs | steps | seeds | GAN-test % | published | "
        "GAN-train % | Inception Score | state |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| a | normal |  | 30 | 18,000 | 1 | 92.35 ± 0.16 | 89.40 ± 0.29 | 93.92 | "
        "9.031 ± 0.079 | finished |",
        "| b | uniform | 2:1 |  |  |  |  |  |  |  | error: no \\| here, nor there |",
    ]


def test_titles_are_those_of_the_features():
    scores = {"frechet_distance": Score(12.0, 0.5)}

    def head(*titles):
        rows = [
            Row("a", {}, "finished", {}, scores, {"frechet_distance": title})
            for title in titles
        ]
        return markdown_table(rows).splitlines()[0]

    assert "| FID |" in head("FID", "FID")
    assert "| FID / Fréchet distance |" in head("FID", "Fréchet distance")


def test_csv_has_every_digit_and_all_columns():
    finished, failed = csv.DictReader(io.StringIO(csv_table([FINISHED, FAILED])))

    assert finished == {
        "run": "a",
        "z": "normal",
        "D:G": "",
        "epochs": "30.0",
        "steps": "18000",
        "seeds": "1",
        "gan_test_mean": "0.923456",
        "gan_test_std": "0.00158",
        "published_gan_test_mean": "0.894",
        "published_gan_test_std": "0.0029",
        "gan_train_mean": "0.93921",
        "gan_train_std": "",
        "published_gan_train_mean": "",
        "published_gan_train_std": "",
        "gan_train_filtered_mean": "",
        "gan_train_filtered_std": "",
        "published_gan_train_filtered_mean": "",
        "published_gan_train_filtered_std": "",
        "inception_score_mean": "9.0312",
        "inception_score_std": "0.0789",
        "published_inception_score_mean": "",
        "published_inception_score_std": "",
        **dict.fromkeys(
            (
                f"{prefix}{score}_{part}"
                for score in (
                    "frechet_distance",
                    "class_frechet_distance",
                    "kernel_distance",
                    "precision",
                    "recall",
                    "density",
                    "coverage",
                    "class_frequency_distance",
                    "class_diversity",
                    "class_ms_ssim",
                    "copying",
                    "feature_copying",
                    "authenticity",
                )
                for prefix in ("", "published_")
                for part in ("mean", "std")
            ),
            "",
        ),
        "state": "finished",
    }
    assert list(failed) == list(finished)
    assert failed["state"] == FAILED.state
    assert failed["gan_test_mean"] == failed["steps"] == ""
