"""``manage.py jti_replay doctor``: ask the stores what they would survive."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.management.base import CommandError

from jti_replay import replay_caches
from jti_replay.backends.findings import Finding
from jti_replay.doctor.examination import examine

from .operation import Operation, caches_named

Found = dict[str, list[Finding]]

FAILS_FROM = {"ERROR": ("error",), "WARNING": ("error", "warning")}


class Doctor(Operation):
    """Shows the findings of each cache, and fails if there is an error among them."""

    summary: ClassVar[str] = (
        "Ask each cache what it would survive. The exit status is 1 if one has an error."
    )

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        parser.add_argument("--cache", help="The alias of one cache. All of them by default.")
        parser.add_argument("--json", action="store_true", help="Write one JSON document.")
        parser.add_argument(
            "--fail-level",
            choices=list(FAILS_FROM),
            default="ERROR",
            help="The level from which the exit status is 1. ERROR by default.",
        )

    def handle(self, **options: Any) -> None:
        """Ask them all at once."""
        found = examine(caches_named(options["cache"]))
        levels = [finding.level for findings in found.values() for finding in findings]
        counts = {f"{level}s": levels.count(level) for level in ("error", "warning")}
        if options["json"]:
            document = {"caches": _document(found), **counts}
            self.stdout.write(json.dumps(document, indent=2, default=str))
        else:
            self._write(found)
        summary = f"{_plural(len(found), 'cache')}, " + ", ".join(
            _plural(count, name[:-1]) for name, count in counts.items()
        )
        if any(level in FAILS_FROM[options["fail_level"]] for level in levels):
            raise CommandError(f"{summary}.")
        if not options["json"]:
            self.stdout.write(f"{summary}.")

    def _write(self, found: Found) -> None:
        for alias, findings in found.items():
            self.stdout.write(self.style.MIGRATE_HEADING(f"{alias} ({_backend(alias)})"))
            width = max(len(finding.key) for finding in findings)
            for finding in findings:
                self._write_finding(finding, width)
            self.stdout.write("")

    def _write_finding(self, finding: Finding, width: int) -> None:
        style = {
            "ok": self.style.SUCCESS,
            "warning": self.style.WARNING,
            "error": self.style.ERROR,
        }[finding.level]
        id_ = f"({finding.check}) " if finding.check else ""
        level = style(f"{finding.level:<7}")
        self.stdout.write(f"  {level}  {finding.key:<{width}}  {id_}{finding.text}")
        if finding.hint:
            self.stdout.write(f"{'':{width + 13}}HINT: {finding.hint}")


def _document(found: Found) -> dict[str, Any]:
    return {
        alias: {
            "backend": _backend(alias),
            "findings": [asdict(finding) for finding in findings],
        }
        for alias, findings in found.items()
    }


def _backend(alias: str) -> str:
    return str(replay_caches.settings[alias]["BACKEND"])


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
