"""The rules of the house: small files and functions, and a root that is easy to look over."""

from __future__ import annotations

import ast
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import jti_replay

ROOT = Path(__file__).parent.parent
FOLDERS = ("jti_replay", "benchmarks", "example_project", "tests")
LONGEST_FILE = 350
LONGEST_FUNCTION = 50
MOST_ROOT_MODULES = 12
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def files() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_is_long() -> None:
    """A file holds one idea, and fits into a few screens."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_long() -> None:
    """A function fits into a screen, with its docstring."""
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_the_root_of_the_package_is_small() -> None:
    """What belongs together is in a package of its own."""
    assert len(list((ROOT / "jti_replay").glob("*.py"))) <= MOST_ROOT_MODULES


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A reader finds a rule where the name of a module says."""
    assert [
        path for path in files() if path.stem in NO_NAMES or path.parent.name in NO_NAMES
    ] == []


def values() -> list[type]:
    modules = [
        import_module(module.name)
        for module in walk_packages(jti_replay.__path__, "jti_replay.")
        if not module.name.startswith(("jti_replay.contrib", "jti_replay.management"))
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and is_dataclass(value)
        and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("value", values(), ids=lambda value: value.__name__)
def test_a_value_cannot_be_changed(value: Any) -> None:
    """Threads share them, and caches know them by their hash."""
    assert value.__dataclass_params__.frozen
    assert "__slots__" in vars(value)
