"""Nonces that proofs must hold (RFC 9449 8, 9), and what becomes of the client's clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from jti_replay.backends.memory import InMemoryCache
from jti_replay.decorators import reserve_jti
from jti_replay.kinds.nonces import Nonces
from tests.tokens.tokens import CACHES

from .dpop_client import RESOURCE, TOKEN_ENDPOINT, access_token, proof, request
from .sending import FORM, Site, nothing_happened, said
from .test_client_assertion import PROFILE, assertion, form

NONCES: dict[str, Any] = {"OPTIONS": TOKEN_ENDPOINT["OPTIONS"] | {"nonces": True}}
NQCHAR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
START = 1_800_000_000


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def site(dpop_site: Callable[..., Site], clock: Any) -> Site:
    return dpop_site(TOKEN_ENDPOINT | NONCES)


def challenged(response: Any, status: int = 400) -> str:
    """Return the nonce of a challenge, whose form clients depend on."""
    assert said(response) == (status, "use_dpop_nonce")
    nonce: str = response["DPoP-Nonce"]
    assert NQCHAR.fullmatch(nonce)
    names = [name.lower() for name in response.headers]
    assert names.count("dpop-nonce") == 1
    return nonce


def test_d11_a_challenge_uses_nothing_up(site: Site) -> None:
    """The client sends the same jti again, with the nonce."""
    response = site.send(request(proof(jti="a")))
    nonce = challenged(response)
    assert "has no nonce" in json.loads(response.content)["error_description"]
    assert nothing_happened(site)
    response = site.send(request(proof(jti="a", nonce=nonce)))
    assert said(response) == (200, None)
    assert "DPoP-Nonce" not in response
    assert said(site.send(request(proof(jti="a", nonce=nonce)))) == (400, "invalid_dpop_proof")
    assert said(site.send(request(proof(jti="b", nonce=nonce)))) == (200, None)


def test_d11_a_resource_challenges_with_401(dpop_site: Callable[..., Site], clock: Any) -> None:
    """The challenge begins with DPoP, and names its error: clients look for both."""
    site = dpop_site(RESOURCE | {"OPTIONS": RESOURCE["OPTIONS"] | {"nonces": True}})
    # A bad access token is not looked at yet.
    token = access_token(sub="user 1", aud="https://other.example")
    response = site.send(request(proof(token), token))
    nonce = challenged(response, 401)
    assert response["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce", error_desc')
    assert nothing_happened(site)
    token = access_token()
    assert said(site.send(request(proof(token, nonce=nonce), token))) == (200, None)


@pytest.mark.parametrize(
    "nonce",
    [
        pytest.param(lambda: "", id="D11-empty"),
        pytest.param(lambda: 1, id="D11-number"),
        pytest.param(lambda: [Nonces("api").new()], id="D11-list"),
        pytest.param(lambda: "eyJ7S_zG.eyJH0-Z.HX4w-7v", id="D11-of-another-server"),
        pytest.param(lambda: Nonces("other").new(), id="D11-of-another-profile"),
        pytest.param(lambda: Nonces("api").new() + " ", id="D11-not-exactly"),
        pytest.param(lambda: Nonces("api").new().replace("1", "2", 1), id="D11-changed"),
        pytest.param(lambda: "\ud800:a", id="D11-surrogate"),
        pytest.param(lambda: "\u0661:a", id="D11-other-digits"),
    ],
)
def test_d11_another_nonce_is_challenged(site: Site, nonce: Callable[[], Any]) -> None:
    """With a good one, so that the client gets through at its next try."""
    response = site.send(request(proof(nonce=nonce())))
    good = challenged(response)
    assert "not of this server" in json.loads(response.content)["error_description"]
    assert nothing_happened(site)
    assert said(site.send(request(proof(nonce=good)))) == (200, None)


def test_d11_a_nonce_is_good_for_300_seconds(site: Site, clock: Any) -> None:
    """An old one is told from a missing one."""
    nonce = challenged(site.send(request(proof())))
    clock.move_to(START + 300)
    assert said(site.send(request(proof(nonce=nonce)))) == (200, None)
    clock.move_to(START + 301)
    response = site.send(request(proof(nonce=nonce)))
    challenged(response)
    assert "too old" in json.loads(response.content)["error_description"]


def test_d12_a_nonce_cannot_be_foretold(settings: Any) -> None:
    """Without SECRET_KEY. Hosts that share it share their nonces, also while it changes."""
    settings.SECRET_KEY = "one"
    nonce = Nonces("api").new()
    Nonces("api").check(nonce)
    settings.SECRET_KEY = "two"
    settings.SECRET_KEY_FALLBACKS = ["one"]
    Nonces("api").check(nonce)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Exception, match="not of this server"):
        Nonces("api").check(nonce)


def test_d23_a_new_nonce_comes_after_half_a_life(site: Site, clock: Any) -> None:
    """On every answer to a good nonce, which no cache may keep then."""
    nonce = challenged(site.send(request(proof())))
    clock.move_to(START + 150)
    assert "DPoP-Nonce" not in site.send(request(proof(nonce=nonce)))
    clock.move_to(START + 151)
    site.answer = lambda request: HttpResponse(headers={"Cache-Control": "max-age=60"})
    response = site.send(request(proof(jti="a", nonce=nonce)))
    assert response["Cache-Control"] == "no-store"
    fresh = response["DPoP-Nonce"]
    replay = site.send(request(proof(jti="a", nonce=nonce)))
    assert said(replay) == (400, "invalid_dpop_proof")
    assert replay["DPoP-Nonce"] == fresh
    clock.move_to(START + 301)
    assert "DPoP-Nonce" not in site.send(request(proof(nonce=fresh)))


@pytest.mark.parametrize("seconds", [-86400, 86400], ids=["D13-behind", "D13-ahead"])
def test_d13_with_a_nonce_the_clients_clock_does_not_matter(site: Site, seconds: float) -> None:
    """Phones are minutes off. It must have a time all the same (4.2)."""
    nonce = challenged(site.send(request(proof())))
    assert said(site.send(request(proof(nonce=nonce, iat=START + seconds)))) == (200, None)
    for iat in (None, "now", True):
        bad = proof(nonce=nonce, iat=iat)
        assert said(site.send(request(bad))) == (400, "invalid_dpop_proof")


def test_d28_exp_and_nbf_are_obeyed_with_a_nonce(site: Site) -> None:
    """They are held against the clock as ever."""
    nonce = challenged(site.send(request(proof())))
    for changes in ({"exp": START - 31}, {"nbf": START + 31}):
        response = site.send(request(proof(nonce=nonce, **changes)))
        assert said(response) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("iat", [START - 86400, START + 86400])
def test_a_proof_is_remembered_as_long_as_its_nonce_is_good(
    site: Site, clock: Any, iat: int
) -> None:
    """Whatever the clock of its client says."""
    nonce = challenged(site.send(request(proof())))
    clock.move_to(START + 200)
    assert said(site.send(request(proof(jti="a", iat=iat, nonce=nonce)))) == (200, None)
    assert site.requests[0].jti_reservation.expires_at.timestamp() == START + 300 + 30 + 1
    clock.move_to(START + 300)
    again = proof(jti="a", iat=iat, nonce=nonce)
    assert said(site.send(request(again))) == (400, "invalid_dpop_proof")


class Paused(InMemoryCache):
    """A cache whose callers wait for longer than a nonce is good."""

    def add(self, *args: Any, **kwargs: Any) -> Any:
        entry = super().add(*args, **kwargs)
        travel[0].shift(400)
        return entry


travel: list[Any] = []


def test_a_nonce_that_ends_in_a_wait_is_refused(
    dpop_site: Callable[..., Site], clock: Any
) -> None:
    """Its entry may have been forgotten, and would be made once more."""
    travel[:] = [clock]
    caches = {"default": {"BACKEND": f"{__name__}.Paused", "TTL": 0}}
    site = dpop_site(TOKEN_ENDPOINT | NONCES, caches=caches)
    response = site.send(request(proof(nonce=Nonces("api").new())))
    assert said(response) == (400, "invalid_dpop_proof")
    assert nothing_happened(site)
    assert "DPoP-Nonce" not in response


def test_a_cache_that_was_cold_trusts_the_nonce_not_the_client(
    dpop_site: Callable[..., Site], clock: Any
) -> None:
    """A client whose clock is ahead cannot make a proof look newer than the memory."""
    caches = {"default": CACHES["default"] | {"COLD_START": "refuse"}}
    site = dpop_site(TOKEN_ENDPOINT | NONCES, caches=caches)
    nonce = Nonces("api").new()
    clock.move_to(START + 60)
    replay_cache.start_memory()
    old = proof(nonce=nonce, iat=START + 86400)
    assert said(site.send(request(old))) == (503, "temporarily_unavailable")
    clock.move_to(START + 91)
    assert said(site.send(request(proof(nonce=Nonces("api").new(), iat=START)))) == (200, None)


def test_a_cold_cache_refuses_proofs_from_before(
    dpop_site: Callable[..., Site], clock: Any
) -> None:
    """They have no exp, and their iat says since when they can have been used."""
    caches = {"default": CACHES["default"] | {"COLD_START": "refuse"}}
    site = dpop_site(TOKEN_ENDPOINT, caches=caches)
    replay_cache.start_memory()
    assert said(site.send(request(proof(iat=START + 29))))[0] == 503
    clock.move_to(START + 30)
    assert said(site.send(request(proof(iat=START + 30)))) == (200, None)


def test_an_assertion_outlives_a_nonce_challenge(settings: Any, clock: Any) -> None:
    """With dpop outermost, clients may send the same assertion again."""
    settings.JTI_REPLAY = {
        "CACHES": CACHES,
        "PROFILES": {"token": TOKEN_ENDPOINT | NONCES, "clients": PROFILE},
    }
    seen: list[Any] = []

    @reserve_jti("token", atomic=False)
    @reserve_jti("clients", atomic=False)
    def view(request: Any) -> HttpResponse:
        seen.append(request)
        return HttpResponse("done")

    def send(text: str, fields: dict[str, str]) -> Any:
        body, headers = urlencode(fields), {"DPoP": text}
        return view(RequestFactory().post("/things", body, content_type=FORM, headers=headers))

    fields = form(assertion(iat=START, exp=START + 60))
    nonce = challenged(send(proof(htm="POST"), fields))
    assert replay_cache.count() == 0
    assert send(proof(htm="POST", nonce=nonce), fields).status_code == 200
    [last] = seen
    assert last.jti_reservations.keys() == {"token", "clients"}
    assert last.jti_reservation.profile == "clients"
    assert last.jwt_claims["sub"] == last.client_id
    assert last.dpop_jkt
    assert replay_cache.count() == 2
    assert said(send(proof(htm="POST", nonce=nonce), fields)) == (400, "invalid_client")
