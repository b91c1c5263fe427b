"""DPoP proofs: each clause of RFC 9449 about the proof itself, at a resource and elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from jwcrypto.jwk import JWK

from jti_replay import replay_cache
from tests.docs.pages import text_of
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import assembled, base64url

from .dpop_client import (
    KEY,
    ORIGIN,
    PATH,
    RESOURCE,
    RSA,
    TOKEN_ENDPOINT,
    access_token,
    hash_of,
    proof,
    public_jwk,
    refused,
    request,
    with_jwk,
)
from .sending import Site, nothing_happened, said

OTHER = keypair("ES256", "other client")


@pytest.fixture
def site(dpop_site: Callable[..., Site]) -> Site:
    """A token endpoint."""
    return dpop_site(TOKEN_ENDPOINT)


@pytest.fixture
def resource(dpop_site: Callable[..., Site]) -> Site:
    return dpop_site(RESOURCE)


def test_d17_d24_the_view_learns_the_key(site: Site) -> None:
    """D17, D24: it binds what it issues to the key of the proof."""
    text = proof()
    assert said(site.send(request(text))) == (200, None)
    [seen] = site.requests
    jkt = JWK(**public_jwk()).thumbprint()
    assert seen.dpop_jkt == jkt
    assert seen.jwt_header["jwk"] == public_jwk()
    assert seen.jwt_claims["htu"] == f"{ORIGIN}{PATH}"
    assert not hasattr(seen, "access_token_claims")
    reservation = seen.jti_reservation
    assert reservation.namespace == f"dpop:{jkt}:{ORIGIN}{PATH}"
    assert reservation.expires_at.timestamp() == seen.jwt_claims["iat"] + 300 + 30 + 1


def test_d25_a_proof_passes_once(site: Site) -> None:
    """Also with a new signature, which is what a client makes of the same jti."""
    iat = int(time.time())
    first, again = (proof(jti="a", iat=iat) for _ in range(2))
    assert first != again
    assert said(site.send(request(first))) == (200, None)
    for text in (first, again):
        response = site.send(request(text))
        assert said(response) == (400, "invalid_dpop_proof")
        assert "already been used" in response.content.decode()
    assert len(site.requests) == replay_cache.count() == 1


def test_d25_a_replay_at_a_resource_is_challenged(resource: Site) -> None:
    """The same answer as to any proof that is not good."""
    token = access_token()
    text = proof(token)
    assert said(resource.send(request(text, token))) == (200, None)
    assert "already been used" in refused(resource.send(request(text, token)))
    assert resource.requests[0].access_token_claims["sub"] == "user 1"


def test_d25_a_huge_jti_is_kept_as_a_hash(site: Site) -> None:
    """Its length is the client's choice."""
    text = proof(jti="x" * 100_000)
    assert said(site.send(request(text))) == (200, None)
    assert said(site.send(request(text)))[0] == 400


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        pytest.param({"key": OTHER}, PATH, id="D26-other-key"),
        pytest.param({"htu": f"{ORIGIN}/others"}, "/others", id="D26-other-uri"),
    ],
)
def test_d26_a_jti_is_unique_for_a_key_and_a_uri(
    site: Site, changes: dict[str, Any], path: str
) -> None:
    """RFC 9449 4.2 asks for no more of clients."""
    assert said(site.send(request(proof(jti="a")))) == (200, None)
    assert said(site.send(request(proof(jti="a", **changes), path=path))) == (200, None)


def test_d26_a_uri_has_one_namespace(site: Site) -> None:
    """However a proof spells it."""
    assert said(site.send(request(proof(jti="a")))) == (200, None)
    spelled = proof(jti="a", htu="HTTPS://API.example.com:443/./%74hings?b#c")
    assert said(site.send(request(spelled))) == (400, "invalid_dpop_proof")


def two_proofs(separator: str) -> str:
    return separator.join([proof(), proof()])


def changed_payload() -> str:
    header, _, signature = proof().split(".")
    payload = base64url(json.dumps({"jti": "a", "htm": "GET"}).encode())
    return f"{header}.{payload}.{signature}"


def symmetric(algorithm: str) -> str:
    """Return a proof that a public key has signed, taken for a secret."""
    header = {"typ": "dpop+jwt", "jwk": public_jwk(), "alg": algorithm}
    return assembled(json.dumps(header).encode(), b"{}", json.dumps(public_jwk()))


def unsigned() -> str:
    header = {"typ": "dpop+jwt", "jwk": public_jwk(), "alg": "none"}
    return f"{base64url(json.dumps(header).encode())}.{base64url(b'{}')}."


def private(*members: str) -> dict[str, Any]:
    return public_jwk() | {name: KEY.private_jwk().get(name, "AQAB") for name in members}


NOW = int(time.time())


BAD = {
    "D1-two-headers": lambda: two_proofs(", "),
    "D1-two-without-space": lambda: two_proofs(","),
    "D2-empty": lambda: "",
    "D2-two-with-space": lambda: two_proofs(" "),
    "D2-quoted": lambda: f'"{proof()}"',
    "D2-no-jwt": lambda: "abc",
    "D2-jwe": lambda: "a.b.c.d.e",
    "D2-json": lambda: "{}",
    "D3-no-jti": lambda: proof(jti=None),
    "D3-jti-empty": lambda: proof(jti=""),
    "D3-jti-number": lambda: proof(jti=1),
    "D3-no-htm": lambda: proof(htm=None),
    "D3-htm-number": lambda: proof(htm=1),
    "D3-no-htu": lambda: proof(htu=None),
    "D3-htu-list": lambda: proof(htu=[f"{ORIGIN}{PATH}"]),
    "D3-no-iat": lambda: proof(iat=None),
    "D4-no-typ": lambda: proof(header={"typ": None}),
    "D4-typ-jwt": lambda: proof(header={"typ": "JWT"}),
    "D4-typ-at-jwt": lambda: proof(header={"typ": "at+jwt"}),
    "D5-none": unsigned,
    "D5-hs256": lambda: symmetric("HS256"),
    "D5-not-accepted": lambda: proof(key=RSA),
    "D6-changed": changed_payload,
    "D6-other-key": lambda: with_jwk(public_jwk(OTHER)),
    "D6-no-jwk": lambda: with_jwk(None),
    "D6-jwk-str": lambda: with_jwk("key"),
    "D6-jwk-empty": lambda: with_jwk({}),
    "D6-oct": lambda: with_jwk({"kty": "oct", "k": base64url(b"k" * 32)}),
    "D6-not-on-curve": lambda: with_jwk(public_jwk() | {"x": public_jwk()["y"]}),
    "D6-other-curve": lambda: with_jwk(public_jwk(keypair("ES384", "client"))),
    "D6-member-number": lambda: with_jwk(public_jwk() | {"x": 1}),
    "D6-encrypts": lambda: with_jwk(public_jwk() | {"use": "enc"}),
    "D7-d": lambda: with_jwk(private("d")),
    "D7-p": lambda: with_jwk(private("p")),
    "D7-k": lambda: with_jwk(private("k")),
    "D8-lower-case": lambda: proof(htm="get"),
    "D8-other-method": lambda: proof(htm="POST"),
    "D8-head": lambda: proof(htm="HEAD"),
    "D9-other-scheme": lambda: proof(htu=f"http://api.example.com{PATH}"),
    "D9-other-host": lambda: proof(htu=f"https://api.example.org{PATH}"),
    "D9-other-port": lambda: proof(htu=f"{ORIGIN}:8443{PATH}"),
    "D9-other-path": lambda: proof(htu=f"{ORIGIN}/Things"),
    "D9-trailing-slash": lambda: proof(htu=f"{ORIGIN}{PATH}/"),
    "D9-user": lambda: proof(htu=f"https://me@api.example.com{PATH}"),
    "D9-relative": lambda: proof(htu=PATH),
    "D9-no-scheme": lambda: proof(htu=f"//api.example.com{PATH}"),
    "D9-other-protocol": lambda: proof(htu=f"ftp://api.example.com{PATH}"),
    "D9-blank": lambda: proof(htu=f"{ORIGIN}{PATH} "),
    "D9-tab": lambda: proof(htu=f"{ORIGIN}/thi\tngs"),
    "D9-not-ascii": lambda: proof(htu=f"{ORIGIN}{PATH}\u212a"),
    "D9-bad-percent": lambda: proof(htu=f"{ORIGIN}{PATH}%4"),
    "D9-no-host": lambda: proof(htu=f"https://{PATH}"),
    "D13-too-old": lambda: proof(iat=time.time() - 300 - 30 - 1),
    "D13-too-far-ahead": lambda: proof(iat=time.time() + 30 + 1),
    "D13-str": lambda: proof(iat=str(NOW)),
    "D13-bool": lambda: proof(iat=True),
    "D13-nan": lambda: proof(iat=float("nan")),
    "D13-1e300": lambda: proof(iat=1e300),
    "D28-exp-past": lambda: proof(exp=time.time() - 31),
    "D28-nbf-ahead": lambda: proof(nbf=time.time() + 31),
    "D28-exp-str": lambda: proof(exp="never"),
    "events": lambda: proof(events={"a": {}}),
    "crit": lambda: proof(header={"crit": ["a"], "a": 1}),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_bad_proof_is_refused(site: Site, make: Callable[[], str]) -> None:
    """RFC 9449 5: 400 at a token endpoint. Nothing is reserved."""
    response = site.send(request(make()))
    assert said(response) == (400, "invalid_dpop_proof")
    assert "WWW-Authenticate" not in response
    assert nothing_happened(site)


RESOURCE_ONLY = {
    "D14-no-ath": lambda token: proof(),
    "D14-other-token": lambda token: proof(access_token(sub="user 2")),
    "D14-padded": lambda token: proof(ath=f"{hash_of(token)}="),
    "D14-not-a-str": lambda token: proof(ath=1),
    "D14-the-token": lambda token: proof(ath=token),
    "D18-no-proof": lambda token: None,
}


@pytest.mark.parametrize(
    "make",
    [
        *RESOURCE_ONLY.values(),
        *(lambda token, make=make: make() for make in BAD.values()),
    ],
    ids=[*RESOURCE_ONLY, *BAD],
)
def test_d20_a_bad_proof_is_challenged(
    resource: Site, make: Callable[[str], str | None]
) -> None:
    """RFC 9449 7.1: 401 at a resource, although the access token is good."""
    token = access_token()
    refused(resource.send(request(make(token), token)))
    assert nothing_happened(resource)


def test_d16_a_proof_is_asked_for(site: Site) -> None:
    """RFC 9449 5: a token endpoint knows no other way for these clients."""
    response = site.send(request(None))
    assert said(response) == (400, "invalid_dpop_proof")
    assert "Send one in the header DPoP" in response.content.decode()
    assert nothing_happened(site)


GOOD = {
    "D4-typ-other-case": lambda: proof(header={"typ": "DPoP+JWT"}),
    "D4-typ-whole": lambda: proof(header={"typ": "application/dpop+jwt"}),
    "D5-eddsa": lambda: proof(key=keypair("EdDSA", "client")),
    "D5-ed25519": lambda: proof(key=keypair("EdDSA", "client"), header={"alg": "Ed25519"}),
    "D6-null-members": lambda: with_jwk(public_jwk() | {"kid": None, "alg": None}),
    "D10-host-case": lambda: proof(htu=f"https://API.Example.COM{PATH}"),
    "D10-scheme-case": lambda: proof(htu=f"HTTPS://api.example.com{PATH}"),
    "D10-port": lambda: proof(htu=f"{ORIGIN}:443{PATH}"),
    "D10-empty-port": lambda: proof(htu=f"{ORIGIN}:{PATH}"),
    "D10-percent": lambda: proof(htu=f"{ORIGIN}/%74hing%73"),
    "D10-dots": lambda: proof(htu=f"{ORIGIN}/a/../.{PATH}"),
    "D10-encoded-dots": lambda: proof(htu=f"{ORIGIN}/a/%2E%2e{PATH}"),
    "D9-query": lambda: proof(htu=f"{ORIGIN}{PATH}?a=b"),
    "D9-fragment": lambda: proof(htu=f"{ORIGIN}{PATH}#a"),
    "D11-nonce-ignored": lambda: proof(nonce=1),
    "D13-old": lambda: proof(iat=time.time() - 300 - 29),
    "D13-ahead": lambda: proof(iat=time.time() + 29),
    "D13-fraction": lambda: proof(iat=time.time()),
    "D14-ath-ignored": lambda: proof(ath="x"),
    "D28-exp-late": lambda: proof(exp=time.time() + 10**8),
    "D28-nbf": lambda: proof(nbf=time.time()),
    "iss-and-aud": lambda: proof(iss="client 1", aud="https://elsewhere.example"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_good_proof_passes_once(site: Site, make: Callable[[], str]) -> None:
    """What clients differ in does not matter, and does not make a proof another one."""
    text = make()
    assert said(site.send(request(text, path=f"{PATH}?c=d"))) == (200, None)
    assert said(site.send(request(text))) == (400, "invalid_dpop_proof")


def test_d13_the_answer_tells_by_how_much_a_clock_is_off(site: Site) -> None:
    """Phones are minutes off, and their users must learn it."""
    for seconds, words in ((-400, "400 s ago"), (400, "400 s ahead")):
        with time_machine.travel(NOW, tick=False):
            response = site.send(request(proof(iat=NOW + seconds)))
        assert words in json.loads(response.content)["error_description"]


def test_no_answer_or_line_shows_a_token(
    resource: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what was expected, and the answer does not."""
    caplog.set_level("INFO", "jti_replay")
    token = access_token()
    text = proof(token, htu="https://elsewhere.example/")
    answer = resource.send(request(text, token)).content.decode()
    assert "elsewhere" not in answer
    assert ORIGIN not in answer
    assert "elsewhere" in caplog.text
    assert ORIGIN in caplog.text
    for secret in (text, token, text.split(".")[2]):
        assert secret not in answer + caplog.text


REFUSALS = {
    "(htu)": lambda: (proof(T, htu=f"http://api.example.com{PATH}"), T),
    "(htm)": lambda: (proof(T, htm="POST"), T),
    "(ath)": lambda: (proof(T, ath="x"), T),
    "made 400 s ago": lambda: (proof(T, iat=NOW - 400), T),
    "400 s ahead": lambda: (proof(T, iat=NOW + 400), T),
    "(jwk)": lambda: (with_jwk(private("d"), ath=hash_of(T)), T),
    "another key": lambda: (proof(T, key=OTHER), T),
    "another audience": lambda: (proof(ELSEWHERE), ELSEWHERE),
}


T = access_token()


ELSEWHERE = access_token(aud="https://elsewhere.example")


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_reads_as_documented(
    resource: Site, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """By the client, and in the log."""
    caplog.set_level("INFO", "jti_replay")
    table = text_of("docs/how-to/dpop.md").partition("| the log adds |")[2].partition("##")[0]
    [row] = [row for row in table.splitlines() if name in row[: row.find(" | ")]]
    _, told, added, _, _ = (cell.strip() for cell in row.split("|"))
    with time_machine.travel(NOW, tick=False):
        response = resource.send(request(*REFUSALS[name]()))
    assert json.loads(response.content)["error_description"] == told
    line = f"Refused a token: profile='api': {told} {added}".rstrip()
    assert caplog.messages == [line]
