"""What is better not given as an argument, which other users and the shell's history see."""

from __future__ import annotations

import sys

from django.core.management.base import CommandError

MOST_CHARACTERS = 1_000_000


def read(what: str) -> str:
    """
    Return the one line, or all lines, of standard input without the end of the last one.

    Raises :exc:`~django.core.management.CommandError` if there is nothing, or no text.
    """
    try:
        if sys.stdin.isatty():
            sys.stderr.write(f"{what}: ")
            sys.stderr.flush()
            text = sys.stdin.readline(MOST_CHARACTERS)
        else:
            text = sys.stdin.read(MOST_CHARACTERS)
    except UnicodeDecodeError as error:
        raise CommandError(f"The {what} on standard input is no text.") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise CommandError(f"There is no {what} on standard input.")
    return text
