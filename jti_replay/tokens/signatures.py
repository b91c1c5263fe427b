"""The signature of a token (RFC 7515 5.2), verified by PyJWT's algorithms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jwt
from jwt.algorithms import Algorithm

from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid

from .algorithms import algorithm_named, same
from .parsing import UnverifiedToken


class PreparedKey(NamedTuple):
    """A key object that is known to fit the algorithm, and to be long enough for it."""

    key: Any


def check_signature(
    token: UnverifiedToken, keys: Iterable[Any], algorithms: tuple[str, ...]
) -> None:
    """
    Raise an error unless one of the keys made the signature, by the algorithm of the token.

    That one has been compared with ``algorithms``. The error is
    :exc:`~jti_replay.TokenInvalid` if the token is wrong, and
    :exc:`~jti_replay.KeysUnavailable` if a key cannot be used.
    """
    name = token.header["alg"]
    algorithm = algorithm_named(name, algorithms)
    failure: JTIReplayError | None = None
    for key in keys:
        try:
            prepared = key.key if type(key) is PreparedKey else _prepare(key, name, algorithm)
            if algorithm.verify(token.signing_input, prepared, token.signature):
                return
            failure = failure or TokenInvalid(
                "The signature of the token is wrong.", claim="signature"
            )
        except JTIReplayError as error:
            failure = error
        except Exception as error:
            # What a key of a wrong kind leads to is about the key, not about the token. Had
            # it been usable, it could have been the right one.
            failure = KeysUnavailable(
                f"The key cannot be used: {type(error).__name__}: {error}"
            )
            failure.__cause__ = error
    raise failure or TokenInvalid("The token is signed with an unknown key.", claim="kid")


def _prepare(key: Any, name: str, algorithm: Algorithm) -> Any:
    if isinstance(key, jwt.PyJWK):
        if not same(key.algorithm_name, name):
            raise TokenInvalid("The token's algorithm does not fit its key.", claim="alg")
        key = key.key
    prepared = algorithm.prepare_key(key)
    if too_short := algorithm.check_key_length(prepared):
        raise jwt.InvalidKeyError(too_short)  # PyJWT would only warn (RFC 7518 3.2).
    return prepared
