"""Imports go one way: the layers of gan_jax, and who may use which package."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "gan_jax"

# Layer by layer: the modules (or packages) of gan_jax that a module may import.
ALLOWED = {
    "types": set(),
    "paths": set(),
    "precision": set(),
    "lock": set(),
    "interrupts": set(),
    "console": set(),
    "losses": set(),
    "metrics": {"metrics"},
    "report": {"report"},
    "checkpoint": set(),
    "networks": {"networks", "types"},
    "data": {"data", "paths", "types"},
    "latents": set(),
    "parallel": {"types"},
    "gan": {"losses", "networks", "data.batches", "parallel", "types"},
    "sampling": {"gan", "types"},
    "host_memory": set(),
    "steps": {
        "gan",
        "losses",
        "networks",
        "data.batches",
        "host_memory",
        "parallel",
        "types",
    },
    "population": {"data.batches", "steps", "types"},
    "cache": {"paths"},
    "classifier": {
        "cache",
        "data.augment",
        "metrics",
        "networks.classifiers",
        "paths",
        "precision",
    },
    "describe": {"gan"},
    "build": {
        "classifier",
        "data",
        "gan",
        "losses",
        "networks",
        "parallel",
        "population",
        "sampling",
        "steps",
        "types",
    },
    "command_line": {"build", "parallel"},
    "workdir": {"build", "lock", "report"},
    "generator": {
        "build",
        "checkpoint",
        "data",
        "paths",
        "population",
        "precision",
        "report",
        "sampling",
        "types",
        "workdir",
    },
    "evaluate": {
        "checkpoint",
        "build",
        "classifier",
        "data",
        "generator",
        "metrics",
        "paths",
        "precision",
        "report",
        "sampling",
        "workdir",
    },
    "analyses": {
        "build",
        "data",
        "evaluate",
        "generator",
        "latents",
        "metrics",
        "paths",
        "precision",
        "report",
        "workdir",
    },
    "train": {
        "build",
        "checkpoint",
        "data",
        "evaluate",
        "gan",
        "generator",
        "host_memory",
        "interrupts",
        "parallel",
        "paths",
        "population",
        "precision",
        "report",
        "steps",
        "types",
        "workdir",
    },
    "sweep": {
        "build",
        "checkpoint",
        "command_line",
        "data",
        "evaluate",
        "interrupts",
        "lock",
        "paths",
        "report",
        "train",
        "workdir",
    },
    "__init__": {"generator"},
}
# Packages that only these modules of gan_jax may import.
OWNERS = {
    "orbax": {"checkpoint"},
    "ml_collections": {
        "analyses",
        "build",
        "command_line",
        "workdir",
        "generator",
        "evaluate",
        "sweep",
        "train",
    },
    "tensorflow_datasets": {"data"},
    "tensorboardX": {"report"},
    "matplotlib": {"report"},
    "PIL": {"report", "data"},
    "tqdm": {"train", "evaluate"},
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
    assert {layer(path) for path in module_files()} == set(ALLOWED)


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_imports_go_one_way(path):
    own = {
        name.removeprefix("gan_jax.")
        for name in imported(path)
        if is_within(name, ["gan_jax"])
    }

    # `from gan_jax import build` and `from gan_jax.build import ...` alike.
    assert {name for name in own if not is_within(name, ALLOWED[layer(path)])} == set()


def test_the_layers_have_no_cycle():
    order = []
    waiting = {
        name: {p.split(".")[0] for p in to} - {name} for name, to in ALLOWED.items()
    }
    while waiting:
        ready = [name for name, needs in waiting.items() if needs <= set(order)]
        assert ready, f"a cycle among {sorted(waiting)}"
        order += ready
        for name in ready:
            del waiting[name]


@pytest.mark.parametrize("package", OWNERS)
def test_packages_have_their_owners(package):
    users = {
        layer(path)
        for path in module_files()
        if any(is_within(name, [package]) for name in imported(path))
    }

    assert users <= OWNERS[package]
