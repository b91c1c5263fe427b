"""Failures of subcommands, each told in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from jti_replay.backends.base import BaseReplayCache
from jti_replay.exceptions import JTIReplayError

SPEAKING = (CommandError, ImproperlyConfigured, JTIReplayError, NotImplementedError)
"""Errors whose text is this package's own, and needs no name of a class beside it."""

INTERRUPTED = 130
"""The exit status of a command that was ended by Ctrl-C, as shells give it."""


def in_a_line(error: BaseException) -> str:
    """Return what went wrong, as one line. Drivers of databases write several."""
    text = " ".join(str(error).split())
    if isinstance(error, SPEAKING) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def failures_in_a_line(note: str = "") -> Iterator[None]:
    """
    Turn whatever an operation raises into a :exc:`~django.core.management.CommandError`.

    ``note`` says what a failure leaves behind. Django shows the traceback for ``--traceback``.
    """
    try:
        yield
    except CommandError:
        raise
    except KeyboardInterrupt as interrupt:
        raise CommandError("Interrupted.", returncode=INTERRUPTED) from interrupt
    except Exception as error:
        line = in_a_line(error)
        raise CommandError(f"{line.rstrip('.')}. {note}" if note else line) from error


def for_each(
    caches: Iterable[BaseReplayCache], operate: Callable[[BaseReplayCache], None]
) -> None:
    """Operate on all caches, also after one has failed. Raise one error for all failures."""
    failures = {}
    for cache in caches:
        try:
            operate(cache)
        except Exception as error:
            failures[cache.alias] = error
    if failures:
        raise CommandError(lines(failures)) from next(iter(failures.values()))


def lines(failures: dict[str, Exception]) -> str:
    """Return a line for each cache that failed, by alias."""
    return "\n".join(f"{alias}: {in_a_line(error)}" for alias, error in failures.items())
