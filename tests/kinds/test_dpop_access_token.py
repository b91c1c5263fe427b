"""Access tokens that are bound to the key of a DPoP proof (RFC 9449 7, RFC 9068 4)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from jti_replay import KeysUnavailable, TokenInvalid, replay_cache
from jti_replay.backends.memory import InMemoryCache
from tests.servers import free_port
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import keypair

from .dpop_client import (
    ACCESS_TOKEN,
    KEY,
    ORIGIN,
    RESOURCE,
    SERVER_KEY,
    access_token,
    proof,
    refused,
    request,
)
from .sending import Site, nothing_happened, said

OTHER = keypair("ES256", "other client")
ALGS = 'DPoP algs="ES256 EdDSA Ed25519"'
calls: list[Any] = []


def resource_with(setting: Any) -> dict[str, Any]:
    return RESOURCE | {"OPTIONS": RESOURCE["OPTIONS"] | {"access_token": setting}}


@pytest.fixture
def site(dpop_site: Callable[..., Site]) -> Site:
    return dpop_site(RESOURCE)


def test_the_view_learns_what_the_access_token_says(site: Site) -> None:
    """It is used many times, each time with a new proof; its own jti is not kept."""
    token = access_token(jti="always the same")
    for _ in range(2):
        assert said(site.send(request(proof(token), token))) == (200, None)
    first, second = site.requests
    assert first.access_token_claims == second.access_token_claims
    assert first.access_token_claims["sub"] == "user 1"
    assert first.jwt_claims["jti"] != second.jwt_claims["jti"]
    assert replay_cache.count() == 2


def test_an_access_token_may_live_for_long(dpop_site: Callable[..., Site]) -> None:
    """Unless MAX_LIFETIME says for how long."""
    for changes, expected in (({}, 200), ({"MAX_LIFETIME": 3600}, 401)):
        site = dpop_site(resource_with(ACCESS_TOKEN | changes))
        token = access_token()
        assert site.send(request(proof(token), token)).status_code == expected


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_scheme_may_be_in_any_case(site: Site, scheme: str) -> None:
    """RFC 9110 11.1."""
    token = access_token()
    sent = request(proof(token), Authorization=f"{scheme}  {token} ")
    assert said(site.send(sent)) == (200, None)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: access_token(bound_to=OTHER), id="D15-other-key"),
        pytest.param(lambda: access_token(cnf=None), id="D15-no-cnf"),
        pytest.param(lambda: access_token(cnf={}), id="D15-no-jkt"),
        pytest.param(lambda: access_token(cnf="key"), id="D15-cnf-str"),
        pytest.param(lambda: access_token(cnf={"jkt": 1}), id="D15-jkt-number"),
        pytest.param(lambda: access_token(iss="https://other.example"), id="D27-iss"),
        pytest.param(lambda: access_token(iss=None), id="D27-no-iss"),
        pytest.param(lambda: access_token(aud="https://other.example"), id="D27-aud"),
        pytest.param(lambda: access_token(exp=time.time() - 31), id="D27-expired"),
        pytest.param(lambda: access_token(exp=None), id="D27-no-exp"),
        pytest.param(lambda: access_token(iat=time.time() + 31), id="D27-iat-ahead"),
        pytest.param(lambda: access_token(key=OTHER), id="D27-signature"),
        pytest.param(lambda: access_token(typ="JWT"), id="D27-typ-jwt"),
        pytest.param(lambda: access_token(typ=None), id="D27-no-typ"),
        pytest.param(lambda: access_token(events={}), id="D27-events"),
        pytest.param(lambda: "opaque", id="D27-opaque"),
    ],
)
def test_a_bad_access_token_is_invalid_token(site: Site, token: Callable[[], str]) -> None:
    """RFC 9449 7.1, Figure 16. Nothing is reserved, although the proof is good."""
    bad = token()
    refused(site.send(request(proof(bad), bad)), "invalid_token")
    assert nothing_happened(site)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="D18-nothing"),
        pytest.param({"Authorization": "DPoP"}, id="D18-empty"),
        pytest.param({"Authorization": "Bearer {token}"}, id="D22-bearer"),
        pytest.param({"Authorization": "Basic dXNlcjpwYXNz"}, id="D22-basic"),
        pytest.param({"Authorization": "{token}"}, id="D22-no-scheme"),
        pytest.param({"Proxy-Authorization": "DPoP {token}"}, id="D19-proxy"),
    ],
)
@pytest.mark.parametrize("with_proof", [True, False])
def test_without_a_token_there_is_no_error(
    site: Site, headers: dict[str, str], *, with_proof: bool
) -> None:
    """RFC 9449 7.2: a challenge that says what is expected, and no code."""
    token = access_token()
    filled = {name: value.format(token=token) for name, value in headers.items()}
    response = site.send(request(proof(token) if with_proof else None, **filled))
    assert said(response) == (401, "missing_token")
    assert response["WWW-Authenticate"] == ALGS
    assert nothing_happened(site)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Bearer {0}, DPoP {0}", id="D21-bearer-first"),
        pytest.param("DPoP {0}, Bearer {0}", id="D21-dpop-first"),
        pytest.param("DPoP {0},DPoP {0}", id="D21-twice"),
    ],
)
def test_two_tokens_are_an_invalid_request(site: Site, value: str) -> None:
    """RFC 9449 7.2, Figure 19."""
    token = access_token()
    response = site.send(request(proof(token), Authorization=value.format(token)))
    assert said(response) == (400, "invalid_request")
    assert response["WWW-Authenticate"].startswith('DPoP error="invalid_request", error_desc')
    assert nothing_happened(site)


@pytest.mark.parametrize("value", ["DPoP {0} {0}", 'DPoP "{0}"', "DPoP {0};", "DPoP {0}, x"])
def test_what_is_not_one_token_is_refused(site: Site, value: str) -> None:
    """RFC 9449 7.1 takes the token68 form alone."""
    token = access_token()
    sent = request(proof(token), Authorization=value.format(token))
    refused(site.send(sent), "invalid_token")
    assert nothing_happened(site)


def test_typ_can_admit_other_access_tokens(dpop_site: Callable[..., Site]) -> None:
    """Many servers write JWT."""
    site = dpop_site(resource_with(ACCESS_TOKEN | {"TYP": "JWT"}))
    good, bad = access_token(typ="JWT"), access_token()
    assert said(site.send(request(proof(good), good))) == (200, None)
    refused(site.send(request(proof(bad), bad)), "invalid_token")


@pytest.mark.parametrize("by", ["JWKS_URL", "discovery"])
def test_its_keys_come_from_where_they_are_published(
    dpop_site: Callable[..., Site], issuer: Issuer, by: str
) -> None:
    """They are fetched for the first request with a good proof, not before."""
    issuer.keys = [SERVER_KEY.jwk()]
    rules = {name: value for name, value in ACCESS_TOKEN.items() if name != "KEY"}
    rules["ISSUER"] = issuer.origin
    if by == "JWKS_URL":
        rules["JWKS_URL"] = issuer.url
    site = dpop_site(resource_with(rules))
    token = access_token(iss=issuer.origin)
    refused(site.send(request(proof(token, htm="PUT"), token)))
    assert issuer.fetches == 0
    assert said(site.send(request(proof(token), token))) == (200, None)
    assert issuer.fetches == (1 if by == "JWKS_URL" else 2)


def test_keys_that_cannot_be_had_are_a_503(
    dpop_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    """It is the server's trouble, and nothing is used up."""
    url = f"http://127.0.0.1:{free_port()}/jwks"
    rules = {name: value for name, value in ACCESS_TOKEN.items() if name != "KEY"}
    site = dpop_site(resource_with(rules | {"JWKS_URL": url}))
    token = access_token()
    response = site.send(request(proof(token), token))
    assert said(response) == (503, "temporarily_unavailable")
    assert "Retry-After" in response
    assert nothing_happened(site)
    assert url in caplog.text


class Introspection(Exception):
    """What a client of an introspection endpoint raises."""


def known(token: str, request: Any) -> Any:
    """Ask a server of opaque tokens."""
    calls.append((token, request.path))
    answers: dict[str, Callable[[], Any]] = {
        "good": lambda: {"sub": "user 1", "cnf": {"jkt": request.dpop_jkt}},
        "other-key": lambda: {"sub": "user 1", "cnf": {"jkt": "another"}},
        "revoked": lambda: None,
        "no-claims": lambda: ["sub"],
        "future": lambda: aknown(token, request),
        "down": lambda: _raise(Introspection(f"POST {token} failed")),
        "refused": lambda: _raise(TokenInvalid("The token is locked.")),
        "coded": lambda: _raise(TokenInvalid("The user is gone.", code="user_gone")),
        "no-keys": lambda: _raise(KeysUnavailable("The table is locked.")),
    }
    return answers[token]()


async def aknown(token: str, request: Any) -> Any:
    return known(token, request)


def _raise(error: Exception) -> Any:
    raise error


@pytest.fixture(params=[known, aknown, f"{__name__}.known", f"{__name__}.aknown"])
def asking(request: pytest.FixtureRequest, dpop_site: Callable[..., Site]) -> Site:
    """A resource that asks a function, sync or async, about access tokens."""
    calls.clear()
    return dpop_site(resource_with(request.param))


def test_a_function_can_judge_access_tokens(asking: Site) -> None:
    """Introspection, or a table of the project's."""
    assert said(asking.send(request(proof("good"), "good"))) == (200, None)
    assert asking.requests[0].access_token_claims["sub"] == "user 1"
    assert calls == [("good", "/things")]


@pytest.mark.parametrize(
    ("token", "code", "description"),
    [
        ("other-key", "invalid_token", "The access token is bound to another key (cnf.jkt)."),
        ("revoked", "invalid_token", "The access token is not known, or not good any more."),
        ("refused", "invalid_token", "The token is locked."),
        ("coded", "user_gone", "The user is gone."),
    ],
)
def test_what_the_function_refuses_is_invalid_token(
    asking: Site, token: str, code: str, description: str
) -> None:
    """With its own words and its own code, if it has any."""
    assert refused(asking.send(request(proof(token), token)), code) == description
    assert nothing_happened(asking)


@pytest.mark.parametrize("token", ["no-claims", "down", "no-keys"])
def test_a_function_that_fails_is_a_503(
    asking: Site, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says why, without the token."""
    response = asking.send(request(proof(token), token))
    assert said(response) == (503, "temporarily_unavailable")
    assert nothing_happened(asking)
    assert "cannot judge a token: " in caplog.text
    if token == "down":
        assert "Introspection: POST ... failed" in caplog.text


def test_a_function_that_only_seems_sync_fails(dpop_site: Callable[..., Site]) -> None:
    """Its coroutine would never be awaited."""
    site = dpop_site(resource_with(known))
    assert said(site.send(request(proof("future"), "future")))[0] == 503


def test_the_function_is_asked_last(asking: Site) -> None:
    """Nothing is asked about for the sake of a bad proof."""
    refused(asking.send(request(proof("good", htm="PUT"), "good")))
    refused(asking.send(request(proof("revoked"), "good")))
    assert calls == []


travel: list[Any] = []


class Waiting(InMemoryCache):
    """A cache whose callers wait for 100 seconds."""

    def add(self, *args: Any, **kwargs: Any) -> Any:
        entry = super().add(*args, **kwargs)
        travel[0].shift(100)
        return entry


@pytest.fixture
def waiting(dpop_site: Callable[..., Site]) -> Any:
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        travel[:] = [traveller]
        path = f"{__name__}.Waiting"
        yield dpop_site(RESOURCE, caches={"default": {"BACKEND": path, "TTL": 0}})


def test_an_access_token_that_ends_in_a_wait_is_refused(waiting: Site) -> None:
    """And the jti of its proof is released."""
    token = access_token(exp=time.time() + 60)
    refused(waiting.send(request(proof(token), token)), "invalid_token")
    assert nothing_happened(waiting)
    token = access_token(exp=time.time() + 200)
    assert said(waiting.send(request(proof(token), token))) == (200, None)


def test_a_proof_that_becomes_too_old_in_a_wait_is_refused(waiting: Site) -> None:
    """Its entry could be forgotten by then, and be made once more."""
    token = access_token()
    text = proof(token, iat=time.time() - 231)
    assert "is too old" in refused(waiting.send(request(text, token)))
    assert nothing_happened(waiting)


def test_a_proof_that_is_in_its_last_moment_after_a_wait_passes(waiting: Site) -> None:
    """It would have passed at that moment without a wait, too."""
    token = access_token()
    text = proof(token, iat=int(time.time()) - 230)
    assert said(waiting.send(request(text, token))) == (200, None)


def test_the_log_tells_which_token_was_refused(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """There are two."""
    caplog.set_level("INFO", "jti_replay")
    bad = access_token(aud="https://other.example")
    answer = site.send(request(proof(bad), bad))
    assert "It is the access token. Its aud is 'https://other.example'." in caplog.text
    assert ORIGIN not in json.loads(answer.content)["error_description"]
    assert KEY.kid not in caplog.text
