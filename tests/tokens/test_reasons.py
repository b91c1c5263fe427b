"""What client and operator are told of a refusal, as docs/reference/refusals.md says."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .answers import assert_invalid, assert_nothing_reserved
from .issuer import Issuer
from .keypairs import keypair
from .tokens import assembled, good_claims, signed

Knock = Callable[..., Any]

REFUSALS = Path(__file__).parents[2] / "docs" / "reference" / "refusals.md"


def rows() -> dict[str, str]:
    """Return what the log adds, by what the client is told."""
    section = REFUSALS.read_text().partition("## The token is refused")[2].partition("\n## ")[0]
    cells = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("|")]
    return {text.strip(): detail.strip() for text, detail in cells[2:]}


def raw(payload: str) -> str:
    return assembled(b'{"alg":"HS256"}', payload.encode())


def now() -> int:
    return int(time.time())


PUBLISHED = {"ISSUER": None, "KEY": None, "ALGORITHMS": ["ES256"]}

CAUSES: dict[str, tuple[dict[str, Any], Callable[[], str]]] = {
    "The token is malformed.": ({}, lambda: raw('{"jti":"1","jti":"2"}')),
    "The token asks for an extension that is not understood (crit).": (
        {},
        lambda: assembled(b'{"alg":"HS256","crit":["exp"]}', b"{}"),
    ),
    "The header parameter kid of the token is not a string.": (
        {},
        lambda: assembled(b'{"alg":"HS256","kid":null}', b"{}"),
    ),
    "The token is signed with an algorithm that is not accepted.": (PUBLISHED, signed),
    "The token is of a type that is not accepted (typ).": (
        {},
        lambda: signed(header={"typ": "at+jwt"}),
    ),
    "The token has no iss claim.": ({}, lambda: signed(iss=None)),
    "The token is from another issuer.": ({}, lambda: signed(iss="https://issuer.example/")),
    "The issuer of the token (iss) is not a string.": ({}, lambda: signed(iss=7)),
    "The token is signed with an unknown key.": (
        PUBLISHED,
        lambda: keypair("ES256", "second").sign(),
    ),
    "The token does not name its key (kid).": (PUBLISHED, lambda: keypair().sign(header={})),
    "The token's algorithm does not fit its key.": (
        PUBLISHED,
        lambda: keypair().named("rsa").sign(),
    ),
    "The signature of the token is wrong.": ({}, lambda: signed(key="x" * 32)),
    "The token has no aud claim.": ({}, lambda: signed(aud=None)),
    "The token is for another audience.": (
        {},
        lambda: signed(aud="https://elsewhere.example"),
    ),
    "The audience of the token (aud) is not a string or a list of strings.": (
        {},
        lambda: signed(aud=7),
    ),
    "The token has no expiry time (exp).": ({}, lambda: signed(exp=None)),
    "The token has expired.": ({}, lambda: signed(exp=now() - 90)),
    "The token is not valid yet.": ({}, lambda: signed(nbf=now() + 90, exp=now() + 100)),
    "The claim exp is not a number of seconds.": ({}, lambda: signed(exp="tomorrow")),
    "The claim nbf is not a time.": ({}, lambda: signed(nbf=1e300)),
    "The token lives longer than 3600 seconds.": (
        {},
        lambda: signed(iat=now() - 3700, exp=now() + 3500),
    ),
    "The token has no JWT ID (jti).": ({}, lambda: signed(jti=None)),
    "The JWT ID of the token (jti) is not a string.": ({}, lambda: signed(jti=7)),
    "The JWT ID of the token (jti) is empty.": ({}, lambda: signed(jti="")),
    "The token is a security event (events).": ({}, lambda: signed(events={})),
    "The token is bound to a key, and is to be sent with a DPoP proof.": (
        {},
        lambda: signed(cnf={"jkt": "x"}),
    ),
}


@pytest.mark.parametrize("text", CAUSES)
def test_a_refusal_is_told_and_logged_as_documented(
    knock: Knock,
    configure: Callable[..., None],
    issuer: Issuer,
    caplog: pytest.LogCaptureFixture,
    text: str,
) -> None:
    """The client is told the text alone; the log adds what came and what is accepted."""
    caplog.set_level(logging.INFO, "jti_replay")
    changes, token = CAUSES[text]
    issuer.keys = [keypair().jwk(), keypair("RS256", "rsa").jwk()]
    if text == "The token does not name its key (kid).":
        issuer.keys.append(keypair("ES256", "second").jwk())
    configure(**changes, **({"JWKS_URL": issuer.url} if changes else {}))
    sent = token()
    assert_invalid(knock(sent), text)
    said = caplog.records[-1].getMessage()
    assert said.startswith(f"Refused a token: profile='default': {text}")
    for number in (90, 7200):  # A second may have passed.
        said = said.replace(f"{number + 1} s", f"{number} s").replace(
            f"{number - 1} s", f"{number} s"
        )
    assert rows()[text] in said
    assert not any(part and part in said for part in sent.split("."))
    assert_nothing_reserved()


def test_every_refusal_is_documented() -> None:
    assert set(rows()) == {*CAUSES, "The token has already been used."}


PARTS = "It does not have 3 parts with dots between them."
ENCRYPTED = f"{PARTS} Encrypted tokens (JWE) are not read."


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("a", PARTS),
        ("a.b", PARTS),
        ("a.b.c.d", PARTS),
        ("a.b.c.d.e", ENCRYPTED),
        ("a.b.c.d.e.f", PARTS),
        ("+.e30.c", "Its header is no base64url."),
        ("e30.+.c", "Its payload is no base64url."),
        ("e30.e30.+", "Its signature is no base64url."),
        (assembled(b"\xff", b"{}"), "Its header is no UTF-8."),
        (assembled(b"{}", b"{"), "Its payload is no JSON."),
        (assembled(b"[]", b"{}"), "Its header is no JSON object."),
        (assembled(b"{}", b"[" * 100_000), "Its payload is nested too deeply."),
        (raw('{"jti":"1","jti":"2"}'), "Its payload has two members with one name."),
        (raw('{"exp":NaN}'), "Its payload holds NaN, which is no JSON."),
    ],
)
def test_the_log_says_why_a_token_is_malformed(
    knock: Knock, caplog: pytest.LogCaptureFixture, token: str, says: str
) -> None:
    caplog.set_level(logging.INFO, "jti_replay")
    assert_invalid(knock(token), "The token is malformed.")
    assert caplog.records[-1].getMessage().endswith(f"The token is malformed. {says}")


@pytest.mark.parametrize("name", ["iss", "aud"])
def test_what_came_is_shown_shortly_and_on_one_line(
    knock: Knock, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Its sender chooses it."""
    caplog.set_level(logging.INFO, "jti_replay")
    for value in ("x" * 100_000, "line\nbreak\x1b[31m\u202e\u2028\ud800"):
        assert_invalid(knock(signed(**{name: value})))
        said = caplog.records[-1].getMessage()
        assert said.isprintable()
        assert len(said) < 500
    assert "line\\nbreak\\x1b" in said


@pytest.mark.parametrize("header", [{"alg": "x" * 10_000}, {"typ": "\n" * 10_000}])
def test_so_is_a_header(
    knock: Knock,
    configure: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    header: dict[str, str],
) -> None:
    caplog.set_level(logging.INFO, "jti_replay")
    configure(TYP="JWT")
    encoded = json.dumps({"alg": "HS256", **header}).encode()
    assert_invalid(knock(assembled(encoded, json.dumps(good_claims()).encode())))
    said = caplog.records[-1].getMessage()
    assert said.isprintable()
    assert len(said) < 600
