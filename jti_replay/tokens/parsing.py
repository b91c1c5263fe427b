"""PyJWT, with the choices that it leaves to its callers made strictly."""

from __future__ import annotations

import json
import string
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any

import jwt
from jwt.types import Options

OPTIONS: Options = {
    "enforce_minimum_key_length": True,
    # Each of these is judged in claims.py, where a bool, a str or 1e300 is no time either.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}

BASE64URL = (string.ascii_letters + string.digits + "-_").encode()
TO_BASE64 = bytes.maketrans(b"-_", b"+/")


class QuickJWS(jwt.PyJWS):
    """
    Reads what PyJWT reads. It looks at the characters of a token all at once: to PyJWT, which
    does so one by one, that is a third of all the work.
    """

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        encoded = segment.rstrip(b"=")
        padding = len(segment) - len(encoded)
        if padding > 2 or (padding and len(segment) % 4) or encoded.translate(None, BASE64URL):
            raise jwt.DecodeError(f"Invalid {name} padding")
        base64 = encoded.translate(TO_BASE64) + b"=" * (-len(encoded) % 4)
        try:
            decoded = a2b_base64(base64)
        except ValueError as error:
            raise jwt.DecodeError(f"Invalid {name} padding") from error
        if b2a_base64(decoded, newline=False) != base64:  # Two texts must not mean one token.
            raise jwt.DecodeError(f"Invalid {name} padding")
        return decoded


class StrictJWT(jwt.PyJWT):
    """
    Reads tokens whose claims can be read in one way only.

    RFC 7519 4 lets a parser take the last of two claims with one name. Another one that
    takes the first would see another jti, so such a token is refused; so are NaN and the
    infinities, which are no JSON (RFC 8259 6).
    """

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._jws = QuickJWS(
            options={
                "verify_signature": True,
                "enforce_minimum_key_length": options["enforce_minimum_key_length"],
            }
        )

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        try:
            payload = _json.decode(decoded["payload"].decode())
        except (ValueError, RecursionError) as error:
            raise jwt.DecodeError(f"Invalid payload: {error}") from error
        if not isinstance(payload, dict):
            raise jwt.DecodeError("Invalid payload: not a JSON object")
        return payload


_strict = StrictJWT(OPTIONS)
_strict_for_any_audience = StrictJWT({**OPTIONS, "verify_aud": False})


def decode(
    token: str,
    key: Any,
    *,
    algorithms: tuple[str, ...],
    issuers: tuple[str, ...],
    audiences: tuple[str, ...],
) -> dict[str, Any]:
    """
    Return the claims of a token whose signature, issuer and audience are right.

    Times and jti are not judged. Raises :exc:`jwt.PyJWTError`.
    """
    reader = _strict if audiences else _strict_for_any_audience
    return reader.decode(
        token, key, algorithms, issuer=issuers or None, audience=audiences or None
    )


def read_unverified_header(token: str) -> Mapping[str, Any]:
    """Return the header of a token that anybody may have made."""
    return jwt.get_unverified_header(token)


def read_unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the header and the claims of a token that anybody may have made."""
    complete = _strict.decode_complete(token, options={"verify_signature": False})
    return complete["header"], complete["payload"]


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


_json = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
