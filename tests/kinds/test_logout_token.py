"""Logout tokens: each clause of OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.client import MULTIPART_CONTENT

from jti_replay import replay_cache
from tests.models import Work
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import CACHES, SECRET, assembled, signed

from .sending import Site, nothing_happened, said

PROVIDER, CLIENT = "https://op.example.com", "my-client-id"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
PROFILE: dict[str, Any] = {
    "KIND": "logout_token",
    "ISSUER": PROVIDER,
    "AUDIENCE": CLIENT,
    "ALGORITHMS": ["HS256"],
    "KEY": SECRET,
}


def logout_token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": PROVIDER,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 120,
        "sub": "user 1",
        "sid": "session 1",
        "events": {EVENT: {}},
    }
    key = changes.pop("key", SECRET)
    claims |= {"jti": f"jti {time.perf_counter_ns()}"} | changes
    claims = {name: value for name, value in claims.items() if value is not ...}
    return signed(claims, key=key, header=header)


@pytest.fixture(params=["sync", "async"])
def make_site(request: pytest.FixtureRequest, settings: Any) -> Callable[..., Site]:
    def make(**changes: Any) -> Site:
        profiles = {"logout": PROFILE | changes}
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}
        return Site("logout", is_async=request.param == "async", atomic=False)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_l10_a_logout_token_is_taken(site: Site) -> None:
    """L10, L11: the answer is the view's, and no cache keeps it whatever the view says."""
    site.answer = lambda request: HttpResponse(headers={"Cache-Control": "max-age=60"})
    response = site.post({"logout_token": logout_token(), "other": "ignored"})
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert site.requests[0].jwt_claims["sid"] == "session 1"
    assert site.requests[0].jti_reservation.namespace == f"logout_token:{PROVIDER}"


def test_l1_the_test_client_may_post_a_dict(site: Site) -> None:
    """It sends multipart by default, with a boundary that is known."""
    request = RequestFactory().post("/", {"logout_token": logout_token()})
    assert request.META["CONTENT_TYPE"] == MULTIPART_CONTENT
    assert site.send(request).status_code == 200


def test_l8_it_is_taken_once(site: Site) -> None:
    """L8: the second time it is 400."""
    token = logout_token()
    assert said(site.post({"logout_token": token})) == (200, None)
    assert said(site.post({"logout_token": token})) == (400, "invalid_request")
    assert len(site.requests) == 1


def test_l1_it_comes_in_a_posted_form(site: Site) -> None:
    """L1."""
    token = logout_token()
    for body in ({}, {"logout_token": ""}, [("logout_token", token)] * 2):
        assert said(site.post(body)) == (400, "invalid_request")
    body = json.dumps({"logout_token": token})
    assert said(site.post(body, "application/json")) == (400, "invalid_request")
    response = site.send(RequestFactory().get("/", {"logout_token": token}))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.headers["Cache-Control"] == "no-store"
    assert nothing_happened(site)


WRONG: dict[str, Callable[[], str]] = {
    "L2-jwe": lambda: "a.b.c.d.e",
    "L3-none": lambda: assembled(b'{"alg":"none"}', b"{}"),
    "L3-wrong-key": lambda: logout_token(key=SECRET[::-1]),
    "L3-other-alg": lambda: keypair("ES256").sign(),
    "L4-iss-absent": lambda: logout_token(iss=...),
    "L4-iss-other": lambda: logout_token(iss=f"{PROVIDER}/"),
    "L4-aud-absent": lambda: logout_token(aud=...),
    "L4-aud-other": lambda: logout_token(aud="another"),
    "L4-aud-stranger": lambda: logout_token(aud=[CLIENT, "another"]),
    "L4-iat-absent": lambda: logout_token(iat=...),
    "L4-exp-absent": lambda: logout_token(exp=...),
    "L4-exp-past": lambda: logout_token(exp=1),
    "L5-neither": lambda: logout_token(sub=..., sid=...),
    "L5-numbers": lambda: logout_token(sub=1, sid=...),
    "L5-one-number": lambda: logout_token(sid=1),
    "L5-empty": lambda: logout_token(sub="", sid=...),
    "L6-absent": lambda: logout_token(events=...),
    "L6-list": lambda: logout_token(events=[EVENT]),
    "L6-other": lambda: logout_token(events={"https://other.example": {}}),
    "L6-text": lambda: logout_token(events={EVENT: ""}),
    "L7-nonce": lambda: logout_token(nonce="x"),
    "L7-nonce-null": lambda: logout_token(nonce=None),
    "L8-no-jti": lambda: logout_token(jti=...),
    "L12-other-kind": lambda: logout_token({"typ": "secevent+jwt"}),
    "L12-access-token": lambda: logout_token({"typ": "at+jwt"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_tokens_that_violate_a_clause(site: Site, name: str) -> None:
    """L2 to L9, L12: 400, the view does not run, and nothing is reserved."""
    assert said(site.post({"logout_token": WRONG[name]()})) == (400, "invalid_request")
    assert nothing_happened(site)


def test_l4_all_audiences_are_ours(make_site: Callable[..., Site]) -> None:
    """L4: a project may have several clients."""
    site = make_site(AUDIENCE=[CLIENT, "second"])
    assert said(site.post({"logout_token": logout_token(aud=[CLIENT, "second"])}))[0] == 200


@pytest.mark.parametrize("names", ["sub", "sid"])
def test_l5_one_of_sub_and_sid_is_enough(site: Site, names: str) -> None:
    """L5."""
    other = {"sub": "sid", "sid": "sub"}[names]
    assert said(site.post({"logout_token": logout_token(**{other: ...})}))[0] == 200


def test_l12_typ_makes_the_type_required(make_site: Callable[..., Site]) -> None:
    """L12: without TYP it may be absent."""
    for typ in ("logout+jwt", "JWT", None):
        assert said(make_site().post({"logout_token": logout_token({"typ": typ})}))[0] == 200


@pytest.mark.parametrize("status", [204, 400, 500, 302])
def test_a_failed_logout_can_be_sent_again(site: Site, status: int) -> None:
    """An answer other than 2xx releases: the provider was told that it failed."""
    site.answer = lambda request: HttpResponse(status=status)
    token = logout_token()
    assert site.post({"logout_token": token}).status_code == status
    assert replay_cache.count() == (1 if status == 204 else 0)


def test_an_exception_releases_too(site: Site) -> None:
    """Even where no transaction is open."""

    def fail(request: Any) -> HttpResponse:
        raise LookupError

    site.answer = fail
    with pytest.raises(LookupError):
        site.post({"logout_token": logout_token()})
    assert replay_cache.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outer", [False, True])
def test_work_and_jti_go_together(settings: Any, outer: bool) -> None:
    """The decorator's own transaction rolls back, or that of the request."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"logout": PROFILE}}
    site = Site("logout", is_async=False)

    def answer(request: Any) -> HttpResponse:
        Work.objects.create(name="work")
        return HttpResponse(status=400)

    site.answer = answer
    token = logout_token()
    for _ in range(2):
        if outer:
            with transaction.atomic():
                response = site.post({"logout_token": token})
        else:
            response = site.post({"logout_token": token})
        assert response.status_code == 400
        assert not Work.objects.exists()
        assert replay_cache.count() == 0
    assert len(site.requests) == 2
