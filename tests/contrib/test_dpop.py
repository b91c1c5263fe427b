"""DPoP through each framework: the proof, its access token, and the challenge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import clear_url_caches, path
from ninja import NinjaAPI
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jti_replay.contrib.ninja import JTIAuth, add_exception_handlers
from jti_replay.contrib.rest_framework import JTIAuthentication
from jti_replay.testing import TokenFactory
from tests.tokens.tokens import CACHES, PROFILE

ACCESS_TOKEN = {
    "ISSUER": "https://as.example",
    "AUDIENCE": "https://api.example",
    "ALGORITHMS": ["ES256"],
    "JWKS_URL": "https://as.example/jwks",
}


class API(APIView):
    authentication_classes = (type("Auth", (JTIAuthentication,), {"profile": "api"}),)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Any) -> Response:
        return Response({"sub": request.user.pk, "auth": request.auth["sub"]})


@pytest.fixture(params=["rest_framework", "ninja"])
def tokens(request: pytest.FixtureRequest, settings: Any) -> Iterator[TokenFactory]:
    """Serve an API behind DPoP at /api, and give what makes its tokens."""
    api = {"KIND": "dpop", "OPTIONS": {"access_token": ACCESS_TOKEN, "nonces": True}}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE, "api": api}}
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
    ninja = NinjaAPI(urls_namespace=request.node.name)
    ninja.post("api", auth=JTIAuth("api"))(
        lambda request: {"sub": request.auth["sub"], "auth": request.auth["sub"]}
    )
    add_exception_handlers(ninja)
    views = {"rest_framework": path("api", API.as_view()), "ninja": path("", ninja.urls)}
    settings.ROOT_URLCONF = (views[request.param],)
    clear_url_caches()
    with TokenFactory("api") as factory:
        yield factory
    clear_url_caches()


def send(**sent: Any) -> Any:
    return Client().post("/api", **sent)


def test_a_proof_goes_through(tokens: TokenFactory) -> None:
    """The user is that of the access token, and a challenge uses nothing up."""
    token = tokens.token(sub="u")
    challenged = send(**tokens.request(token, tokens.proof("POST", "/api", token)))
    assert challenged.status_code == 401
    assert 'error="use_dpop_nonce"' in challenged.headers["WWW-Authenticate"]
    nonce = challenged.headers["DPoP-Nonce"]
    proof = tokens.proof("POST", "/api", token, nonce)
    response = send(**tokens.request(token, proof))
    assert response.json() == {"sub": "u", "auth": "u"}
    replayed = send(**tokens.request(token, proof))
    assert replayed.status_code == 401
    assert replayed.json()["error"] == "invalid_dpop_proof"


def test_without_a_token_the_algorithms_are_told(tokens: TokenFactory) -> None:
    """RFC 9449 7.1: no error code to a client that sent no credentials."""
    for headers in ({}, {"Authorization": "Bearer x"}):
        response = send(headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith('DPoP algs="ES256')
        assert response.json()["error"] == "missing_token"
        assert response.headers["Cache-Control"] == "no-store"
