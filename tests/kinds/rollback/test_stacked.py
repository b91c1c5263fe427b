"""A client assertion and a DPoP proof pay for one request together (RFC 9449 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.testing import TokenFactory
from tests.kinds.each_kind import CASES
from tests.models import Work
from tests.tokens.tokens import CACHES

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

PROFILES = {case.name: case.profile for case in CASES}
PROOF = "dpop at a token endpoint"


def test_both_tokens_come_back_or_neither(
    settings: Any, using: str, serve: Callable[[Any], Client]
) -> None:
    """They are part of one transaction, whichever decorator has opened it."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": PROFILES}
    fails = [True, False]

    @reserve_jti(PROOF, using=using)
    @reserve_jti("client_assertion", using=using)
    def view(request: Any) -> HttpResponse:
        Work.objects.using(using).create(name="work")
        transaction.set_rollback(fails.pop(0), using=using)
        return HttpResponse()

    client = serve(view)
    with TokenFactory("client_assertion") as assertions, TokenFactory(PROOF) as proofs:
        proof, another = (
            proofs.request(None, proofs.proof("POST", "/"))["headers"] for _ in range(2)
        )
        sent = assertions.request(assertions.token())
        new = assertions.request(assertions.token())
        for reserved in (0, 2):
            assert client.post("/", headers=proof, **sent).status_code == 200
            assert replay_cache.count() == reserved
        refused = [
            client.post("/", headers=proof, **new).json()["error"],
            client.post("/", headers=another, **sent).json()["error"],
        ]
    assert refused == ["invalid_dpop_proof", "invalid_client"]
    assert Work.objects.using(using).count() == 1
