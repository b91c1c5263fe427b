"""The issuers whose tokens are accepted: names, or a function that knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutine
from typing import Any

from jti_replay.exceptions import KeysUnavailable

from .quoting import listed


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """
    The issuers that are accepted (``iss``; RFC 7519 4.1.1): ``names``, compared as text, or
    those of which ``function`` says so. ``path`` is how the settings name the function.
    """

    names: tuple[str, ...] = ()
    function: Callable[[str], bool] | None = None
    path: str = ""

    def accepts(self, iss: str) -> bool:
        """
        Return whether an issuer is accepted.

        Raises :exc:`~jti_replay.KeysUnavailable` if the function fails, or does not answer
        with a bool: then that cannot be told.
        """
        if self.function is None:
            return iss in self.names
        try:
            answer: Any = self.function(iss)
        except Exception as error:
            raise KeysUnavailable(
                f"{self} failed for {iss!r:.200}: {type(error).__name__}: {error}"
            ) from error
        if isinstance(answer, bool):
            return answer
        if iscoroutine(answer):
            answer.close()  # It would warn that nothing awaits it.
        raise KeysUnavailable(
            f"{self} returned {type(answer).__name__} for {iss!r:.200}. Let it return True or "
            "False."
        )

    def __str__(self) -> str:
        return f"the ISSUER function {self.path}" if self.function else listed(self.names)
