"""Client assertions: each clause of RFC 7521, RFC 7523 and OpenID Connect Core 9."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.checks import run_checks
from jwt.warnings import InsecureKeyLengthWarning

from jti_replay import replay_cache, replay_caches
from tests.tokens.keypairs import KeyPair, keypair
from tests.tokens.tokens import CACHES, SECRET, assembled, signed

from .sending import Site, nothing_happened, said

SERVER, CLIENT = "https://as.example.com", "client 1"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PROFILE = {
    "KIND": "client_assertion",
    "AUDIENCE": SERVER,
    "ALGORITHMS": ["HS256"],
    "KEY": f"{__name__}.key",
}


def key(header: Any, claims: Any) -> str | None:
    return SECRET if claims.get("sub") == CLIENT else None


def assertion(header: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": SERVER,
        "iat": now,
        "exp": now + 60,
    }
    key = changes.pop("key", SECRET)
    claims |= {"jti": f"jti {time.perf_counter_ns()}"} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return signed(claims, key=key, header=header)


def form(token: str | None = None, **changes: Any) -> dict[str, str]:
    whole = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": assertion() if token is None else token,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


@pytest.fixture(params=["sync", "async"])
def make_site(request: pytest.FixtureRequest, settings: Any) -> Callable[..., Site]:
    """Give a function that makes the endpoint, whose profile it may change."""

    def make(**changes: Any) -> Site:
        profiles = {"clients": PROFILE | changes}
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}
        return Site("clients", is_async=request.param == "async", atomic=False)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


def test_a_client_is_known_by_its_assertion(site: Site) -> None:
    """C6, C7, C13: the view learns who it is, once."""
    token = assertion()
    assert said(site.post(form(token))) == (200, None)
    assert site.requests[0].client_id == CLIENT
    assert site.requests[0].jti_reservation.namespace == f"client_assertion:{CLIENT}"
    assert site.requests[0].jti_reservations["clients"].profile == "clients"


def test_c14_an_assertion_is_taken_once(site: Site) -> None:
    """C14: the second time it is invalid_client, and says why."""
    token = assertion()
    assert said(site.post(form(token))) == (200, None)
    response = site.post(form(token))
    assert said(response) == (400, "invalid_client")
    assert "already been used" in response.content.decode()
    assert len(site.requests) == 1


def test_c13_jtis_are_those_of_one_client(settings: Any) -> None:
    """Two clients may choose the same jti (OpenID Connect Core 9)."""
    profile = PROFILE | {"KEY": SECRET}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"clients": profile}}
    site = Site("clients", is_async=False, atomic=False)
    for client in ("a", "b"):
        token = assertion(iss=client, sub=client, jti="same")
        assert said(site.post(form(token))) == (200, None)


FORMS = {
    "C1-absent": form("x", client_assertion_type=None),
    "C1-saml": form("x", client_assertion_type=TYPE.replace("jwt", "saml2")),
    "C1-other-case": form("x", client_assertion_type=TYPE.upper()),
    "C3-no-assertion": {"client_assertion_type": TYPE},
    "C3-empty": {"client_assertion_type": TYPE, "client_assertion": ""},
    "C16-malformed": form("x.y.z"),
    "C16-jwe": form("a.b.c.d.e"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_without_an_assertion_is_refused(site: Site, name: str) -> None:
    """C1, C3, C16."""
    assert said(site.post(FORMS[name])) == (400, "invalid_client")
    assert nothing_happened(site)


@pytest.mark.parametrize("joint", [" ", ",", ", "])
def test_c2_two_assertions_are_refused(site: Site, joint: str) -> None:
    """C2: in one parameter they are no JWT, and the parameter may stand there once."""
    both = joint.join([assertion(), assertion()])
    assert said(site.post(form(both))) == (400, "invalid_client")
    pairs = [*form().items(), ("client_assertion", assertion())]
    assert said(site.post(pairs)) == (400, "invalid_request")
    for name in ("client_assertion_type", "client_id", "client_secret"):
        pairs = [*form().items(), (name, CLIENT), (name, CLIENT)]
        assert said(site.post(pairs)) == (400, "invalid_request")
    assert nothing_happened(site)


def test_c3_only_a_form_is_read(site: Site) -> None:
    """C3: not the query, not JSON, not multipart, not a body without a type."""
    from django.test import RequestFactory

    factory = RequestFactory()
    bodies = [
        factory.post("/", b"", content_type="multipart/form-data; boundary=other"),
        factory.post("/", json.dumps(form()), content_type="application/json"),
        factory.post("/", b"x", content_type=""),
    ]
    for request in bodies:
        assert said(site.send(request)) == (400, "invalid_request")
    request = factory.post(
        "/", "a=b", content_type="application/x-www-form-urlencoded", query_params=form()
    )
    assert said(site.send(request)) == (400, "invalid_client")
    for method in ("GET", "PUT", "OPTIONS"):
        response = site.send(factory.generic(method, "/"))
        assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert nothing_happened(site)


def test_c4_client_id_names_the_same_client(site: Site) -> None:
    """C4."""
    assert said(site.post(form(client_id="another"))) == (400, "invalid_client")
    assert nothing_happened(site)
    assert said(site.post(form(client_id=CLIENT))) == (200, None)


def test_c5_there_is_one_authentication(site: Site) -> None:
    """C5: 401 where the client tried the header, with a challenge of its scheme."""
    response = site.post(form(client_secret=""))
    assert said(response) == (400, "invalid_client")
    assert "WWW-Authenticate" not in response.headers
    for sent in (form(), {"grant_type": "client_credentials"}):
        response = site.post(sent, Authorization="Basic dXNlcjpwYXNz")
        assert said(response) == (401, "invalid_client")
        assert response.headers["WWW-Authenticate"] == 'Basic realm="clients"'
    assert nothing_happened(site)
    assert said(site.post(form(), Authorization="Bearer x")) == (200, None)


CLAIMS: dict[str, dict[str, Any]] = {
    "C6-absent": {"iss": None},
    "C6-number": {"iss": 1},
    "C6-other-case": {"iss": CLIENT.upper()},
    "C6-slash": {"iss": f"{CLIENT}/"},
    "C7-absent": {"sub": None},
    "C7-empty": {"sub": "", "iss": ""},
    "C7-number": {"sub": 1, "iss": 1},
    "C7-other": {"sub": "client 2"},
    "C8-absent": {"aud": None},
    "C8-other": {"aud": "https://other.example.com"},
    "C8-several": {"aud": [SERVER, "https://other.example.com"]},
    "C8-twice": {"aud": [SERVER, SERVER]},
    "C8-endpoint": {"aud": f"{SERVER}/token"},
    "C8-slash": {"aud": f"{SERVER}/"},
    "C8-other-case": {"aud": SERVER.upper()},
    "C8-none": {"aud": []},
    "C10-absent": {"exp": None},
    "C10-past": {"exp": 1},
    "C10-too-long": {"exp": int(time.time()) + 100_000},
    "C10-text": {"exp": "1"},
    "C10-bool": {"exp": True},
    "C10-huge": {"exp": 1e300},
    "C11-nbf": {"nbf": time.time() + 86_400},
    "C11-iat": {"iat": time.time() + 86_400},
    "C13-absent": {"jti": None},
    "C13-empty": {"jti": ""},
    "C13-number": {"jti": 7},
    "events": {"events": {}},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_that_violate_a_clause(settings: Any, site: Site, name: str) -> None:
    """C6 to C13: invalid_client (C17), and nothing is reserved."""
    profile = PROFILE | {"KEY": SECRET}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"clients": profile}}
    assert said(site.post(form(assertion(**CLAIMS[name])))) == (400, "invalid_client")
    assert nothing_happened(site)


def test_c9_a_list_of_one_audience_is_taken(make_site: Callable[..., Site]) -> None:
    """C9: FAPI 2 asks for a string, which is an option."""
    for strict, expected in ((False, 200), (True, 400)):
        site = make_site(OPTIONS={"string_audience": strict})
        assert said(site.post(form(assertion(aud=[SERVER]))))[0] == expected
        assert said(site.post(form(assertion(aud=SERVER))))[0] == 200


@pytest.mark.parametrize("seconds", [0, 10])
def test_c11_a_clock_may_be_ahead(site: Site, seconds: int) -> None:
    """C11: FAPI 2 accepts up to ten seconds."""
    ahead = int(time.time()) + seconds
    assert said(site.post(form(assertion(iat=ahead, nbf=ahead)))) == (200, None)


def test_c15_strangers_do_not_learn_of_clients(site: Site) -> None:
    """C15: an unknown client and a wrong key get the same answer."""
    wrong_key = site.post(form(assertion(key=SECRET[::-1])))
    unknown = site.post(form(assertion(iss="nobody", sub="nobody")))
    assert said(wrong_key) == said(unknown) == (400, "invalid_client")
    assert wrong_key.content == unknown.content
    unsigned = assembled(b'{"alg":"none"}', b"{}")
    assert said(site.post(form(unsigned))) == (400, "invalid_client")
    assert nothing_happened(site)


HEADERS = {
    "C18-other-kind": ({"typ": "logout+jwt"}, False),
    "C18-access-token": ({"typ": "AT+JWT"}, False),
    "C18-unknown": ({"typ": "other"}, False),
    "C18-its-own": ({"typ": "client-authentication+jwt"}, True),
    "C18-media-type": ({"typ": "application/client-authentication+JWT"}, True),
    "C18-jwt": ({"typ": "JWT"}, True),
    "C18-absent": ({"typ": None}, True),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_type_is_that_of_the_kind(site: Site, name: str) -> None:
    """C18: it may be absent."""
    header, is_good = HEADERS[name]
    answer = said(site.post(form(assertion(header))))
    assert answer == ((200, None) if is_good else (400, "invalid_client"))


def test_c21_the_key_fits_the_algorithm(make_site: Callable[..., Site]) -> None:
    """C21: a KEY function may return a JWK Set, out of which alg, kid and kty pick."""
    pair = keypair("ES256", "k")
    Keys.keys = [keypair("RS256", "k").jwk(), pair.jwk()]
    site = make_site(KEY=Keys.find, ALGORITHMS=["ES256", "RS256"])
    now = int(time.time())
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": SERVER, "exp": now + 60, "jti": "es"}
    token = signed(claims, key=pair.private, algorithm="ES256", header={"kid": "k"})
    assert said(site.post(form(token))) == (200, None)


@pytest.mark.parametrize("as_set", [False, True], ids=["jwk", "set"])
def test_c20_a_short_rsa_key_verifies_nothing(
    make_site: Callable[..., Site], as_set: bool
) -> None:
    """C20: the client is refused, or the server's own key is at fault."""
    private = rsa.generate_private_key(65537, 1024)
    pair = KeyPair(private, "RS256", "k")
    site = make_site(KEY=Keys.find if as_set else lambda *_: pair.jwk(), ALGORITHMS=["RS256"])
    Keys.keys = [pair.jwk()]
    now = int(time.time())
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": SERVER, "exp": now + 60, "jti": "short"}
    with pytest.warns(InsecureKeyLengthWarning):
        token = signed(claims, key=private, algorithm="RS256", header={"kid": "k"})
    assert said(site.post(form(token)))[0] in (400, 503)
    assert nothing_happened(site)


class Keys:
    keys: list[Any] = []

    @staticmethod
    def find(header: Any, claims: Any) -> Any:
        return {"keys": Keys.keys}


def test_a_store_that_is_down_is_503(make_site: Callable[..., Site], settings: Any) -> None:
    """The client comes again, with the same assertion or another one."""
    site = make_site()
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"clients": PROFILE},
    }
    assert replay_cache.reserve("other", time.time() + 600)
    response = site.post(form())
    assert said(response) == (503, "temporarily_unavailable")
    assert response.headers["Retry-After"]
    assert replay_caches["default"].count() == 1


def test_a_second_audience_is_warned_of(settings: Any) -> None:
    """So is none of the missing ISSUER: the client is the issuer."""
    profiles = {"one": PROFILE, "two": PROFILE | {"AUDIENCE": [SERVER, f"{SERVER}/token"]}}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}
    messages = [m for m in run_checks(include_deployment_checks=True) if "PROFILES" in m.msg]
    assert [message.id for message in messages] == ["jti_replay.W031"]
    assert "'two'" in messages[0].msg
