"""``manage.py jti_replay``: tools for operators, each in a file of jti_replay/operations."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jti_replay.operations import purge

SUBCOMMANDS = {"purge": purge}


class Command(BaseCommand):
    """Runs one of its subcommands."""

    help = "Tools for the replay caches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the subcommands."""
        subparsers = parser.add_subparsers(
            dest="subcommand", required=True, parser_class=argparse.ArgumentParser
        )
        for name, subcommand in SUBCOMMANDS.items():
            subcommand.add_arguments(subparsers.add_parser(name, help=subcommand.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand."""
        SUBCOMMANDS[options["subcommand"]].run(self, options)
