"""A kind that does not provide what it must is told so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from jti_replay.decorators import reserve_jti
from jti_replay.kinds import BaseKind
from jti_replay.kinds.bearer import Bearer
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed


def test_without_find_there_is_no_token() -> None:
    """The subclass is at fault, not the client."""
    with pytest.raises(NotImplementedError, match="find"):
        BaseKind("ci", {}).find(RequestFactory().get("/"))


@pytest.mark.parametrize("cnf", [{}, {"x5t": "a"}, "text", None])
def test_a_confirmation_without_a_key_binds_nothing(cnf: object) -> None:
    """Only jkt makes a token one for DPoP (RFC 9449 7.2)."""
    Bearer("ci", {}).check({}, {"cnf": cnf}, RequestFactory().get("/"))


class Everlasting(Bearer):
    """Tokens that do not say when they end."""

    requires_exp = False

    def expires_at(self, claims: Mapping[str, Any]) -> None:
        """Return None."""


def test_a_token_without_an_end_is_kept_for_the_ttl_of_the_cache(settings: Any) -> None:
    """The cache decides, not the class."""
    kind = f"{__name__}.Everlasting"
    cache = CACHES["default"] | {"TTL": 600}
    profile = PROFILE | {"KIND": kind}
    settings.JTI_REPLAY = {"CACHES": {"default": cache}, "PROFILES": {"default": profile}}

    @reserve_jti(atomic=False)
    def view(request: HttpRequest) -> HttpResponse:
        kept_until.append(request.jti_reservation.expires_at)  # type: ignore[attr-defined]
        return HttpResponse()

    kept_until: list[datetime] = []
    before = time.time()
    request = RequestFactory().post("/", headers=bearer(signed()))
    assert view(request).status_code == 200
    assert before + 599 < kept_until[0].timestamp() < time.time() + 602
