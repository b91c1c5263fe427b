"""What turns the errors of a check into a refusal to work."""

from collections.abc import Iterable

from django.core.checks import ERROR, CheckMessage
from django.core.exceptions import ImproperlyConfigured


def refuse_errors(messages: Iterable[CheckMessage]) -> None:
    """Raise :exc:`ImproperlyConfigured` with all errors among the messages, if there is one."""
    errors = [message for message in messages if message.level >= ERROR]
    if errors:
        raise ImproperlyConfigured(
            " ".join(f"{error.msg} ({error.id}) {error.hint or ''}".strip() for error in errors)
        )
