"""
Measure one key and one node, count the tags of the shards, and simulate regions.

    python -m benchmarks.scale             print the tables of docs/topics/scale.md
    python -m benchmarks.scale --render    write them there
"""

from __future__ import annotations

import argparse

from django.conf import settings

from benchmarks.method import progress


def main() -> None:
    """Measure, count and simulate: less than a minute."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--render", action="store_true", help="write docs/topics/scale.md")
    arguments = parser.parse_args()
    settings.configure(INSTALLED_APPS=["jti_replay"])

    from . import capacity, regions, report, shards

    figures = {"capacity": capacity.measure()}
    progress("shards")
    figures["shards"] = shards.measure()
    progress("regions")
    figures["regions"] = regions.measure()
    progress("")
    made = report.tables(figures)
    for table in made.values():
        print(f"{table}\n")
    if arguments.render:
        report.render(made)


if __name__ == "__main__":
    main()
