"""``manage.py jti_replay``: tools for operators."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jti_replay.management.operations.doctor import Doctor
from jti_replay.management.operations.failures import failures_in_a_line
from jti_replay.management.operations.operation import Operation
from jti_replay.management.operations.purge import Purge
from jti_replay.management.operations.release import Release
from jti_replay.management.operations.reset import Reset
from jti_replay.management.operations.stats import Stats
from jti_replay.management.operations.verify import Verify

OPERATIONS: dict[str, type[Operation]] = {
    "doctor": Doctor,
    "stats": Stats,
    "release": Release,
    "verify": Verify,
    "purge": Purge,
    "reset": Reset,
}


class Command(BaseCommand):
    """Runs one of its subcommands."""

    help = "Tools for the replay caches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the subcommands."""
        subcommands = parser.add_subparsers(dest="subcommand", required=True)
        for name, operation in OPERATIONS.items():
            operation.add_arguments(
                subcommands.add_parser(
                    name, help=operation.summary, description=operation.summary
                )
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand."""
        operation = OPERATIONS[options["subcommand"]](self.stdout, self.stderr, self.style)
        with failures_in_a_line(operation.failure_note):
            operation.handle(**options)
