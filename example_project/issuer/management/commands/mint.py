"""The command that mints tokens."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from issuer.tokens import LIFETIME, mint


class Command(BaseCommand):
    """Prints new tokens, one in each line."""

    help = "Print new tokens for the exchange, one in each line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--subject", default="repo:octo/app")
        parser.add_argument("--lifetime", type=int, default=LIFETIME, help="in seconds")
        parser.add_argument("--count", type=int, default=1)

    def handle(self, *, subject: str, lifetime: int, count: int, **options: Any) -> None:
        for _ in range(count):
            self.stdout.write(mint(subject, lifetime))
