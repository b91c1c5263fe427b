"""Try the mutants of some modules. ``python -m tests.mutation --help`` says how."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import survivors
from .covering import Covering, tests_for
from .mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
CORE = (
    "jti_replay/tokens",
    "jti_replay/admission",
    "jti_replay/rollback",
    "jti_replay/reservation",
    "jti_replay/steps.py",
    "jti_replay/backends/base.py",
    "jti_replay/backends/redis/scripts.py",
    "jti_replay/backends/database/statements",
)
COPIED = ("jti_replay", "tests", "benchmarks", "docs", "example_project", "scripts")
MOST_SURVIVORS = 0.03
SLACK = 30
"""Seconds that the tests of a mutant may take beside three times what they usually take."""


def main() -> int:
    """Run what the arguments ask for. Return 1 if a mutant lives that may not."""
    arguments = _arguments()
    paths = [path for given in arguments.paths or CORE for path in _modules(Path(given))]
    mutants = [mutant for path in paths for mutant in mutants_of(path, ROOT)]
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.sample)
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        root = Path(name)
        _copy(root)
        covering = Covering(root, arguments.tests or tests_for(paths, ROOT))
        alive = [mutant for mutant in _shown(mutants) if _lives(mutant, root, covering)]
    return _report(mutants, alive)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("paths", nargs="*", help="modules or packages; the core by default")
    parser.add_argument("--tests", nargs="+", help="where the tests of them are")
    parser.add_argument("--sample", type=int, help="so many mutants, picked at random")
    parser.add_argument("--seed", type=int, default=0, help="for the sample")
    return parser.parse_args()


def _modules(path: Path) -> Iterator[Path]:
    for module in sorted((ROOT / path).rglob("*.py")) if (ROOT / path).is_dir() else [path]:
        yield module.relative_to(ROOT) if module.is_absolute() else module


def _copy(root: Path) -> None:
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for file in ROOT.glob("*.*"):
        if file.is_file():
            shutil.copy(file, root)


def _shown(mutants: list[Mutant]) -> Iterator[Mutant]:
    for number, mutant in enumerate(mutants, 1):
        print(f"{number} of {len(mutants)}  {mutant}", file=sys.stderr, flush=True)
        yield mutant


def _lives(mutant: Mutant, root: Path, covering: Covering) -> bool:
    file = root / mutant.path
    source = file.read_bytes()
    tests = covering.tests_of(mutant.path, mutant.line)
    if not tests:
        return True
    file.write_bytes(mutant.applied(source))
    command = [sys.executable, "-m", "pytest", "-q", "-x", *tests]
    try:
        return _pass(command, root, limit=3 * covering.seconds_for(tests) + SLACK)
    finally:
        file.write_bytes(source)


def _pass(command: list[str], root: Path, *, limit: float) -> bool:
    """Return whether tests pass within so many seconds. Their servers end with them."""
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    silent = subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | variables,
        stdout=silent,
        stderr=silent,
        start_new_session=True,
    )
    try:
        return process.wait(timeout=limit) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _report(mutants: list[Mutant], alive: list[Mutant]) -> int:
    reasons = survivors.known()
    unexplained = [mutant for mutant in alive if str(mutant) not in reasons]
    for mutant in unexplained:
        print(f"{mutant}  (line {mutant.line})")
    share = len(alive) / max(1, len(mutants))
    print(f"{len(mutants)} mutants, {len(alive)} live ({share:.1%}), of them ", end="")
    print(f"{len(alive) - len(unexplained)} with a reason.")
    return 1 if unexplained or share > MOST_SURVIVORS else 0


if __name__ == "__main__":
    sys.exit(main())
