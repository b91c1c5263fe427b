"""Tokens of each kind, and the request that carries each of them."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jwt
from django.conf import settings

from .keys import client_key, key_id, signing_key

LIFETIME = 300
"""Seconds for which tokens live, unless asked otherwise."""

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
DISABLED = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"


def mint(subject: str = "repo:octo/app", lifetime: int = LIFETIME) -> str:
    """Return a new token for the exchange, such as a CI system gives to each of its jobs."""
    claims = {"aud": f"{settings.EXAMPLE_URL}/exchange", "sub": subject}
    return _issued(claims, lifetime=lifetime)


def mint_access_token(jkt: str) -> str:
    """Return a new access token that is bound to a client's key (RFC 9449 6)."""
    claims = {"aud": f"{settings.EXAMPLE_URL}/dpop", "sub": "mona", "cnf": {"jkt": jkt}}
    return _issued(claims, "at+jwt")


def bearer_request() -> dict[str, Any]:
    """Return a request with a new bearer token (RFC 6750 2.1)."""
    token = mint()
    headers = {"Authorization": f"Bearer {token}"}
    return {"token": token, "path": "/exchange", "headers": headers, "body": ""}


def client_assertion_request() -> dict[str, Any]:
    """Return a request with a new assertion, which the client signs itself (RFC 7523 2.2)."""
    claims = {
        **_times(LIFETIME),
        "iss": settings.CLIENT_ID,
        "sub": settings.CLIENT_ID,
        "aud": settings.EXAMPLE_URL,
    }
    token = jwt.encode(claims, client_key(), "ES256")
    return _form(
        "/clients/token",
        token,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=token,
    )


def jwt_bearer_grant_request() -> dict[str, Any]:
    """Return a request with a new grant (RFC 7523 2.1)."""
    token = _issued({"aud": f"{settings.EXAMPLE_URL}/grants/token", "sub": "mona"})
    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return _form("/grants/token", token, grant_type=grant_type, assertion=token)


def logout_token_request() -> dict[str, Any]:
    """Return a request with a new logout token (OpenID Connect Back-Channel Logout 2.5)."""
    claims = {"aud": settings.CLIENT_ID, "sub": "mona", "events": {LOGOUT: {}}}
    token = _issued(claims, "logout+jwt")
    return _form("/logout", token, logout_token=token)


def security_event_request() -> dict[str, Any]:
    """Return a request with a new security event (RFC 8935 2.1)."""
    subject = {"format": "opaque", "id": "mona"}
    claims = {"aud": settings.EXAMPLE_URL, "sub_id": subject, "events": {DISABLED: {}}}
    token = _issued(claims, "secevent+jwt", lifetime=None)
    headers = {"Content-Type": "application/secevent+jwt"}
    return {"token": token, "path": "/events", "headers": headers, "body": token}


REQUESTS: dict[str, Callable[[], dict[str, Any]]] = {
    "bearer": bearer_request,
    "client-assertion": client_assertion_request,
    "jwt-bearer-grant": jwt_bearer_grant_request,
    "logout-token": logout_token_request,
    "security-event": security_event_request,
}
"""The kinds of tokens that a server makes for others: a new request of each."""


def _form(path: str, token: str, **fields: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return {"token": token, "path": path, "headers": headers, "body": urlencode(fields)}


def _issued(claims: dict[str, Any], typ: str = "JWT", lifetime: int | None = LIFETIME) -> str:
    key = signing_key()
    header = {"kid": key_id(key.public_key()), "typ": typ}
    return jwt.encode(
        {"iss": settings.EXAMPLE_URL, **_times(lifetime), **claims}, key, "RS256", header
    )


def _times(lifetime: int | None) -> dict[str, Any]:
    now = int(time.time())
    end = {} if lifetime is None else {"exp": now + lifetime}
    return {"iat": now, **end, "jti": str(uuid4())}
