"""The judge of the access token that comes with a token of another kind, bound to its key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from asgiref.sync import async_to_sync, sync_to_async

from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid
from jti_replay.tokens.claims import check_times
from jti_replay.tokens.functions import function_at, is_async
from jti_replay.tokens.rules import TokenRules
from jti_replay.tokens.types import TypeRule
from jti_replay.tokens.verification import averify, verify

from .rules import rules_from_settings

if TYPE_CHECKING:
    from django.http import HttpRequest

Claims = Mapping[str, Any]

TYPES = TypeRule.only({"at+jwt"})
"""The type of an access token (RFC 9068 2.1)."""


class AccessTokenJudge(Protocol):
    """Tells what an access token says, if it is good."""

    def claims(self, token: str, request: HttpRequest) -> Claims:
        """
        Return the claims of an access token.

        Raises :exc:`~jti_replay.TokenInvalid` if it is not good, and
        :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
        """

    async def aclaims(self, token: str, request: HttpRequest) -> Claims:
        """Async version of :meth:`claims`. It does not block the event loop."""

    def check_again(self, claims: Claims) -> None:
        """
        Judge the claims of a good token once more, after a wait.

        Raises :exc:`~jti_replay.TokenInvalid`.
        """


def access_token_judge(setting: Any) -> AccessTokenJudge:
    """Return the judge that an ``access_token`` option names. It has been checked."""
    if isinstance(setting, Mapping):
        rules = rules_from_settings(setting, TYPES, max_lifetime=None)
        # It may be used many times, so it needs no jti.
        return JudgedByRules(replace(rules, jti="ignored"))
    return JudgedByFunction(
        function_at(setting, "access_token") if isinstance(setting, str) else setting
    )


@dataclass(frozen=True, slots=True)
class JudgedByRules:
    """Access tokens that are verified as the tokens of a profile are."""

    rules: TokenRules

    def claims(self, token: str, request: HttpRequest) -> Claims:
        """Return the claims of an access token that the rules accept."""
        return verify(token, self.rules).claims

    async def aclaims(self, token: str, request: HttpRequest) -> Claims:
        """Async version of :meth:`claims`."""
        return (await averify(token, self.rules)).claims

    def check_again(self, claims: Claims) -> None:
        """Judge the times once more."""
        check_times(claims, self.rules, time.time())


class JudgedByFunction:
    """
    Access tokens that a function of the project knows, ``f(token, request) -> claims or
    None``, sync or async.

    Any exception that it raises means that it cannot tell, except for a
    :exc:`~jti_replay.TokenInvalid`.
    """

    def __init__(self, function: Callable[[str, HttpRequest], Any]) -> None:
        self._function = function
        self._is_async = is_async(function)

    def claims(self, token: str, request: HttpRequest) -> Claims:
        """Return what the function returns."""
        call = async_to_sync(self._function) if self._is_async else self._function
        try:
            return _known(call(token, request))
        except JTIReplayError:
            raise
        except Exception as error:
            raise _explained(error, token) from error

    async def aclaims(self, token: str, request: HttpRequest) -> Claims:
        """Async version of :meth:`claims`. A sync function runs in a thread."""
        if not self._is_async:
            return await sync_to_async(self.claims)(token, request)
        try:
            return _known(await self._function(token, request))
        except JTIReplayError:
            raise
        except Exception as error:
            raise _explained(error, token) from error

    def check_again(self, claims: Claims) -> None:
        """Accept the claims: only the function knows for how long they hold."""


def _known(answer: Any) -> Claims:
    if answer is None:
        raise TokenInvalid("The access token is not known, or not good any more.")
    if isinstance(answer, Mapping):
        return answer
    if iscoroutine(answer):
        answer.close()  # It would warn that nothing awaits it.
    raise KeysUnavailable(
        f"The access_token function returned {type(answer).__name__}. Let it return a dict of "
        "claims, or None."
    )


def _explained(error: Exception, token: str) -> KeysUnavailable:
    # A client of HTTP shows what it sent.
    text = str(error).replace(token, "...").replace(quote(token), "...")
    return KeysUnavailable(f"The access_token function failed: {type(error).__name__}: {text}")
