"""The issuers whose tokens are accepted: names, or a function that knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import iscoroutine
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from jti_replay.exceptions import KeysUnavailable

from .functions import function_at, looks_like_path, sync_function
from .quoting import listed, shown

IssuerFunction = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """
    The issuers that are accepted (``iss``; RFC 7519 4.1.1): ``names``, compared as text, or
    those of which ``function`` says so.
    """

    names: tuple[str, ...] = ()
    function: IssuerFunction | None = None

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
                f"The {self._function_name} failed for {shown(iss)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if isinstance(answer, bool):
            return answer
        if iscoroutine(answer):
            answer.close()  # It would warn that nothing awaits it.
        raise KeysUnavailable(
            f"The {self._function_name} returned {type(answer).__name__} for {shown(iss)}. "
            "Let it return True or False."
        )

    def __str__(self) -> str:
        if self.function is None:
            return listed(self.names)
        return f"what the {self._function_name} accepts"

    @property
    def _function_name(self) -> str:
        function = self.function
        return f"ISSUER function {getattr(function, '__name__', type(function).__name__)}()"


def issuers_from_setting(value: str | Sequence[str] | IssuerFunction) -> IssuerRule:
    """
    Return the rule that an ISSUER setting means.

    A str that looks like a dotted path, and can be imported, is one. Others are names: an
    issuer may be called ``accounts.google.com``. Raises
    :exc:`~django.core.exceptions.ImproperlyConfigured` for a function that is async or broken.
    """
    if callable(value):
        return IssuerRule(function=sync_function(value, "ISSUER"))
    if isinstance(value, str):
        function = _function_at(value)
        return IssuerRule((value,)) if function is None else IssuerRule(function=function)
    return IssuerRule(tuple(value))


def mistaken_path(value: object) -> bool:
    """Return whether an ISSUER is taken for a name, but begins like a path that exists."""
    return (
        looks_like_path(value)
        and _function_at(str(value)) is None
        and _module(str(value)) is not None
    )


def _function_at(value: str) -> IssuerFunction | None:
    if not looks_like_path(value):
        return None
    if not hasattr(_module(value), value.rpartition(".")[2]):
        return None
    return sync_function(function_at(value, "ISSUER"), "ISSUER")


def _module(value: str) -> ModuleType | None:
    """Return the module in which the function of a path would be, or None if there is none."""
    name = value.rpartition(".")[0]
    try:
        return import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            return None
        raise ImproperlyConfigured(
            f"ISSUER looks like the path of a function, but cannot be imported: {error}"
        ) from error
