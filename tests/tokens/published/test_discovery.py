"""Keys that are found by OpenID Connect Discovery, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from jti_replay import KeysUnavailable
from jti_replay.tokens import discovery
from jti_replay.tokens.discovery import DiscoveredKeys
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.parsing import read_unverified
from tests.stopwatch import takes_at_most
from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_nothing_reserved,
    assert_unavailable,
)
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import DOCUMENT, Issuer, respond
from tests.tokens.keypairs import keypair

Knock = Callable[..., Any]
Configure = Callable[..., None]


def any_issuer(iss: str) -> bool:
    return True


@pytest.fixture
def discover(configure: Configure) -> Configure:
    """Give a function that changes a profile whose keys are found by discovery."""

    def discover(**changes: Any) -> None:
        configure(**{"KEY": None, "ALGORITHMS": ["ES256"], "ISSUER": any_issuer} | changes)

    return discover


@pytest.fixture(autouse=True)
def _profile(discover: Configure, issuer: Issuer) -> None:
    issuer.keys = [keypair().jwk()]
    discover(ISSUER=issuer.origin)


@pytest.fixture
def other() -> Iterator[Issuer]:
    with Issuer() as issuer:
        issuer.keys = [keypair("ES256", "other").jwk(kid="first")]
        yield issuer


def said_in(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(r.getMessage() for r in caplog.records if r.levelname == "ERROR")


def test_the_keys_of_an_issuer_are_found(knock: Knock, issuer: Issuer) -> None:
    """Two fetches, of the document and of the keys, for any number of tokens."""
    for _ in range(3):
        assert_inside(knock(keypair().sign(iss=issuer.origin)))
    assert [path for path, _ in issuer.seen] == [DOCUMENT, "/jwks"]


@pytest.mark.parametrize("iss", ["{}/", "{}/realms/dev", "{}/realms/dev/"])
def test_one_slash_at_the_end_is_dropped_for_the_address(
    knock: Knock, issuer: Issuer, discover: Configure, iss: str
) -> None:
    """The issuer itself is compared with it, in the token and in the document."""
    name = iss.format(issuer.origin)
    issuer.document = {"issuer": name}
    discover(ISSUER=name)
    assert_inside(knock(keypair().sign(iss=name)))
    assert issuer.seen[0][0] == iss.removeprefix("{}").removesuffix("/") + DOCUMENT


@pytest.mark.parametrize(
    "named", ["{}/", "{}/other", "https://issuer.example", "", None, 7, []]
)
def test_a_document_of_another_issuer_is_refused(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture, named: Any
) -> None:
    """503, an error in the log, and no keys are fetched."""
    text = named.format(issuer.origin) if isinstance(named, str) else named
    issuer.document = {"issuer": text}
    assert_unavailable(knock(keypair().sign(iss=issuer.origin)))
    assert [path for path, _ in issuer.seen] == [DOCUMENT]
    assert repr(text) in said_in(caplog)
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "uri",
    [
        None,
        7,
        "",
        "/jwks",
        "http://keys.example/jwks",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
    ],
)
def test_a_document_that_names_no_https_url_is_refused(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture, uri: Any
) -> None:
    issuer.document = {"jwks_uri": uri}
    assert_unavailable(knock(keypair().sign(iss=issuer.origin)))
    assert [path for path, _ in issuer.seen] == [DOCUMENT]
    assert f"jwks_uri is {uri!r}" in said_in(caplog)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "The discovery document is no JSON object."),
        (b"null", "The discovery document is no JSON object."),
        (b"{}", "The discovery document is that of None"),
        (b"no json", "The answer is no JSON."),
        (b"", "The answer is no JSON."),
    ],
)
def test_what_is_no_document_is_refused(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture, body: bytes, says: str
) -> None:
    issuer.answer = lambda handler: respond(handler, 200, body)
    assert_unavailable(knock(keypair().sign(iss=issuer.origin)))
    assert issuer.fetches == 1
    assert says in said_in(caplog)


def test_a_document_of_ten_megabytes_is_cut_off(
    knock: Knock, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.document = {"scopes_supported": "x" * 10_000_000}
    assert_unavailable(knock(keypair().sign(iss=issuer.origin)))
    assert "longer than 1048576 bytes" in said_in(caplog)
    assert issuer.fetches == 1


def test_a_document_that_redirects_is_not_followed(
    knock: Knock, issuer: Issuer, other: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    other.document = {"issuer": issuer.origin}
    location = other.origin + DOCUMENT
    issuer.answer = lambda handler: respond(handler, 302, b"", Location=location)
    assert_unavailable(knock(keypair().sign(iss=issuer.origin)))
    assert other.fetches == 0
    assert "Redirects are not followed" in said_in(caplog)


def test_the_keys_of_an_issuer_verify_its_own_tokens_only(
    knock: Knock, discover: Configure, issuer: Issuer, other: Issuer
) -> None:
    discover(ISSUER=[issuer.origin, other.origin])
    ours, theirs = keypair(), keypair("ES256", "other").named("first")
    assert_inside(knock(ours.sign(iss=issuer.origin)))
    assert_inside(knock(theirs.sign(iss=other.origin)))
    assert_invalid(knock(ours.sign(iss=other.origin)), "The signature of the token is wrong.")
    assert_invalid(knock(theirs.sign(iss=issuer.origin)))


@pytest.mark.parametrize(
    ("changes", "token"),
    [
        ({}, {"iss": "https://evil.example"}),
        ({}, {"iss": None}),
        ({}, {"iss": 7}),
        ({"TYP": "job+jwt"}, {}),
        ({"ALGORITHMS": ["RS256"]}, {}),
    ],
)
def test_nothing_is_fetched_for_what_is_not_accepted_anyway(
    knock: Knock, discover: Configure, issuer: Issuer, changes: Any, token: Any
) -> None:
    """Algorithm, type and issuer are looked at before the key."""
    discover(**{"ISSUER": issuer.origin} | changes)
    assert_invalid(knock(keypair().sign(**{"iss": issuer.origin} | token)))
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "iss",
    [
        "http://issuer.example",
        "issuer.example",
        "https://",
        "https://user@issuer.example",
        "https://issuer.example?a",
        "https://issuer.example#a",
        "https://[::1",
        "file:///etc",
        "",
    ],
)
def test_an_issuer_that_is_no_https_url_has_no_keys(
    knock: Knock, discover: Configure, caplog: pytest.LogCaptureFixture, iss: str
) -> None:
    discover()
    assert_unavailable(knock(keypair().sign(iss=iss)))
    assert "cannot be found" in said_in(caplog)
    assert_nothing_reserved()


def test_the_headers_go_to_the_issuers_own_origin_alone(
    knock: Knock, discover: Configure, issuer: Issuer, other: Issuer
) -> None:
    """They may be credentials."""
    discover(JWKS_OPTIONS={"headers": {"X-Key": "open"}}, ISSUER=issuer.origin)
    assert_inside(knock(keypair().sign(iss=issuer.origin)))
    assert [headers["X-Key"] for _, headers in issuer.seen] == ["open", "open"]
    issuer.seen.clear()
    issuer.document = {"jwks_uri": other.url}
    discover(JWKS_OPTIONS={"headers": {"X-Key": "open"}}, ISSUER=issuer.origin)
    assert_inside(knock(keypair("ES256", "other").named("first").sign(iss=issuer.origin)))
    assert [headers.get("X-Key") for _, headers in issuer.seen] == ["open"]
    assert [headers.get("X-Key") for _, headers in other.seen] == [None]


def test_an_issuer_elsewhere_has_no_say_over_this_machine() -> None:
    """Its document must not make the server ask itself."""
    location = discovery.DiscoveredIssuer("https://tenant.example", JwksOptions())
    assert not location._may_name("http://127.0.0.1:8000/admin")
    assert not location._may_name("https://localhost/admin")
    assert location._may_name("https://keys.example/jwks")


def test_the_timeout_is_for_document_and_keys_together(
    discover: Configure, issuer: Issuer
) -> None:
    def slowly(handler: BaseHTTPRequestHandler) -> None:
        issuer.closing.wait(0.4)
        issuer.publish(handler)

    issuer.answer = slowly
    discover(JWKS_OPTIONS={"timeout": 0.6}, ISSUER=issuer.origin)
    with takes_at_most(0.7, at_least=0.5):
        assert_unavailable(sync_knock(keypair().sign(iss=issuer.origin)))


# Many issuers.


def tenant(issuer: Issuer, number: int | str) -> Any:
    return read_unverified(keypair().sign(iss=f"{issuer.origin}/{number}"))


def test_the_keys_of_a_hundred_issuers_are_held(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least recently used go; made-up ones go before."""
    assert discovery.MOST_ISSUERS == 100
    monkeypatch.setattr(discovery, "MOST_ISSUERS", 3)
    keys = DiscoveredKeys(JwksOptions())
    for number in (0, 1, 2, 0, 3, 0):  # 1 goes for 3.
        assert keys.get(tenant(issuer, number))
    assert issuer.fetches == 8
    assert keys.get(tenant(issuer, 1))  # 2 goes.
    assert issuer.fetches == 10
    issuer.answer = lambda handler: respond(handler, 404, b"")
    with pytest.raises(KeysUnavailable):
        keys.get(tenant(issuer, "made-up"))  # 3 goes.
    with pytest.raises(KeysUnavailable):
        keys.get(tenant(issuer, "made-up-too"))  # The made-up one goes.
    assert keys.get(tenant(issuer, 0))
    assert keys.get(tenant(issuer, 1))
    assert issuer.fetches == 12


def test_the_keys_of_few_issuers_are_fetched_at_once(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a thread. The others are answered 503."""
    assert discovery.MOST_FETCHES == 20
    monkeypatch.setattr(discovery, "MOST_FETCHES", 2)
    monkeypatch.setattr(discovery, "MOST_ISSUERS", 2)
    release = threading.Event()

    def refuse_late(handler: BaseHTTPRequestHandler) -> None:
        release.wait(30)
        respond(handler, 404, b"")

    issuer.answer = refuse_late
    keys = DiscoveredKeys(JwksOptions(timeout=30))
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(keys.get, tenant(issuer, number)) for number in range(2)]
        issuer.wait_for_fetch(2)
        with pytest.raises(KeysUnavailable, match="has to wait"):
            keys.get(tenant(issuer, 2))
        release.set()
        for each in waiting:
            with pytest.raises(KeysUnavailable):
                each.result()


async def test_tasks_share_the_fetch_of_an_issuer(issuer: Issuer) -> None:
    keys = DiscoveredKeys(JwksOptions())
    await asyncio.gather(*(keys.aget(tenant(issuer, 1)) for _ in range(10)))
    assert issuer.fetches == 2


def test_nothing_is_left_of_the_fetches_of_many_issuers(issuer: Issuer) -> None:
    keys = DiscoveredKeys(JwksOptions())
    for number in range(30):
        assert keys.get(tenant(issuer, number))
    assert not [t for t in threading.enumerate() if t.name == "jti_replay.jwks"]


def test_unusable_keys_are_named_by_their_issuer(issuer: Issuer) -> None:
    issuer.keys.append({"kty": "XX"})
    keys = DiscoveredKeys(JwksOptions())
    assert keys.unusable == ""
    assert keys.get(tenant(issuer, 1))
    assert keys.unusable == (
        f"'{issuer.origin}/1': Key 2: Its kty is 'XX', not RSA, EC or OKP."
    )


def test_a_document_is_read_with_its_other_members(knock: Knock, issuer: Issuer) -> None:
    issuer.document = json.loads(
        '{"authorization_endpoint": null, "id_token_signing_alg_values_supported": ["none"]}'
    )
    assert_inside(knock(keypair().sign(iss=issuer.origin)))
