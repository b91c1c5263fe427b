"""JWTs as authorization grants: each clause of RFC 7523 2.1, 3 and 3.1."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import RequestFactory

from tests.tokens.tokens import CACHES, SECRET, signed

from .sending import Site, nothing_happened, said

SERVER, ISSUER = "https://as.example.com", "https://partner.example.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PROFILE = {
    "KIND": "jwt_bearer_grant",
    "ISSUER": ISSUER,
    "AUDIENCE": [SERVER, f"{SERVER}/token"],
    "ALGORITHMS": ["HS256"],
    "KEY": SECRET,
}


def assertion(header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {"iss": ISSUER, "sub": "user 1", "aud": SERVER, "exp": now + 60}
    key = changes.pop("key", SECRET)
    claims |= {"jti": f"jti {time.perf_counter_ns()}"} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return signed(claims, key=key, header=header)


def form(token: str | None = None, **changes: Any) -> dict[str, str]:
    whole = {"grant_type": GRANT, "assertion": token or assertion(), **changes}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, settings: Any) -> Site:
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"grants": PROFILE}}
    return Site("grants", is_async=request.param == "async", atomic=False)


def test_g7_a_grant_is_taken_once(site: Site) -> None:
    """G7: the second time it is invalid_grant."""
    token = assertion()
    assert said(site.post(form(token))) == (200, None)
    assert site.requests[0].jti_reservation.namespace == f"jwt_bearer_grant:{ISSUER}"
    response = site.post(form(token))
    assert said(response) == (400, "invalid_grant")
    assert "already been used" in response.content.decode()
    assert len(site.requests) == 1


REQUESTS: dict[str, tuple[Any, str]] = {
    "G1-absent": ({"assertion": "x"}, "invalid_request"),
    "G1-other": (form("x", grant_type="authorization_code"), "unsupported_grant_type"),
    "G1-other-case": (form("x", grant_type=GRANT.upper()), "unsupported_grant_type"),
    "G1-twice": ([*form("x").items(), ("grant_type", GRANT)], "invalid_request"),
    "G2-absent": ({"grant_type": GRANT}, "invalid_request"),
    "G2-empty": (form(assertion=""), "invalid_request"),
    "G2-twice": ([*form("x").items(), ("assertion", "x")], "invalid_request"),
    "G2-two": (form(f"{assertion()} {assertion()}"), "invalid_grant"),
    "G8-malformed": (form("x.y.z"), "invalid_grant"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_that_violate_a_clause(site: Site, name: str) -> None:
    """G1, G2, G8."""
    body, code = REQUESTS[name]
    assert said(site.post(body)) == (400, code)
    assert nothing_happened(site)


def test_g2_only_a_posted_form_is_read(site: Site) -> None:
    """G2: not multipart, and no other method."""
    assert said(site.post(b"x", "multipart/form-data; boundary=other")) == (
        400,
        "invalid_request",
    )
    assert said(site.post(b"{}", "application/json")) == (400, "invalid_request")
    response = site.send(RequestFactory().get("/", form()))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert nothing_happened(site)


CLAIMS: dict[str, dict[str, Any]] = {
    "G3-absent": {"iss": None},
    "G3-other": {"iss": f"{ISSUER}/"},
    "G3-number": {"iss": 1},
    "G4-absent": {"sub": None},
    "G4-empty": {"sub": ""},
    "G4-number": {"sub": 7},
    "G5-absent": {"aud": None},
    "G5-others": {"aud": ["https://other.example.com"]},
    "G6-past": {"exp": 1},
    "G6-absent": {"exp": None},
    "G6-not-yet": {"nbf": time.time() + 86_400},
    "G8-wrong-key": {"key": SECRET[::-1]},
    "events": {"events": {"x": {}}},
    "no-jti": {"jti": None},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_that_violate_a_clause(site: Site, name: str) -> None:
    """G3 to G8: invalid_grant (G10), and nothing is reserved."""
    assert said(site.post(form(assertion(**CLAIMS[name])))) == (400, "invalid_grant")
    assert nothing_happened(site)


@pytest.mark.parametrize("aud", [SERVER, f"{SERVER}/token", [SERVER, "https://other.example"]])
def test_g5_other_audiences_may_stand_beside(site: Site, aud: Any) -> None:
    """G5: that they do is the client's affair."""
    assert said(site.post(form(assertion(aud=aud)))) == (200, None)


@pytest.mark.parametrize(
    "typ", ["at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "client-authentication+jwt"]
)
def test_a_token_of_another_kind_is_no_grant(site: Site, typ: str) -> None:
    """RFC 8725 3.11: their types say what they are."""
    assert said(site.post(form(assertion({"typ": typ})))) == (400, "invalid_grant")
    assert nothing_happened(site)


@pytest.mark.parametrize("typ", ["JWT", "other", None])
def test_any_other_type_passes(site: Site, typ: str | None) -> None:
    """TYP of the profile narrows it."""
    assert said(site.post(form(assertion({"typ": typ})))) == (200, None)
