"""Security events: each clause of RFC 8417 and RFC 8935, and what becomes of duplicates."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from jti_replay import TokenInvalid, replay_cache, signals
from jti_replay.admission import leases
from jti_replay.decorators import reserve_jti
from tests.backends.flawed import Sound
from tests.kinds.security_events import EVENT, ISSUER, PROFILE, RECEIVER, TYPE, accepted, event
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import CACHES, SECRET, assembled

from .sending import Site

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


def err(response: HttpResponse) -> tuple[int, str]:
    """Return the status and the error code of a refusal (RFC 8935 2.3)."""
    assert response.headers["Content-Language"] == "en"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    body = json.loads(response.content)
    assert body["description"]
    return response.status_code, body["err"]


@pytest.fixture(params=["sync", "async"])
def make_site(request: pytest.FixtureRequest, settings: Any) -> Callable[..., Site]:
    def make(**changes: Any) -> Site:
        profiles = {"feed": PROFILE | changes, "feed:2": PROFILE}
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}
        return Site("feed", is_async=request.param == "async", atomic=False)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_s11_an_event_is_taken(site: Site) -> None:
    """S7, S9, S11: it needs no exp, and the answer is the view's."""
    site.answer = accepted
    assert site.post(event(), TYPE).status_code == 202
    [request] = site.requests
    assert request.jwt_claims["events"][EVENT] == {"reason": "x"}
    assert replay_cache.count() == 1


def test_s13_a_duplicate_is_answered_as_the_first(site: Site) -> None:
    """S13: 202 without a body, and the view does not run."""
    site.answer = accepted
    token = event()
    for _ in range(3):
        response = site.post(token, TYPE)
        assert (response.status_code, response.content) == (202, b"")
    assert len(site.requests) == 1
    assert replay_cache.count() == 1


@pytest.mark.parametrize("status", [200, 299])
def test_s13_any_success_takes_the_event(site: Site, status: int) -> None:
    """S13: a duplicate does not run the view again."""
    site.answer = lambda request: HttpResponse(status=status)
    token = event()
    assert [site.post(token, TYPE).status_code for _ in range(2)] == [status, 202]
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", [400, 500, 302, 300, 199])
def test_s13_one_that_was_refused_runs_again(site: Site, status: int) -> None:
    """S6, S13: the transmitter was told that it failed."""
    site.answer = lambda request: HttpResponse(status=status)
    token = event()
    for _ in range(2):
        assert site.post(token, TYPE).status_code == status
        assert replay_cache.count() == 0
    assert len(site.requests) == 2


def test_s13_one_that_raised_runs_again(site: Site) -> None:
    """An exception is a failure, too."""

    def fail(request: Any) -> HttpResponse:
        raise LookupError

    site.answer = fail
    token = event()
    for _ in range(2):
        with pytest.raises(LookupError):
            site.post(token, TYPE)
        assert replay_cache.count() == 0
    assert len(site.requests) == 2


def test_s15_a_duplicate_of_a_running_one_is_503(site: Site) -> None:
    """S15: a 202 would lose the event if the first attempt failed."""
    token = event()
    inner = []

    def answer(request: Any) -> HttpResponse:
        duplicate = reserve_jti("feed", atomic=False)(accepted)
        again = RequestFactory().post("/", token, content_type=TYPE)
        inner.append(duplicate(again))
        return accepted(request)

    site.answer = answer
    assert site.post(token, TYPE).status_code == 202
    assert inner[0].status_code == 503
    assert inner[0].headers["Retry-After"]
    assert site.post(token, TYPE).status_code == 202
    assert len(site.requests) == 1


def test_s16_a_jti_is_unique_within_a_feed(site: Site) -> None:
    """S16: the profile and the issuer are the feed, whatever the profile's name holds."""
    site.answer = accepted
    other = Site("feed:2", is_async=False, atomic=False)
    token = event()
    assert site.post(token, TYPE).status_code == 202
    assert other.post(token, TYPE).status_code == 200
    namespaces = {
        reservation.namespace.removesuffix(":running")
        for each in (site, other)
        for reservation in [each.requests[0].jti_reservation]
    }
    assert namespaces == {
        f"security_event:feed:{ISSUER}",
        f"security_event:feed%3A2:{ISSUER}",
    }


WRONG: dict[str, tuple[Callable[[], str], str]] = {
    "S2-no-jwt": (lambda: "{}", "invalid_request"),
    "S2-two": (lambda: f"{event()} {event()}", "invalid_request"),
    "S2-text": (lambda: "\xe9", "invalid_request"),
    "S3-signature": (lambda: event(key=SECRET[::-1]), "invalid_key"),
    "S3-none": (lambda: assembled(b'{"alg":"none"}', b"{}"), "invalid_key"),
    "S3-alg": (lambda: keypair("ES256").sign(), "invalid_key"),
    "S4-absent": (lambda: event(aud=...), "invalid_audience"),
    "S4-other": (lambda: event(aud="https://other.example"), "invalid_audience"),
    "S5-absent": (lambda: event(iss=...), "invalid_issuer"),
    "S5-other": (lambda: event(iss=f"{ISSUER}/"), "invalid_issuer"),
    "S7-iat": (lambda: event(iat=...), "invalid_request"),
    "S7-too-old": (lambda: event(iat=int(time.time()) - 700_000), "invalid_request"),
    "S7-ahead": (lambda: event(iat=int(time.time()) + 600), "invalid_request"),
    "S7-jti": (lambda: event(jti=...), "invalid_request"),
    "S8-absent": (lambda: event(events=...), "invalid_request"),
    "S8-empty": (lambda: event(events={}), "invalid_request"),
    "S8-list": (lambda: event(events=[EVENT]), "invalid_request"),
    "S8-null": (lambda: event(events={EVENT: {}, "x": None}), "invalid_request"),
    "S9-exp": (lambda: event(exp=1), "invalid_request"),
    "S10-other-kind": (lambda: event({"typ": "logout+jwt"}), "invalid_request"),
    "S10-access-token": (lambda: event({"typ": "at+jwt"}), "invalid_request"),
    "S10-logout": (lambda: event({"typ": "JWT"}, events={LOGOUT: {}}), "invalid_request"),
    "S10-logout-no-typ": (lambda: event({"typ": None}, events={LOGOUT: {}}), "invalid_request"),
}


@pytest.mark.parametrize("name", WRONG)
def test_events_that_violate_a_clause(site: Site, name: str) -> None:
    """S2 to S12: 400 with the code of RFC 8935, and nothing is reserved."""
    make, code = WRONG[name]
    assert err(site.post(make().encode(), TYPE)) == (400, code)
    assert (site.requests, replay_cache.count()) == ([], 0)


def test_s8_a_name_that_stands_twice_is_refused(site: Site) -> None:
    """S8: two readers would see different events."""
    now = int(time.time())
    payload = (
        f'{{"iss":"{ISSUER}","aud":"{RECEIVER}","iat":{now},"jti":"x",'
        f'"events":{{"{EVENT}":{{}},"{EVENT}":{{}}}}}}'
    )
    token = assembled(b'{"alg":"HS256","typ":"secevent+jwt"}', payload.encode())
    assert err(site.post(token, TYPE)) == (400, "invalid_request")


def test_s1_it_is_posted_with_its_type(site: Site) -> None:
    """S1: 405 for another method, 415 for another media type."""
    response = site.send(RequestFactory().get("/"))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    empty = RequestFactory().generic("POST", "/", CONTENT_TYPE=TYPE)
    assert err(site.send(empty)) == (400, "invalid_request")
    for content_type in ("text/plain", "application/jwt", ""):
        assert err(site.post(event().encode(), content_type)) == (415, "invalid_request")
    assert site.post(event(), f"{TYPE.upper()}; charset=utf-8").status_code == 200


def test_s1_an_event_that_is_put_is_not_taken(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """S1: however good it is. The log says what was wrong with the request."""
    caplog.set_level("INFO", "jti_replay")
    put = RequestFactory().put("/", event(), content_type=TYPE)
    assert site.send(put).status_code == 405
    assert (site.requests, replay_cache.count()) == ([], 0)
    assert "The method PUT is not answered here." in caplog.text


@pytest.mark.parametrize("typ", ["secevent+jwt", "application/secevent+JWT", "JWT", None])
def test_s10_the_type_may_be_absent(site: Site, typ: str | None) -> None:
    """S10: TYP makes it required."""
    assert site.post(event({"typ": typ}), TYPE).status_code == 200


def test_max_age_and_an_exp_are_obeyed(make_site: Callable[..., Site]) -> None:
    """S9: the jti is kept for MAX_AGE, whatever exp says."""
    site = make_site(MAX_AGE=100)
    assert err(site.post(event(iat=int(time.time()) - 131), TYPE))[0] == 400
    assert site.post(event(iat=int(time.time()) - 120), TYPE).status_code == 200
    assert site.post(event(exp=int(time.time()) + 9), TYPE).status_code == 200


def test_a_replay_is_told_of_once(site: Site) -> None:
    """The claim and the look at the jti are no events."""
    told = []

    def note(signal: Any, **kwargs: Any) -> None:
        told.append((signal, kwargs["namespace"]))

    watched = [signals.jti_reserved, signals.jti_replayed, signals.jti_released]
    for signal in watched:
        signal.connect(note)
    try:
        token = event()
        for _ in range(2):
            site.post(token, TYPE)
    finally:
        for signal in watched:
            signal.disconnect(note)
    namespace = f"security_event:feed:{ISSUER}"
    assert told == [
        (signals.jti_reserved, namespace),
        (signals.jti_replayed, namespace),
    ]


def test_a_view_that_releases_wants_it_again(settings: Any) -> None:
    """Although it answers 2xx."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"feed": PROFILE}}
    site = Site("feed", is_async=False, atomic=False)

    def answer(request: Any) -> HttpResponse:
        assert request.jti_reservation.release()
        return accepted(request)

    site.answer = answer
    token = event()
    for _ in range(2):
        assert site.post(token, TYPE).status_code == 202
    assert len(site.requests) == 2


def test_a_store_that_fails_is_503(site: Site, settings: Any) -> None:
    """Before the view, and nothing is left behind."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"feed": PROFILE},
    }
    assert replay_cache.reserve("a", time.time() + 600)
    assert site.post(event(), TYPE).status_code == 503
    assert (site.requests, replay_cache.count()) == ([], 1)


def test_an_event_that_is_too_old_once_it_is_claimed_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is given back, and the view does not run."""

    def judge_again(*args: Any) -> NoReturn:
        raise TokenInvalid("The token is too old.")

    token = event()
    site.answer = accepted
    with monkeypatch.context() as patch:
        patch.setattr(leases, "judge_again", judge_again)
        assert site.post(token, TYPE).status_code == 400
    assert site.requests == []
    assert site.post(token, TYPE).status_code == 202


def test_a_store_that_is_gone_at_the_end_keeps_the_claim(
    make_site: Callable[..., Site], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer stands, and the event may run again after the lease."""
    site = make_site(OPTIONS={"lease": 60})
    sound = {"BACKEND": "tests.backends.flawed.Sound"}
    settings.JTI_REPLAY = settings.JTI_REPLAY | {"CACHES": {"default": sound}}

    def answer(request: Any) -> HttpResponse:
        def fail(*args: Any) -> None:
            raise OSError("gone")

        monkeypatch.setattr(Sound, "add", fail)
        return accepted(request)

    site.answer = answer
    token = event()
    assert site.post(token, TYPE).status_code == 202
    monkeypatch.undo()
    assert site.post(token, TYPE).status_code == 503
