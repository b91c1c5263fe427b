"""Functions that a KEY setting names."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist

from jti_replay import TokenInvalid

from .keypairs import keypair
from .tokens import ISSUER, SECRET

NOT_CALLABLE = SECRET


class NoSuchKey(ObjectDoesNotExist):
    """What a model would call DoesNotExist."""


def secret(header: Any, claims: Any) -> str:
    return SECRET


async def async_secret(header: Any, claims: Any) -> str:
    return SECRET


class Keyring:
    def __call__(self, header: Any, claims: Any) -> str:
        return SECRET


class AsyncKeyring:
    async def __call__(self, header: Any, claims: Any) -> str:
        return SECRET


keyring = Keyring()
async_keyring = AsyncKeyring()


def by_issuer(header: Any, claims: Any) -> Any:
    return {ISSUER: SECRET}.get(claims.get("iss"))


def public_object(header: Any, claims: Any) -> Any:
    return keypair("RS256").private.public_key()


def nothing(header: Any, claims: Any) -> None:
    return None


def absent_in_a_dict(header: Any, claims: Any) -> Any:
    return {}[header["alg"]]


def absent_in_the_database(header: Any, claims: Any) -> Any:
    raise NoSuchKey("no such key")


def refusing(header: Any, claims: Any) -> Any:
    raise TokenInvalid("The tenant is blocked.")


async def async_refusing(header: Any, claims: Any) -> Any:
    raise TokenInvalid("The tenant is blocked.")


async def async_nothing(header: Any, claims: Any) -> None:
    return None


async def async_absent(header: Any, claims: Any) -> None:
    raise LookupError


def failing(header: Any, claims: Any) -> Any:
    raise OSError("the vault is down")


async def async_failing(header: Any, claims: Any) -> Any:
    raise OSError("the vault is down")


def misconfigured(header: Any, claims: Any) -> Any:
    raise ImproperlyConfigured("no vault")


def without_a_match(header: Any, claims: Any) -> Any:
    return next(key for key in () if key)


async def async_without_a_match(header: Any, claims: Any) -> Any:
    return next(key for key in () if key)


def empty(header: Any, claims: Any) -> str:
    return ""


def number(header: Any, claims: Any) -> int:
    return 7


def private_object(header: Any, claims: Any) -> Any:
    return keypair("RS256").private


def one_argument(header: Any) -> str:
    return SECRET
