"""Try the mutants of some modules. ``python -m tests.mutation --help`` says how."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from . import core, survivors
from .forks import ORDERS
from .mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
COPIED = ("jti_replay", "tests", "benchmarks", "docs", "example_project", "scripts")
MOST_SURVIVORS = 0.03
LONGEST, LONGEST_OF_MORE = 300.0, 1800.0
"""Seconds that the tests of a mutant may take in a process of their own."""


def main() -> int:
    """Run what the arguments ask for. Return 1 if a mutant lives that may not."""
    arguments = _arguments()
    given = arguments.paths or core.TESTS
    # A module may be named, and its package too.
    paths = dict.fromkeys(path for each in given for path in _modules(Path(each)))
    mutants = [mutant for path in paths for mutant in mutants_of(path, ROOT)]
    if arguments.again:
        reported = {line.partition("  (line ")[0] for line in arguments.again.open()}
        mutants = [mutant for mutant in mutants if str(mutant) in reported]
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.sample)
    groups: dict[core.Tests, list[Mutant]] = {}
    for mutant in mutants:
        tests = core.tests_for(mutant.path)
        if arguments.tests:
            tests = core.Tests(tuple(arguments.tests))
        groups.setdefault(tests, []).append(mutant)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        alive = list(chain.from_iterable(pool.map(_alive, groups.values(), groups)))
    return _report(mutants, alive)


def _alive(mutants: Sequence[Mutant], tests: core.Tests) -> list[Mutant]:
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        root = Path(name).resolve()
        _copy(root)
        answers = _tried_in_forks(mutants, tests.quick, root)
        reasons = survivors.known()
        return [
            mutant
            for mutant, answer in zip(mutants, answers, strict=True)
            if answer["lives"] is not False
            and (
                str(mutant) in reasons
                or (
                    # What lived in a fork may have been at work before it.
                    _lives(mutant, root, answer["tests"], LONGEST)
                    and _lives(mutant, root, tests.more, LONGEST_OF_MORE)
                )
            )
        ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("paths", nargs="*", help="modules or packages; the core by default")
    parser.add_argument("--tests", nargs="+", help="where the tests of them are")
    parser.add_argument("--again", type=Path, help="a report: try the mutants in it alone")
    parser.add_argument("--sample", type=int, help="so many mutants, picked at random")
    parser.add_argument("--seed", type=int, default=0, help="for the sample")
    return parser.parse_args()


def _modules(path: Path) -> Iterator[Path]:
    for module in sorted((ROOT / path).rglob("*.py")) if (ROOT / path).is_dir() else [path]:
        yield module.relative_to(ROOT) if module.is_absolute() else module


def _copy(root: Path) -> None:
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, root / folder, symlinks=True, ignore=ignored)
    for file in ROOT.glob("*.*"):
        if file.is_file():
            shutil.copy(file, root)


def _tried_in_forks(
    mutants: Sequence[Mutant], tests: Sequence[str], root: Path
) -> list[dict[str, Any]]:
    orders, answers = root / ".orders", root / ".answers"
    described = [asdict(mutant) | {"path": str(mutant.path)} for mutant in mutants]
    orders.write_text(json.dumps({"mutants": described, "answers": str(answers)}))
    variables = {
        ORDERS: str(orders),
        "COVERAGE_FILE": str(root / ".coverage-mutation"),
        "COVERAGE_CORE": "ctrace",  # The only one that knows contexts.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(root),
    }
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q"]
    command += ["-p", "tests.mutation.forks", *tests]
    subprocess.run(command, cwd=root, env=os.environ | variables, check=True)
    return [json.loads(line) for line in answers.read_text().splitlines()]


def _lives(mutant: Mutant, root: Path, tests: Sequence[str], seconds: float) -> bool:
    print(f"in a process of its own: {mutant}", file=sys.stderr, flush=True)
    file = root / mutant.path
    source = file.read_bytes()
    file.write_bytes(mutant.applied(source))
    command = [sys.executable, "-m", "pytest", "-q", "-x", *tests]
    try:
        return not tests or _pass(command, root, seconds)
    finally:
        file.write_bytes(source)


def _pass(command: list[str], root: Path, seconds: float) -> bool:
    """Return whether tests pass in time. Their servers end with them."""
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
        return process.wait(timeout=seconds) == 0
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
