"""
Torture the set-ups, and let the oracle say what became of the tokens.

    python -m benchmarks.torture --quick                      two minutes: each kind of fault
    python -m benchmarks.torture                              all of it: some hours
    python -m benchmarks.torture --setup plain --fault REDIS  those whose names begin so
    python -m benchmarks.torture --json benchmarks/results/reliability.json --render

The exit status is 1 if a set-up did not keep what it promises.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

from benchmarks.method import progress
from tests.servers.redis import redis_executable

from . import matrix, report
from .databases import Databases, PostgreSQL
from .run import run


def main() -> int:
    """Run what the arguments ask for."""
    arguments = _arguments()
    if redis_executable() is None:
        sys.exit("There is no redis-server or valkey-server to torture.")
    runs = list(matrix.quick() if arguments.quick else matrix.full(arguments.tokens))
    runs = [
        one
        for one in runs
        if one[0].name.startswith(arguments.setup)
        and one[1].lower().startswith(arguments.fault.lower())
    ]
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, Databases(Path(name)) as databases:
        machine = _machine(databases)
        for number, (setup, fault, plan) in enumerate(runs, 1):
            transport = "HTTP" if plan.http else "direct"
            progress(f"{number} of {len(runs)}: {setup.name}, {fault}, {transport}")
            database = databases.get(setup.database)
            result = run(setup, fault, database, Path(name), plan) if database else None
            if result is None:
                print(f"{setup.name}  {fault}  skipped: no {setup.database}", flush=True)
                continue
            results.append(result)
            print(report.line(result), flush=True)
            if arguments.json:
                report.write(arguments.json, machine, results)
    if arguments.render:
        report.render()
    return 0 if all(report.is_as_promised(result) for result in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="two minutes, for CI")
    parser.add_argument(
        "--tokens",
        type=int,
        default=matrix.TOKENS,
        help="for each fault where the guarantees are bought (%(default)s); others have fewer",
    )
    parser.add_argument("--setup", default="", help="only those whose name begins so")
    parser.add_argument("--fault", default="", help="only those whose name begins so")
    parser.add_argument(
        "--json",
        type=Path,
        help="where to write the figures; those of other runs that are there stay",
    )
    parser.add_argument(
        "--render",
        action="store_true",
        help=f"write {report.FIGURES.name} into the tables of {report.PAGE.name}",
    )
    return parser.parse_args()


def _machine(databases: Databases) -> dict[str, Any]:
    rows = databases.get(PostgreSQL.name)
    assert rows is not None  # SQLite is always there.
    asked = [redis_executable() or "redis-server", "--version"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True)
    return {
        "Python": platform.python_version(),
        "Django": django.__version__,
        "Redis": version.stdout.split("v=")[1].split()[0],
        "the database": rows.name,
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
