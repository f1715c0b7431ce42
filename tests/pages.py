"""What README.md and docs/ tell people to type: commands, Python files, links."""

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
# README.md first: what other pages continue begins there.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Files that pages tell people to run.
SCRIPTS = sorted((ROOT / "docs").rglob("*.sh")) + sorted(
    (ROOT / "docs").rglob("*.yaml")
)
PROGRAM = "python main.py"
# What a reader replaces, longest first, and a value that makes a command possible.
# Other words in capitals are names of folders (DIR, DATA) as good as any.
PLACEHOLDERS = {
    "sweeps/FILE.py[:NAME]": "sweeps/report_d.py:table_3",
    "sweeps/NAME.py": "sweeps/report_d.py:table_3",
    "configs/NAME.py": "configs/quickstart.py",
    "configs/CONFIG": "configs/quickstart.py",
    "--config=...": "--config=configs/quickstart.py",
    "--analysis=NAME": "--analysis=interpolation",
    "--config.FIELD=VALUE": "--config.eval.num_runs=3",
    "--set=FIELD=VALUE": "--set=num_epochs=3",
    "--mode=MODE": "--mode=evaluate",
    ".py:N": ".py:9",
    "=N/4": "=9",
    "=N": "=9",
    "...": "",
}


@dataclasses.dataclass(frozen=True)
class Command:
    """A call of main.py, as a page has it."""

    page: pathlib.Path
    line: int  # of the page, from 1
    text: str  # continued lines joined

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def arguments(self) -> list[str]:
        """Those of main.py, with placeholders filled in.

        Raises:
          ValueError: a shell could not read it.
        """
        text = self.text.partition(PROGRAM)[2]
        text = re.sub(r"\[(--[^]]*)\](?=\s|$)", r"\1", text)  # [--optional]
        for placeholder, value in PLACEHOLDERS.items():
            text = re.sub(rf"{re.escape(placeholder)}(?!\w)", value, text)
        text = re.sub(r"\s#.*", "", text)
        words = shlex.shlex(text, posix=True, punctuation_chars=True)
        words.whitespace_split, words.commenters = True, ""
        arguments = []
        for word in words:
            if re.fullmatch(r"[();<>|&]+", word):
                break  # The command ends here.
            arguments.append(word)
        return arguments

    def flag(self, name: str) -> str | None:
        for argument in self.arguments():
            if argument.startswith(f"--{name}="):
                return argument.partition("=")[2]
        return None

    @property
    def mode(self) -> str:
        return self.flag("mode") or "train"


def code_lines(page: pathlib.Path) -> Iterator[tuple[int, str]]:
    """(number, line) of a page's code: fenced, or indented by 4 or more spaces."""
    fence = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and fence is None:
            fence = mark[1]
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is not None or page.suffix != ".md" or line.startswith("    "):
            yield number, line.strip()


def commands(page: pathlib.Path) -> list[Command]:
    """All calls of main.py in a page's code, blocks first."""
    found, lines = [], list(code_lines(page))
    for index, (number, text) in enumerate(lines):
        if PROGRAM not in text or text.startswith("#"):
            continue
        while text.endswith("\\"):
            index += 1
            text = f"{text[:-1]} {lines[index][1]}"
        found.append(Command(page, number, text))
    code = {number for number, _ in lines}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if page.suffix == ".md" and number not in code:
            for text in re.findall(rf"`({PROGRAM} [^`]*)`", line):
                found.append(Command(page, number, text))
    return found


def python_files(page: pathlib.Path) -> dict[str, str]:
    """{name: contents} of the Python blocks whose first line is `# NAME.py`."""
    blocks = re.findall(
        r"^```python\n(# ([\w/]+\.py)\n.*?)^```$",
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    return {name: code for code, name in blocks}


def prose(page: pathlib.Path) -> str:
    """A page without its code."""
    code = {number for number, _ in code_lines(page)}
    lines = page.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for number, line in enumerate(lines, 1) if number not in code)
    return text


def beginnings(page: pathlib.Path) -> set[int]:
    """Numbers of the lines that begin with a call of main.py, in code or not."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begins = re.compile(r"\s*[`$]*\s*\S*python\S* main\.py")
    return {number for number, line in enumerate(lines, 1) if begins.match(line)}


def links(page: pathlib.Path) -> list[str]:
    """Targets of a page's links and pictures that are no addresses."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", text)
    found = [inline or html for inline, html in targets]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def broken_links(page: pathlib.Path) -> list[str]:
    """Links to files, or to headings of pages, that do not exist."""
    broken = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def anchors(page: pathlib.Path) -> set[str]:
    """The #anchors of a page's headings, as GitHub makes them."""
    found = []
    for heading in re.findall(r"^#+ +(.*)$", prose(page), flags=re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        repeated = found.count(anchor)
        found.append(anchor)
        if repeated:
            found.append(f"{anchor}-{repeated}")
    return set(found)
