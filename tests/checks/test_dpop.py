"""What the checks say of profiles for DPoP proofs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from jti_replay import verify_token
from jti_replay.profiles import get_profile

from .configurations import ids, profile

Check = Callable[..., list[CheckMessage]]
ACCESS_TOKEN = profile()
SHARED: dict[str, Any] = {"default": {"BACKEND": "jti_replay.backends.redis.RedisCache"}}


def function(token: str, request: Any) -> Any: ...


def dpop(options: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a good profile, but for the changes. None removes an option."""
    whole = {"origin": "https://api.example", "access_token": ACCESS_TOKEN} | (options or {})
    kept = {name: value for name, value in whole.items() if value is not None}
    return {"KIND": "dpop", "OPTIONS": kept, **changes}


def token_endpoint(**options: Any) -> dict[str, Any]:
    return dpop({"at": "token_endpoint", "access_token": None, **options})


@pytest.mark.parametrize(
    "good",
    [
        dpop(),
        dpop({"at": "resource", "nonces": True}),
        dpop({"origin": ["https://api.example", "http://127.0.0.1:8000"]}),
        dpop({"origin": None}),
        dpop({"access_token": function}),
        dpop({"access_token": f"{__name__}.function"}),
        dpop({"access_token": profile(TYP=["at+jwt", "JWT"], MAX_LIFETIME=60, LEEWAY=0)}),
        dpop({"access_token": profile(KEY=..., ALGORITHMS=["RS256"])}),
        dpop(MAX_AGE=60, LEEWAY=0, ALGORITHMS=["RS256"], TYP="dpop+jwt", CACHE="default"),
        token_endpoint(),
    ],
)
def test_a_good_profile_gives_nothing(check: Check, good: dict[str, Any]) -> None:
    """Neither is a missing ISSUER or AUDIENCE warned of, which there is no place for."""
    value = {"PROFILES": {"default": good}}
    assert check(value) == []
    assert ids(check(value, deploy=True)) in (["W001"], ["W001", "W030"])
    assert get_profile("default").kind.profile == "default"


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (dpop(ALGORITHMS=["ES256", "HS256"]), "E050"),
        (dpop(ALGORITHMS=["none"]), "E008"),
        (dpop(ALGORITHMS=[]), "E008"),
        *((dpop(**{key: "x"}), "E049") for key in ("ISSUER", "AUDIENCE", "KEY", "JWKS_URL")),
        (dpop(JWKS_OPTIONS={}), "E049"),
        (dpop({"origin": "api.example"}), "E051"),
        (dpop({"origin": "https://api.example/"}), "E051"),
        (dpop({"origin": "https://api.example/v1"}), "E051"),
        (dpop({"origin": "https://me@api.example"}), "E051"),
        (dpop({"origin": "ftp://api.example"}), "E051"),
        (dpop({"origin": ["https://api.example", "*"]}), "E051"),
        (dpop({"origin": ""}), "E051"),
        (dpop({"origin": []}), "E051"),
        (dpop({"origin": 1}), "E001"),
        (dpop({"origin": [1]}), "E001"),
        (dpop({"at": "resources"}), "E014"),
        (dpop({"at": ["resource"]}), "E014"),
        (dpop({"nonces": 1}), "E001"),
        (dpop({"nonce": True}), "E002"),
        (dpop({"access_token": None}), "E048"),
        (dpop({"at": "token_endpoint"}), "E049"),
        (dpop({"access_token": 1}), "E052"),
        (dpop({"access_token": "no.such.function"}), "E052"),
        (dpop({"access_token": f"{__name__}.Check.nothing"}), "E052"),
        (dpop({"access_token": f"{__name__}.ACCESS_TOKEN"}), "E052"),
        (dpop({"access_token": {}}), "E008"),
        (dpop({"access_token": profile(ALGORITHMS="HS256")}), "E008"),
        (dpop({"access_token": profile(KEY="short")}), "E013"),
        (dpop({"access_token": profile(KEY=..., ISSUER=...)}), "E009"),
        (dpop({"access_token": profile(JWKS_URL="http://as.example", KEY=...)}), "E011"),
        (dpop({"access_token": profile(AUDIENCE=[])}), "E015"),
        (dpop({"access_token": profile(LEEWAY=-1)}), "E007"),
        (dpop({"access_token": profile(JTI="digest")}), "E002"),
        (dpop({"access_token": profile(KIND="bearer")}), "E002"),
        (dpop({"access_token": profile(CACHE="default")}), "E002"),
        (dpop({"access_token": profile(TYP="logout+jwt")}), "E053"),
        (dpop(TYP="JWT"), "E053"),
        (dpop(TYP=["dpop+jwt", "at+jwt"]), "E053"),
        (dpop(MAX_AGE=-1), "E007"),
        ({"KIND": "dpop", "OPTIONS": None}, "E001"),
        ({"KIND": "DPoP"}, "E047"),
    ],
)
def test_what_cannot_work_is_refused(check: Check, bad: dict[str, Any], expected: str) -> None:
    """By the check, and by a request."""
    found = ids(check({"PROFILES": {"default": bad}}))
    assert set(found) >= {expected}
    # Where nothing is set, or the kind and its defaults are not known, more is missing.
    assert set(found) - {expected} <= (
        {"E008", "E009"} if expected in ("E008", "E047") else set()
    )
    with pytest.raises(ImproperlyConfigured, match=expected):
        get_profile("default")


@pytest.mark.parametrize("typ", ["at+jwt", "application/dpop+jwt", ["x", "SecEvent+JWT"]])
def test_typ_cannot_name_another_kind(check_profile: Check, typ: Any) -> None:
    """Tokens of that kind would be accepted as those of this one."""
    assert ids(check_profile(TYP=typ)) == ["E053"]
    assert check_profile(TYP="at+jwt", OPTIONS={"single_use_access_tokens": True}) == []
    assert check_profile(TYP=["JWT", "own+jwt"]) == []


@pytest.mark.parametrize(
    ("hosts", "options", "expected"),
    [
        (["*"], {"origin": None}, ["W030"]),
        ([".example.com"], {"origin": None}, ["W030"]),
        (["api.example.com"], {"origin": None}, []),
        (["*"], {}, []),
    ],
)
def test_a_host_that_requests_choose_is_warned_of(
    check: Check, settings: Any, hosts: list[str], options: Any, expected: list[str]
) -> None:
    """A proof for one host would be good at another."""
    settings.ALLOWED_HOSTS = hosts
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://[::1]:1"}
    }
    value = {"CACHES": SHARED, "PROFILES": {"default": dpop(options)}}
    assert ids(check(value, deploy=True)) == expected


def test_access_tokens_that_are_accepted_too_easily_are_warned_of(check: Check) -> None:
    """As those of a profile are."""
    loose = profile(AUDIENCE=..., JWKS_URL="http://as.example/jwks", KEY=..., ISSUER=...)
    loose |= {"ALGORITHMS": ["RS256"], "JWKS_OPTIONS": {"allow_http": True}}
    messages = check({"PROFILES": {"default": dpop({"access_token": loose})}}, deploy=True)
    assert ids(messages) == ["W001", "W002", "W003", "W019"]
    assert all('["OPTIONS"]["access_token"]' in message.msg for message in messages[1:])


def test_a_proof_cannot_be_verified_without_its_request(check: Check) -> None:
    """It says what it is for, and that must be compared."""
    check({"PROFILES": {"default": dpop()}})
    with pytest.raises(ImproperlyConfigured, match="without their request"):
        verify_token("a.b.c")
