"""The keys of a project: one in its settings, or a function that returns them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist

from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid

from .algorithms import algorithm_named
from .functions import function_at, is_async, looks_like_path
from .key_set import KeySet
from .parsing import UnverifiedToken
from .signatures import PreparedKey


class KeySource(Protocol):
    """Gives the keys for a token, which is not verified yet, so it may say anything."""

    @property
    def unusable(self) -> str:
        """The published keys that cannot be used, with the reasons, as far as is known."""

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """
        Return the keys, at least one, that PyJWT can try.

        Raises :exc:`~jti_replay.TokenInvalid` if there is none for this token, and
        :exc:`~jti_replay.KeysUnavailable` if that cannot be told.
        """

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`. It does not block the event loop."""


class StaticKey:
    """
    One key for all tokens: a secret for HMAC, or a public key in PEM.

    It is parsed once. Raises :exc:`~django.core.exceptions.ImproperlyConfigured` if it does
    not fit one of the algorithms, so that no token can choose another way to use it
    (RFC 8725 2.1), or if it is shorter than they ask for (RFC 7518 3.2).
    """

    unusable = ""

    def __init__(self, key: str | bytes, algorithms: Sequence[str]) -> None:
        for name in algorithms:
            algorithm = algorithm_named(name, (name,))
            try:
                prepared = algorithm.prepare_key(key)
            except Exception as error:
                raise ImproperlyConfigured(
                    f"KEY cannot be used with {name}: {error}"
                ) from error
            if hasattr(prepared, "private_bytes"):
                raise ImproperlyConfigured("KEY is a private key. Set the public one.")
            if too_short := algorithm.check_key_length(prepared):
                raise ImproperlyConfigured(f"KEY is too short: {too_short}")
        # Each algorithm has read the same key.
        self._keys = (PreparedKey(prepared),)

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """Return the key."""
        return self._keys

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`."""
        return self._keys


class KeyFunction:
    """
    A function of the project, ``f(header, claims) -> key``, sync or async.

    Both arguments are unverified. It returns a key that PyJWT takes, or a JWK or a JWK Set
    (dict), of which ``kid``, ``alg`` and ``kty`` pick the key. It returns None, or raises a
    :exc:`LookupError` or a model's ``DoesNotExist``, if it has no key for them. Any other
    error means that the keys cannot be had.
    """

    unusable = ""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function
        self._is_async = is_async(function)

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """Return what the function returns."""
        call = async_to_sync(self._function) if self._is_async else self._function
        try:
            return _found(call(token.header, token.claims), token)
        except JTIReplayError:
            raise
        except Exception as error:
            raise _explained(error) from error

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`. A sync function runs in a thread."""
        if not self._is_async:
            # Its errors are explained in the thread: asyncio does not carry a StopIteration.
            return await sync_to_async(self.get)(token)
        try:
            return _found(await self._function(token.header, token.claims), token)
        except JTIReplayError:
            raise
        except Exception as error:
            raise _explained(error) from error


def key_from_setting(value: Any, algorithms: Sequence[str]) -> KeySource:
    """
    Return the source that a KEY setting means.

    A str that looks like a dotted path is one: as a secret, a mistyped path would be a key
    that anybody can guess. Raises :exc:`~django.core.exceptions.ImproperlyConfigured`.
    """
    if callable(value):
        return KeyFunction(value)
    if looks_like_path(value):
        return KeyFunction(function_at(value, "KEY"))
    if isinstance(value, str | bytes):
        return StaticKey(value, algorithms)
    raise ImproperlyConfigured(f"KEY must be a str or bytes, not {type(value).__name__}.")


def _found(key: Any, token: UnverifiedToken) -> Sequence[Any]:
    """Return the keys that a function means by its result."""
    if key is None:
        raise unknown_key()
    if not isinstance(key, KeySet):
        if not isinstance(key, Mapping):
            return (key,)
        key = KeySet(key.get("keys", [key]), secrets=True)
    keys: KeySet = key
    found = keys.find(token, kid_may_be_absent=True)
    if found:
        return found
    if keys.is_empty and keys.unusable:
        raise KeysUnavailable(f"The key function returned no usable key. {keys.unusable}")
    raise keys.unknown(token)


def unknown_key() -> TokenInvalid:
    """Return the refusal of a token for which there is no key."""
    return TokenInvalid("The token is signed with an unknown key.", claim="kid")


def _explained(error: Exception) -> JTIReplayError:
    if isinstance(error, LookupError | ObjectDoesNotExist):
        return unknown_key()
    return KeysUnavailable(f"The key function failed: {type(error).__name__}: {error}")
