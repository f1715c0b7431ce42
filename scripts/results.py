"""Writes the pages of results/ from its files; with --check, compares them.

    python -m scripts.results [--check]

results/runs/PAGE/NAME.json has one run (see scripts/publish.py),
results/tables/NAME.json one table of measurements, results/pages/PAGE.toml what people
wrote: titles, the order of rows, findings. There `{NAME.SCORE}` stands for a run's
score. Published numbers are those of the runs' configs. README.md's table of scores is
written too.
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from gan_jax.command_line import load_config_file
from gan_jax.metrics import METRICS, mean_and_std

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
RUNS = RESULTS / "runs"
_HEAD = (
    "<!-- Written by python -m scripts.results: edit results/pages/ instead. -->\n\n"
)
_SHOWN = ("inception_score", "gan_test", "gan_train")
_MARKS = ("<!-- scores -->", "<!-- end of scores -->")


@dataclasses.dataclass(frozen=True)
class Run:
    """A file of results/runs."""

    path: pathlib.Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def scores(self) -> dict[str, Any]:
        return self.content["evaluation"]

    @functools.cached_property
    def published(self) -> dict[str, str]:
        """What the run's config says was published, by score."""
        file, _, argument = self.content["config"].partition(":")
        return load_config_file(ROOT / file, argument).published.to_dict()

    def score(self, name: str) -> str:
        """As people are shown it, in per cent where it is a fraction; '' if none."""
        metric = dataclasses.replace(METRICS[name], digits=2)
        lines = []
        if name in self.scores:
            lines.append(metric.shown(*mean_and_std(self.scores, name)))
        for size, score in self.scores.get(f"{name}_of", {}).items():
            value = metric.shown(score["mean"], score["std"])
            lines.append(f"{value} of {int(size):,}")
        if metric.seen_with(self.features) == "inception":
            lines = [f"{line} (Inception)" for line in lines]
        return "<br>".join(map(_whole, lines))

    @property
    def features(self) -> str:
        """The `eval.features` of its scores."""
        return self.scores.get("features", {"name": "judge"})["name"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for path, text in written_files():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        raise SystemExit(f"stale: {', '.join(stale)}; run python -m scripts.results")
    print(
        "all pages are true" if check else f"written: {', '.join(stale) or 'nothing'}"
    )


def written_files() -> Iterator[tuple[pathlib.Path, str]]:
    """Every page, and what it should hold.

    Raises:
      ValueError: a run or table has no page, or no row; a finding's run is missing.
    """
    runs = _read_runs()
    tables = [json.loads(p.read_text()) for p in sorted(RESULTS.glob("tables/*.json"))]
    pages = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted((RESULTS / "pages").glob("*.toml"))
    }
    for thing in (*(run.content for run in runs.values()), *tables):
        if thing["page"] not in pages:
            raise ValueError(f"no page {thing['page']!r} in results/pages")
    for name, page in pages.items():
        of_page = {key: r for key, r in runs.items() if r.content["page"] == name}
        its_tables = [table for table in tables if table["page"] == name]
        yield RESULTS / f"{name}.md", _page(name, page, of_page, its_tables)
    yield RESULTS / "README.md", _index(pages)
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(_MARKS[0])
    _, _, after = rest.partition(_MARKS[1])
    table = _best_scores(pages, runs)
    yield readme, f"{before}{_MARKS[0]}\n{table}\n{_MARKS[1]}{after}"


def _read_runs() -> dict[str, Run]:
    """'PAGE/NAME' -> run."""
    runs = {}
    for path in sorted(RUNS.glob("*/*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["page"] != path.parent.name:
            raise ValueError(f"{path} is of page {content['page']!r}")
        runs[f"{path.parent.name}/{path.stem}"] = Run(path, content)
    return runs


def _page(
    name: str, page: dict[str, Any], runs: dict[str, Run], tables: list[dict]
) -> str:
    parts = [_HEAD + f"# {page['title']}\n"]
    if "intro" in page:
        parts.append(_filled(page["intro"].strip(), name, runs) + "\n")
    if rows := page.get("rows"):
        parts.append(_table_of_runs(rows, runs) + "\n")
        unknown = {run.content["row"] for run in runs.values()} - {
            row["name"] for row in rows
        }
        if unknown:
            raise ValueError(f"results/pages/{name}.toml has no rows {unknown}")
    if findings := page.get("findings"):
        of_report = " of the report" * _is_report(page)
        parts.append(f"## Findings{of_report}\n")
        parts += [
            f"- **{finding['claim']}** *{_sentence(finding['verdict'])}.* "
            + _filled(finding["text"].strip(), name, runs)
            for finding in findings
        ]
        parts.append("")
    for table in sorted(tables, key=lambda table: page["tables"].index(table["title"])):
        parts.append(_measurements(table) + "\n")
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_report(page: dict[str, Any]) -> bool:
    return page["title"].startswith("Report ")


def _table_of_runs(rows: list[dict], runs: dict[str, Run]) -> str:
    shown = [
        metric
        for metric in _SHOWN
        if any(run.score(metric) or metric in run.published for run in runs.values())
    ]
    with_published = {name for run in runs.values() for name in run.published}
    titles = [
        METRICS[metric].title
        + (f" {METRICS[metric].unit}" if METRICS[metric].unit else "")
        + ("<br>*published*" if metric in with_published else "")
        for metric in shown
    ]
    lines = [
        _line(["system", "trained", *titles, "what the pictures show"]),
        _line(["---"] * (len(titles) + 3)),
    ]
    for row in rows:
        of_row = [r for r in runs.values() if r.content["row"] == row["name"]]
        of_row.sort(key=lambda run: -run.content["share"])
        if not of_row:
            lines.append(_line([row["title"], "not run", *[""] * len(shown), ""]))
        for run in of_row:
            scores = [_cell(run, metric) for metric in shown]
            lines.append(
                _line([_system(row, run), _length(run), *scores, _picture(run)])
            )
    return "\n".join(lines)


def _system(row: dict, run: Run) -> str:
    link = f"runs/{run.content['page']}/{run.path.name}"
    details = ", ".join(
        f"`{_short(field)}` {value}"
        for field, value in run.content["overrides"].items()
        if field not in ("num_steps", "num_epochs", "population")
        and not field.startswith(("checkpoints.", "data.", "eval."))
    )
    return f"[{row['title']}]({link})" + (f"<br>{details}" if details else "")


def _short(field: str) -> str:
    """Without its section, where that leaves a name; of a schedule its last parts."""
    if field.startswith("schedules."):
        return ".".join(field.split(".")[-2:])
    field = field.removesuffix(".name")
    return field.partition(".")[2] or field


def _length(run: Run) -> str:
    content = run.content
    share = f"{100 * content['share']:.2g} %" if content["share"] < 0.995 else "all"
    parts = [f"{content['steps']:,} steps", f"({share})"]
    if content.get("seeds"):
        parts.append(f"{content['seeds']} seeds")
    if "ms_per_step" in content:
        parts.append(f"{content['ms_per_step']:,.0f} ms/step")
        if content["cores"] == 1:
            parts.append("on one core")
        if content.get("beside_other_work"):
            parts.append("(other work beside)")
    return "<br>".join(map(_whole, parts))


def _whole(text: str) -> str:
    """With spaces that do not break."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _picture(run: Run) -> str:
    note = run.content["note"]
    if "picture" not in run.content:
        return note
    path = f"runs/{run.content['page']}/{run.content['picture']}"
    alt = note or f"samples of {run.name}"
    return f'<a href="{path}"><img src="{path}" width="180" alt="{alt}"></a><br>{note}'


def _cell(run: Run, metric: str) -> str:
    """A run's score, and the published one."""
    ours, published = run.score(metric), run.published.get(metric)
    return ours if published is None else f"{ours or '–'}<br>*{published}*"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _filled(text: str, page: str, runs: dict[str, Run]) -> str:
    """With scores in place of `{NAME.SCORE}`."""

    def value(match: re.Match) -> str:
        name, score = match.groups()
        run = runs.get(f"{page}/{name}")
        if run is None or not run.score(score):
            raise ValueError(f"results/pages/{page}.toml: no {match.group()} in runs")
        return run.score(score)

    return re.sub(r"\{(\w+)\.(\w+)\}", value, text)


def _measurements(table: dict) -> str:
    lines = [f"## {table['title']}", ""]
    if table["command"]:
        lines += [f"    {table['command']}", ""]
    lines += [_line(table["columns"]), _line(["---"] * len(table["columns"]))]
    lines += [_line(row) for row in table["rows"]]
    if table["text"]:
        lines += ["", table["text"]]
    return "\n".join(lines)


def _index(pages: dict[str, dict]) -> str:
    lines = [_HEAD + "# Results", ""]
    lines += [
        f"- [{p['title']}]({name}.md): {p['summary']}" for name, p in pages.items()
    ]
    lines += [
        "",
        (RESULTS / "pages" / "index.md").read_text(encoding="utf-8").strip(),
        "",
        "## What the reports found, and what came out here",
        "",
        _line(["finding", "report", "here"]),
        _line(["---"] * 3),
    ]
    for name, page in pages.items():
        if not _is_report(page):
            continue
        letter = page["title"].partition(":")[0].removeprefix("Report ")
        link = f"[{letter}]({name}.md#findings-of-the-report)"
        for finding in page.get("findings", ()):
            lines.append(_line([finding["claim"], link, finding["verdict"]]))
    lines.append("")
    return "\n".join(lines)


def _best_scores(pages: dict[str, dict], runs: dict[str, Run]) -> str:
    """README's table: rows with `best`, the name of a run, and `best_title`."""
    lines = [
        _line(
            [
                "system",
                "data",
                "GAN-test %<br>*published*",
                "GAN-train %<br>*published*",
                "judge on real images %",
            ]
        ),
        _line(["---"] * 5),
    ]
    for name, page in pages.items():
        for row in page.get("rows", ()):
            if "best" not in row:
                continue
            run = runs[f"{name}/{row['best']}"]
            scores = [_cell(run, metric) for metric in ("gan_test", "gan_train")]
            real = run.scores["classifier"].get("test_accuracy")
            ceiling = f"{100 * real:.2f}" if real else ""
            title = f"[{row['best_title']}](results/{name}.md)"
            lines.append(_line([title, row["data"], *scores, ceiling]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
