"""
Tokens in their compact form (RFC 7515 3.1), read in one way only.

RFC 7519 4 lets a parser take the last of two members with one name. Another one that takes
the first would see another jti, so such a token is refused; so are NaN and the infinities,
which are no JSON (RFC 8259 6), and header parameters that change what the rest means.
"""

from __future__ import annotations

import json
import string
from binascii import a2b_base64, b2a_base64
from typing import Any, NamedTuple

from jti_replay.exceptions import TokenInvalid

from .quoting import shown

BASE64URL = (string.ascii_letters + string.digits + "-_").encode()
TO_BASE64 = bytes.maketrans(b"-_", b"+/")


class AmbiguousJSON(ValueError):
    """Raised for JSON that readers understand in different ways."""


class UnverifiedToken(NamedTuple):
    """What a token says. Anybody may have made it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    """Header and payload as they were sent (RFC 7515 5.1)."""
    signature: bytes


def read_unverified(token: str) -> UnverifiedToken:
    """
    Read a token without a look at its signature.

    Raises :exc:`~jti_replay.TokenInvalid` if it is malformed: not three segments of
    base64url, whose first two hold JSON objects.
    """
    try:
        signing_input, _, signature = token.encode("ascii").rpartition(b".")
    except UnicodeEncodeError as error:
        raise malformed("It is no ASCII.") from error
    segments = signing_input.split(b".")
    if len(segments) != 2:
        encrypted = " Encrypted tokens (JWE) are not read." if len(segments) == 4 else ""
        raise malformed(f"It does not have 3 parts with dots between them.{encrypted}")
    header = _object("header", _decode("header", segments[0]))
    _check_header(header)
    claims = _object("payload", _decode("payload", segments[1]))
    return UnverifiedToken(header, claims, signing_input, _decode("signature", signature))


def malformed(detail: str) -> TokenInvalid:
    """Return the refusal of what is no token."""
    return TokenInvalid("The token is malformed.", detail=detail)


def _check_header(header: dict[str, Any]) -> None:
    if "crit" in header:
        raise TokenInvalid(
            "The token asks for an extension that is not understood (crit).",
            claim="crit",
            detail=f"Its crit is {shown(header['crit'])}.",
        )
    if header.get("b64", True) is not True:
        raise TokenInvalid(
            "The payload of the token is not encoded (b64).",
            claim="b64",
            detail=f"Its b64 is {shown(header['b64'])}.",
        )
    for name in ("alg", "kid", "typ"):
        if name in header and not isinstance(header[name], str):
            raise TokenInvalid(
                f"The header parameter {name} of the token is not a string.",
                claim=name,
                detail=f"It is {shown(header[name])}.",
            )


def _decode(name: str, segment: bytes) -> bytes:
    # Padding that base64url leaves out is read, because some issuers send it.
    encoded = segment.rstrip(b"=")
    padding = b"=" * (-len(encoded) % 4)
    base64 = encoded.translate(TO_BASE64) + padding
    try:
        decoded = a2b_base64(base64)
    except ValueError as error:
        raise malformed(f"Its {name} is no base64url.") from error
    if (
        encoded.translate(None, BASE64URL)
        or (segment != encoded and segment != encoded + padding)
        or b2a_base64(decoded, newline=False) != base64
    ):
        # Two texts must not mean one token.
        raise malformed(f"Its {name} is no base64url.")
    return decoded


def _object(name: str, text: bytes) -> dict[str, Any]:
    try:
        value = _json.decode(text.decode())
    except UnicodeDecodeError as error:
        raise malformed(f"Its {name} is no UTF-8.") from error
    except RecursionError as error:
        raise malformed(f"Its {name} is nested too deeply.") from error
    except AmbiguousJSON as error:
        raise malformed(f"Its {name} {error}.") from error
    except ValueError as error:
        raise malformed(f"Its {name} is no JSON.") from error
    if not isinstance(value, dict):
        raise malformed(f"Its {name} is no JSON object.")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise AmbiguousJSON("has two members with one name")
    return members


def _refuse_constant(name: str) -> None:
    raise AmbiguousJSON(f"holds {name}, which is no JSON")


_json = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
