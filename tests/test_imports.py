"""Imports go one way: the layers of gan_jax, and who may use which package."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "gan_jax"

# Bottom up: a module may import from its own row and from those above it.
LAYERS = (
    {
        "types",
        "paths",
        "precision",
        "lock",
        "interrupts",
        "console",
        "host_memory",
        "tensor_files",
    },
    {
        "names",
        "random",
        "augment",
        "schedules",
        "metrics",
        "checkpoint",
        "latents",
        "parallel",
    },
    {"cache", "optimizers", "report", "networks", "data", "health", "console_scores"},
    {"gan", "objective", "classifier", "features"},
    {"augmentation_value"},
    {"sections"},
    {"sampling", "steps", "describe", "calendar"},
    {"population", "weights"},
    {"build"},
    {"checks"},
    {"command_line", "training", "workdir"},
    {"generator", "run_report"},
    {"judge"},
    {"evaluate", "export", "projection", "samples"},
    {"analyses", "score", "train"},
    {"sweep"},
    {"__init__"},
)
# Packages that only these modules of gan_jax may import.
OWNERS = {
    "orbax": {"checkpoint"},
    "safetensors": {"weights", "tensor_files"},
    "ml_collections": {
        "analyses",
        "build",
        "checks",
        "calendar",
        "command_line",
        "export",
        "samples",
        "sections",
        "training",
        "workdir",
        "generator",
        "evaluate",
        "judge",
        "sweep",
        "train",
        "run_report",
        "score",
    },
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "tensorflow_datasets": {"data"},
    "datasets": {"data"},
    "tensorboardX": {"report"},
    "matplotlib": {"report"},
    "PIL": {"report", "data"},
    "tqdm": {"train", "judge", "data", "features"},
    "tensorflow": set(),
    "torch": set(),
    "configs": set(),
}


def module_files():
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    """gan_jax/data/files.py -> data.files; packages without their __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imported(path):
    """Absolute names of all that a file imports, inside functions as well."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_within(name, packages):
    return any(
        name == package or name.startswith(f"{package}.") for package in packages
    )


def layer(path):
    return module_name(path).split(".")[0]


def test_every_module_has_a_layer():
    assert {layer(path) for path in module_files()} == set().union(*LAYERS)


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_imports_go_one_way(path):
    (row,) = [number for number, names in enumerate(LAYERS) if layer(path) in names]
    allowed = set().union(*LAYERS[: row + 1])
    own = {
        name.removeprefix("gan_jax.").split(".")[0]
        for name in imported(path)
        if is_within(name, ["gan_jax"])
    }

    assert own - allowed == set()


@pytest.mark.parametrize("package", OWNERS)
def test_packages_have_their_owners(package):
    users = {
        layer(path)
        for path in module_files()
        if any(is_within(name, [package]) for name in imported(path))
    }

    assert users <= OWNERS[package]
