"""The signature of a token (RFC 7515 5.2), verified by PyJWT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jwt

from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid

from .algorithms import verifier
from .parsing import UnverifiedToken, malformed


def check_signature(
    token: UnverifiedToken, keys: Iterable[Any], algorithms: tuple[str, ...]
) -> None:
    """
    Raise an error unless one of the keys made the signature, by one of the algorithms.

    It is :exc:`~jti_replay.TokenInvalid` if the token is wrong, and
    :exc:`~jti_replay.KeysUnavailable` if a key cannot be used.
    """
    failure: JTIReplayError | None = None
    for key in keys:
        try:
            _verify(token, key, algorithms)
        except TokenInvalid as error:
            failure = failure or error
        except KeysUnavailable as error:
            failure = error  # Had the key been usable, it could have been the right one.
        else:
            return
    raise failure or TokenInvalid("The token is signed with an unknown key.", claim="kid")


def _verify(token: UnverifiedToken, key: Any, algorithms: tuple[str, ...]) -> None:
    try:
        verified = verifier(algorithms).decode_complete(
            token.text, key, algorithms=[token.header["alg"]]
        )
    except jwt.InvalidSignatureError as error:
        raise TokenInvalid("The signature of the token is wrong.", claim="signature") from error
    except jwt.InvalidAlgorithmError as error:
        raise TokenInvalid(
            "The token's algorithm does not fit its key.", claim="alg"
        ) from error
    except jwt.InvalidTokenError as error:
        raise malformed("PyJWT cannot read it.") from error
    except Exception as error:
        # InvalidKeyError, the PyJWK errors and whatever else a key of a wrong kind leads to
        # are about the key, not about the token.
        raise KeysUnavailable(
            f"The key cannot be used: {type(error).__name__}: {error}"
        ) from error
    if verified["payload"] != token.payload or verified["header"] != token.header:
        raise malformed("PyJWT reads it in another way.")
