"""A proof whose request comes to nothing, and for how long the others are remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.exceptions import TokenInvalid
from jti_replay.kinds import BaseKind
from jti_replay.profiles import get_profile
from tests.models import Work
from tests.tokens.tokens import CACHES, SECRET, signed

from .dpop_client import RESOURCE, TOKEN_ENDPOINT, access_token, proof, request
from .sending import Site, nothing_happened, said


class WorkFailed(Exception):
    """Raised by a view."""


def fail(request: Any) -> HttpResponse:
    raise WorkFailed


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outer", [False, True])
def test_work_and_jti_go_together(settings: Any, *, outer: bool) -> None:
    """The same proof is good again when the transaction has rolled back."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"api": RESOURCE}}
    succeeds = False

    @reserve_jti("api")
    def view(request: Any) -> HttpResponse:
        Work.objects.create(name=request.access_token_claims["sub"])
        return HttpResponse("done") if succeeds else fail(request)

    def send() -> HttpResponse:
        if not outer:
            return view(request(text, token))
        with transaction.atomic():
            return view(request(text, token))

    token = access_token()
    text = proof(token)
    with pytest.raises(WorkFailed):
        send()
    assert (Work.objects.count(), replay_cache.count()) == (0, 0)
    succeeds = True
    assert send().status_code == 200
    assert (Work.objects.count(), replay_cache.count()) == (1, 1)
    assert said(send()) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("release", [False, True])
def test_release_on_error_is_for_proofs_too(
    settings: Any, dpop_site: Callable[..., Site], *, release: bool
) -> None:
    """Where no transaction tells what was done."""
    made = dpop_site(RESOURCE)
    site = Site("api", is_async=made._is_async, atomic=False, release_on_error=release)
    site.answer = fail
    token = access_token()
    with pytest.raises(WorkFailed):
        site.send(request(proof(token), token))
    assert replay_cache.count() == (0 if release else 1)


@pytest.mark.parametrize("names", [("strict", "lenient"), ("lenient", "strict")])
def test_profiles_on_one_cache_keep_for_the_longest(
    settings: Any, names: tuple[str, str]
) -> None:
    """Otherwise one would accept what the other has forgotten."""
    other = {"CACHE": "other", "MAX_AGE": 9000, "LEEWAY": 9000}
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"], "other": CACHES["default"]},
        "PROFILES": {
            "strict": TOKEN_ENDPOINT | {"MAX_AGE": 60, "LEEWAY": 0},
            "lenient": TOKEN_ENDPOINT | {"MAX_AGE": 600, "LEEWAY": 20},
            "elsewhere": TOKEN_ENDPOINT | other,
            "other-kind": {
                "KIND": "bearer",
                "ALGORITHMS": ["HS256"],
                "KEY": SECRET,
                "MAX_AGE": 9000,
                "LEEWAY": 10,
            },
            "broken": TOKEN_ENDPOINT | {"MAX_AGE": "long", "LEEWAY": 0},
        },
    }
    with time_machine.travel(time.time(), tick=False) as clock:
        iat = int(time.time())
        text = proof(iat=iat)
        sites = {name: Site(name, is_async=False, atomic=False) for name in names}
        assert said(sites[names[0]].send(request(text))) == (200, None)
        reservation = sites[names[0]].requests[0].jti_reservation
        assert reservation.expires_at.timestamp() == iat + 600 + 20 + 1
        clock.shift(619)
        response = sites["lenient"].send(request(text))
        assert said(response) == (400, "invalid_dpop_proof")
        assert "already been used" in response.content.decode()


class Ticket(BaseKind):
    """A kind of one's own whose tokens end before their exp."""

    def find(self, request: HttpRequest) -> str:
        return request.headers["Ticket"]

    def check(self, header: Any, claims: Any, request: HttpRequest) -> None:
        if claims.get("seat") is None:
            raise TokenInvalid("The ticket has no seat.")

    def expires_at(self, claims: Any) -> float:
        return float(claims["iat"] + 60)


def test_nothing_is_accepted_for_longer_than_it_is_kept(dpop_site: Callable[..., Site]) -> None:
    """Whatever a kind says of its end."""
    site = dpop_site(
        {"KIND": f"{__name__}.Ticket", "ALGORITHMS": ["HS256"], "KEY": SECRET, "LEEWAY": 0}
    )
    now = int(time.time())

    def send(iat: int) -> Any:
        token = signed({"iat": iat, "exp": now + 900, "jti": "a", "seat": 1})
        return site.send(request(None, Ticket=token))

    assert said(send(now - 100)) == (400, "invalid_token")
    assert nothing_happened(site)
    assert said(send(now - 30)) == (200, None)
    assert said(send(now - 30)) == (400, "invalid_token")
    namespace = site.requests[0].jti_reservation.namespace
    assert namespace == get_profile("api").kind.namespace({})
