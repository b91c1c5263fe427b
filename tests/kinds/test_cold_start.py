"""A cache that may have lost its memory refuses tokens of each kind, and says so in its way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import replay_cache
from jti_replay.kinds.bearer import Bearer
from jti_replay.kinds.nonces import Nonces
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed

from .each_kind import CASES, Case, Configure, Kind, configure_kind  # noqa: F401
from .sending import Site, nothing_happened

LEEWAY = 2
COLD = {"COLD_START": "refuse"}
DESCRIPTION = (
    "The token was issued before this server can vouch for it. Try again later, with a new "
    "token."
)
WITH_NONCES = Case(
    "dpop with nonces",
    {"KIND": "dpop", "OPTIONS": {"at": "token_endpoint", "nonces": True}},
    400,
)
NEED_IAT = {"dpop", "logout_token", "security_event"}


@pytest.fixture
def cold(configure_kind: Configure) -> Kind:  # noqa: F811
    """A profile of each kind in turn, on a cache that has just begun to remember."""
    return configure_kind(COLD, LEEWAY=LEEWAY)


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, cold: Kind) -> Site:
    """A view behind it, sync and async in turn."""
    return Site("default", is_async=request.param == "async", atomic=False)


def since() -> float:
    """Return since when the cache remembers."""
    moment = replay_cache.complete_since()
    assert moment is not None
    return moment


def post(site: Site, sent: dict[str, Any]) -> HttpResponse:
    return site.send(RequestFactory().post("/", **sent))


def check_refusal(kind: Kind, response: HttpResponse) -> None:
    """Check the answer: a page to people, JSON to programs, and when to come again to both."""
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    if kind.case.name == "link":
        assert response["Content-Type"].startswith("text/html")
        assert "The link cannot be checked now" in response.content.decode()
        return
    assert json.loads(response.content) == {
        "error": "temporarily_unavailable",
        "error_description": DESCRIPTION,
    }


def test_a_token_from_before_is_refused_and_not_reserved(cold: Kind, site: Site) -> None:
    """It may have been used while nobody remembered."""
    response = post(site, cold.sent(iat=since() - 8))
    check_refusal(cold, response)
    assert response["Retry-After"] == "10"
    assert nothing_happened(site)


def test_a_clock_that_is_late_does_not_help(cold: Kind, site: Site) -> None:
    """A token from just after may have been made just before, by another clock."""
    check_refusal(cold, post(site, cold.sent(iat=since() + LEEWAY - 0.1)))
    assert nothing_happened(site)


def test_a_token_from_after_passes_once(cold: Kind, site: Site) -> None:
    """Its first use cannot have been forgotten."""
    sent = cold.sent(iat=since() + LEEWAY)
    assert [post(site, sent).status_code for _ in range(2)] == [200, cold.case.replayed]


def test_a_token_that_does_not_say_when_it_was_made_is_refused(cold: Kind, site: Site) -> None:
    """It may be as old as any. Where iat is required, it is no good at all."""
    response = post(site, cold.sent(iat=None))
    if cold.case.profile["KIND"] in NEED_IAT:
        assert response.status_code in {400, 401}
    else:
        check_refusal(cold, response)
    assert nothing_happened(site)


def test_the_sender_may_come_again_when_it_was_told_to(
    cold: Kind, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new token passes then."""
    response = post(site, cold.sent(iat=since() - 8))
    now = time.time() + int(response["Retry-After"])
    monkeypatch.setattr(time, "time", lambda: now)
    assert post(site, cold.sent(iat=now)).status_code == 200


@pytest.mark.parametrize("configure_kind", [WITH_NONCES], indirect=True)
def test_the_nonce_says_when_a_proof_was_made(
    cold: Kind, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the client is not believed, whatever it says."""
    begun = since()

    def send(made: float, iat: float) -> HttpResponse:
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: made)
            nonce = Nonces("default").new()
        return post(site, cold.sent(nonce=nonce, iat=iat))

    check_refusal(cold, send(begun - 8, begun + 8))
    assert nothing_happened(site)
    assert send(begun + LEEWAY + 1, begun - 8).status_code == 200


@pytest.mark.parametrize("configure_kind", [CASES[3]], indirect=True)
def test_an_access_token_from_before_is_no_obstacle(cold: Kind, site: Site) -> None:
    """It is used many times, with a new proof each time."""
    assert cold.case.name == "dpop"
    old = cold.tokens.token(iat=int(since()) - 30)
    for _ in range(2):
        proof = cold.tokens.proof("POST", "/", old, iat=since() + LEEWAY)
        assert post(site, cold.tokens.request(old, proof)).status_code == 200


@pytest.mark.parametrize("configure_kind", [CASES[-1]], indirect=True)
def test_a_link_from_before_shows_its_page(cold: Kind, site: Site) -> None:
    """To look at it uses nothing up. Its form is refused until the cache can vouch for it."""
    sent = cold.sent(iat=since() - 8)
    token = sent["data"].removeprefix("token=")
    assert site.send(RequestFactory().get("/", {"token": token})).status_code == 200
    check_refusal(cold, post(site, sent))


class Undated(Bearer):
    """Tokens that do not say when they were made."""

    def made_at(self, claims: Mapping[str, Any]) -> None:
        """Return None."""


class Endless(Bearer):
    """Tokens that need not say when they end either."""

    requires_exp = False


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(int(time.time()), tick=False) as traveller:
        yield traveller


def own_kind(settings: Any, kind: type[Bearer], **changes: Any) -> Site:
    """Return a view behind a kind of its own, on a cache that has just begun to remember."""
    profile = PROFILE | {"KIND": f"{__name__}.{kind.__name__}", "LEEWAY": LEEWAY} | changes
    caches = {"default": CACHES["default"] | COLD | {"TTL": 600}}
    settings.JTI_REPLAY = {"CACHES": caches, "PROFILES": {"default": profile}}
    since()
    return Site("default", is_async=False, atomic=False)


@pytest.mark.parametrize(
    ("changes", "oldest"),
    [
        ({"MAX_LIFETIME": 600}, 600),
        ({"MAX_LIFETIME": 600, "MAX_AGE": 100}, 100),
    ],
)
def test_a_token_of_unknown_age_is_as_old_as_any_may_be(
    settings: Any, clock: Any, changes: dict[str, Any], oldest: int
) -> None:
    """It passes once the memory is as old, with the leeway at both ends."""
    site = own_kind(settings, Undated, **changes)
    clock.shift(oldest + 2 * LEEWAY - 1)
    token = signed(iat=int(time.time()))
    response = post(site, {"headers": bearer(token)})
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert nothing_happened(site)
    clock.shift(1)
    assert post(site, {"headers": bearer(token)}).status_code == 200


def test_a_token_whose_age_nothing_bounds_is_refused(settings: Any, clock: Any) -> None:
    """It may have been used at any time before the memory began, however long ago that is."""
    site = own_kind(settings, Endless)
    clock.shift(365 * 24 * 3600)
    response = post(site, {"headers": bearer(signed(exp=None))})
    assert response.status_code == 503
    assert nothing_happened(site)
    token = signed(exp=None, iat=int(time.time()))
    assert post(site, {"headers": bearer(token)}).status_code == 200
