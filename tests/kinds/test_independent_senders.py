"""Tokens of the kinds that come in a body, minted by other libraries than PyJWT."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from authlib.integrations.requests_client import AssertionSession, OAuth2Session
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from django.http import HttpResponse, JsonResponse
from django.urls import path
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, import_key
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from tests.tokens.tokens import CACHES, SECRET

from . import test_client_assertion as client_assertion
from . import test_jwt_bearer_grant as jwt_bearer_grant
from . import test_logout_token as logout_token
from . import test_security_event as security_event
from .authorization_server import CLIENT, CLIENT_KEY, clients
from .sending import FORM, Site
from .serving import serving

SENDER, RECEIVER = "https://sender.example.com", "https://receiver.example.com"
KEYS = {
    "ES256": JWK.generate(kty="EC", crv="P-256"),
    "EdDSA": JWK.generate(kty="OKP", crv="Ed25519"),
    "PS256": JWK.generate(kty="RSA", size=2048),
}


def by_joserfc(algorithm: str, header: dict[str, Any], claims: dict[str, Any]) -> str:
    # It knows Ed25519 by its new name, the other by its old one.
    name = algorithm.replace("EdDSA", "Ed25519")
    key = import_key(KEYS[algorithm].export(as_dict=True))
    return joserfc_jwt.encode({"alg": name} | header, claims, key, algorithms=[name])


def by_jwcrypto(algorithm: str, header: dict[str, Any], claims: dict[str, Any]) -> str:
    token = JWT(header={"alg": algorithm} | header, claims=claims)
    token.make_signed_token(KEYS[algorithm])
    return str(token.serialize())


SENDINGS: dict[str, tuple[str, dict[str, Any], Callable[[str], Any], str, int]] = {
    "client_assertion": (
        "client-authentication+jwt",
        {"sub": SENDER},
        client_assertion.form,
        FORM,
        400,
    ),
    "jwt_bearer_grant": ("JWT", {"sub": "user 1"}, jwt_bearer_grant.form, FORM, 400),
    "logout_token": (
        "logout+jwt",
        {"sid": "session 1", "events": {logout_token.EVENT: {}}},
        lambda text: {"logout_token": text},
        FORM,
        400,
    ),
    "security_event": (
        "secevent+jwt",
        {"events": {security_event.EVENT: {}}},
        str,
        security_event.TYPE,
        202,
    ),
}
"""Of each kind its type, its claims, how it is sent, and what is said the second time."""


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("mint", [by_joserfc, by_jwcrypto])
@pytest.mark.parametrize("kind", SENDINGS)
def test_tokens_of_other_libraries_run_once(
    settings: Any, kind: str, mint: Callable[..., str], algorithm: str
) -> None:
    """Under a key that is given as a JWK."""
    typ, claims, body, content_type, again = SENDINGS[kind]
    profile: dict[str, Any] = {
        "KIND": kind,
        "AUDIENCE": RECEIVER,
        "ALGORITHMS": [*KEYS, "Ed25519"],
        "KEY": lambda header, claims: KEYS[algorithm].export_public(as_dict=True),
    }
    if kind != "client_assertion":
        profile["ISSUER"] = SENDER
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"api": profile}}
    site = Site("api", is_async=False, atomic=False)
    now = int(time.time())
    times = {"iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}
    token = mint(algorithm, {"typ": typ}, {"iss": SENDER, "aud": RECEIVER} | times | claims)
    answers = [site.post(body(token), content_type).status_code for _ in range(2)]
    assert answers == [200, again]
    assert len(site.requests) == 1


def answer(request: Any) -> HttpResponse:
    """Issue a token that says whose it is."""
    token = f"token of {request.jwt_claims['sub']}"
    return JsonResponse({"access_token": token, "token_type": "Bearer", "expires_in": 60})


def authlib_key() -> ECKey:
    return ECKey.import_key(CLIENT_KEY.export(as_dict=True))


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
@pytest.mark.parametrize("names", ["issuer", "token endpoint"])
def test_authlib_authenticates(settings: Any, method: str, names: str) -> None:
    """Each assertion is new. It names the token endpoint, unless it is told otherwise."""
    view = reserve_jti("clients", atomic=False)(answer)
    with serving(settings, [path("token", view)]) as origin:
        endpoint = f"{origin}/token"
        audience = origin if names == "issuer" else endpoint
        profile = clients(audience)
        if method == "client_secret_jwt":
            profile |= {"ALGORITHMS": ["HS256"], "KEY": SECRET}
            secret: Any = SECRET
            authentication = ClientSecretJWT(audience)
        else:
            secret = authlib_key()
            authentication = PrivateKeyJWT(audience, alg="ES256")
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"clients": profile}}
        with OAuth2Session(CLIENT, secret, token_endpoint_auth_method=method) as session:
            session.register_client_auth_method(authentication)
            for _ in range(2):
                token = session.fetch_token(endpoint, grant_type="client_credentials")
                assert token["access_token"] == f"token of {CLIENT}"
    assert replay_cache.count() == 2


def test_a_grant_of_authlib_is_taken_once(settings: Any) -> None:
    """It exchanges a new one for each access token; the same one is invalid_grant."""
    view = reserve_jti("grants", atomic=False)(answer)
    with serving(settings, [path("token", view)]) as origin:
        profile = {
            "KIND": "jwt_bearer_grant",
            "ISSUER": SENDER,
            "AUDIENCE": f"{origin}/token",
            "ALGORITHMS": ["ES256"],
            "KEY": CLIENT_KEY.export_to_pem().decode(),
        }
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"grants": profile}}
        given: Any = {"key": authlib_key(), "header": {"alg": "ES256"}}
        with AssertionSession(f"{origin}/token", SENDER, "user 1", **given) as session:
            for _ in range(2):
                assert session.refresh_token()["access_token"] == "token of user 1"
        again = given | {"claims": {"jti": "same"}}
        with AssertionSession(f"{origin}/token", SENDER, "user 1", **again) as session:
            session.refresh_token()
            with pytest.raises(OAuth2Error, match="invalid_grant"):
                session.refresh_token()
    assert replay_cache.count() == 3
