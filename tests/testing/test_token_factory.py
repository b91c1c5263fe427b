"""Tokens for the tests of a project, of each kind and each algorithm."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from rest_framework.test import APIClient

from jti_replay import replay_cache, replay_caches, testing
from jti_replay.decorators import reserve_jti
from jti_replay.kinds import BaseKind
from jti_replay.testing import TokenFactory, assert_consumed, assert_not_consumed
from tests.tokens.tokens import CACHES, PROFILE, bearer, signed

SITE = "https://site.example"
COMMON = {"ISSUER": "https://issuer.example", "AUDIENCE": SITE}
ACCESS_TOKEN = {
    **COMMON,
    "ALGORITHMS": ["ES256"],
    "JWKS_URL": "https://issuer.example/jwks",
}
KINDS = ("bearer", "client_assertion", "jwt_bearer_grant", "logout_token", "security_event")


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    def configure(**profiles: Any) -> None:
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}

    def view(request: Any) -> HttpResponse:
        return HttpResponse(str(request.jwt_claims.get("sub")))

    async def aview(request: HttpRequest) -> HttpResponse:
        return view(request)

    settings.ROOT_URLCONF = (
        path("", reserve_jti("ci", atomic=False)(view)),
        path("async", reserve_jti("ci")(aview)),
    )
    return configure


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_each_kind_passes(configure: Callable[..., None], kind: str) -> None:
    """Once, by Django's clients and that of REST framework."""
    profile = {**COMMON, "KIND": kind, "ALGORITHMS": ["RS256"]}
    if kind == "client_assertion":
        del profile["ISSUER"]
    configure(ci=profile | {"JWKS_URL": "https://issuer.example/jwks"})
    replay = {"bearer": 401, "security_event": 202}.get(kind, 400)
    with TokenFactory("ci") as tokens:
        for client in (Client(), APIClient()):
            sent = tokens.request(tokens.token())
            assert client.post("/", **sent).status_code == 200
            assert client.post("/", **sent).status_code == replay

        async def use() -> None:
            sent = tokens.request(tokens.token())
            assert (await AsyncClient().post("/async", **sent)).status_code == 200
            assert (await AsyncClient().post("/async", **sent)).status_code == replay

        asyncio.run(use())


@pytest.mark.parametrize(
    "algorithm", ["HS256", "RS512", "PS256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
def test_each_algorithm_has_a_key(configure: Callable[..., None], algorithm: str) -> None:
    """The first of the profile's is used."""
    key = PROFILE["KEY"] if algorithm == "HS256" else f"{__name__}.no_key"
    configure(ci=PROFILE | {"ALGORITHMS": [algorithm], "KEY": key})
    with TokenFactory("ci") as tokens:
        sent = tokens.request(tokens.token(sub="job"))
        assert Client().post("/", **sent).content == b"job"


def no_key(header: Any, claims: Any) -> None:
    return None


def test_claims_can_be_others(configure: Callable[..., None]) -> None:
    """None leaves one out, so that refusals can be tested, too."""
    configure(ci=PROFILE)
    with TokenFactory("ci") as tokens:
        for changes, status in (({"jti": None}, 401), ({"exp": 1}, 401), ({"x": 1}, 200)):
            sent = tokens.request(tokens.token(**changes))
            assert Client().post("/", **sent).status_code == status
        assert Client().post("/", **tokens.request(None)).status_code == 401


def test_only_the_key_is_another(configure: Callable[..., None]) -> None:
    """What was used stays used, in nested blocks too, and the key comes back."""
    configure(ci=PROFILE)
    own = signed()
    with TokenFactory("ci") as outer:
        sent = outer.request(outer.token(jti="same"))
        assert Client().post("/", **sent).status_code == 200
        assert Client().post("/", headers=bearer(own)).status_code == 401
        with TokenFactory("ci") as inner:
            again = inner.request(inner.token(jti="same"))
            assert Client().post("/", **again).status_code == 401
            assert Client().post("/", **outer.request(outer.token())).status_code == 401
        assert Client().post("/", **outer.request(outer.token())).status_code == 200
    assert Client().post("/", headers=bearer(own)).status_code == 200
    assert replay_cache.count() == 3
    with pytest.raises(RuntimeError, match="with statement"):
        outer.token()


tokens = TokenFactory("ci")


def test_it_decorates_a_function(configure: Callable[..., None]) -> None:
    """The object itself is the factory."""
    configure(ci=PROFILE)

    @tokens
    def use() -> int:
        return Client().post("/", **tokens.request(tokens.token())).status_code

    assert use() == 200


async def test_it_decorates_an_async_function(configure: Callable[..., None]) -> None:
    """It is in force until the coroutine has ended."""
    configure(ci=PROFILE)

    @tokens
    async def use() -> int:
        await asyncio.sleep(0)
        response = await AsyncClient().post("/async", **tokens.request(tokens.token()))
        return response.status_code

    assert await use() == 200


def test_a_proof_goes_with_its_access_token(configure: Callable[..., None]) -> None:
    """At a resource token() is the access token, and the proof has its key."""
    configure(ci={"KIND": "dpop", "OPTIONS": {"access_token": ACCESS_TOKEN}})
    with TokenFactory("ci") as tokens:
        token = tokens.token(sub="u")
        proof = tokens.proof("POST", "/", token)
        assert Client().post("/", **tokens.request(token, proof)).status_code == 200
        assert Client().post("/", **tokens.request(token, proof)).status_code == 401
        other = tokens.proof("POST", "http://testserver/", token, jti=None)
        assert Client().post("/", **tokens.request(token, other)).status_code == 401
        strange = tokens.proof("POST", "/", "another")
        assert Client().post("/", **tokens.request(token, strange)).status_code == 401


def test_a_token_endpoint_takes_the_proof_alone(configure: Callable[..., None]) -> None:
    """token() has nothing to make there."""
    configure(ci={"KIND": "dpop", "OPTIONS": {"at": "token_endpoint"}})
    with TokenFactory("ci") as tokens:
        proof = tokens.proof("POST", "/")
        assert Client().post("/", **tokens.request(None, proof)).status_code == 200
        with pytest.raises(TypeError, match="proof"):
            tokens.token()


def test_links_are_signed_as_ever(configure: Callable[..., None]) -> None:
    """So those that the project itself makes are good, too."""
    from jti_replay.links import make_token

    configure(ci={"KIND": "link"})
    with TokenFactory("ci") as tokens:
        for token in (tokens.token(sub="u"), make_token("ci", {"sub": "u"})):
            assert Client().post("/", **tokens.request(token)).content == b"u"
        old = tokens.request(tokens.token(exp=1))
        assert Client().post("/", **old).status_code == 410


class Header(BaseKind):
    def find(self, request: HttpRequest) -> str:
        return str(request.META["HTTP_X_TOKEN"])

    def carry(self, token: str) -> dict[str, Any]:
        return {"headers": {"X-Token": token}}


class Silent(Header):
    carry = BaseKind.carry


def test_a_kind_of_ones_own_says_where_its_token_goes(
    configure: Callable[..., None],
) -> None:
    """With carry()."""
    configure(ci=PROFILE | {"KIND": f"{__name__}.Header"})
    with TokenFactory("ci") as tokens:
        assert Client().post("/", **tokens.request(tokens.token())).status_code == 200
    configure(ci=PROFILE | {"KIND": f"{__name__}.Silent"})
    with TokenFactory("ci") as tokens, pytest.raises(NotImplementedError, match="carry"):
        tokens.request(tokens.token())


def test_what_was_consumed_is_told(configure: Callable[..., None]) -> None:
    """The failure says what happened to which token, and why one was refused."""
    configure(ci=PROFILE, other=PROFILE)
    with TokenFactory("ci") as tokens:
        sent = tokens.request(tokens.token())
        with assert_consumed("ci"), assert_not_consumed("other"):
            Client().post("/", **sent)
        replay = pytest.raises(AssertionError, match=r"consumed.*\n.*replayed jti")
        with replay, assert_consumed("ci"):
            Client().post("/", **sent)
        with pytest.raises(AssertionError, match="has expired"), assert_consumed("ci"):
            Client().post("/", **tokens.request(tokens.token(exp=1)))
        with pytest.raises(AssertionError, match="No token came"), assert_consumed("ci"):
            pass
        used = pytest.raises(AssertionError, match=r"was consumed.*\n.*was reserved")
        with used, assert_not_consumed("ci"):
            Client().post("/", **tokens.request(tokens.token()))


def test_of_the_log_only_what_names_the_profile_is_told(
    configure: Callable[..., None],
) -> None:
    """What other profiles refused meanwhile explains nothing."""
    configure(ci=PROFILE, other=PROFILE)
    with (
        TokenFactory("ci") as tokens,
        pytest.raises(AssertionError) as caught,
        assert_consumed("other"),
    ):
        Client().post("/", **tokens.request(tokens.token(exp=1)))
    assert "has expired" not in str(caught.value)


def test_what_was_released_is_not_consumed(configure: Callable[..., None]) -> None:
    """As the work was rolled back."""
    configure(ci=PROFILE)

    @reserve_jti("ci", atomic=False)
    def view(request: Any) -> HttpResponse:
        request.jti_reservation.release()
        return HttpResponse()

    from django.test import RequestFactory

    with TokenFactory("ci") as tokens, assert_not_consumed("ci"):
        view(RequestFactory().post("/", **tokens.request(tokens.token())))
    with (
        TokenFactory("ci") as tokens,
        pytest.raises(AssertionError, match="was released"),
        assert_consumed("ci"),
    ):
        view(RequestFactory().post("/", **tokens.request(tokens.token())))


def test_the_fixture_gives_empty_caches(jti_caches: dict[str, Any]) -> None:
    """One in memory for each alias."""
    assert replay_caches["default"] is jti_caches["default"]
    assert jti_caches["default"].count() == 0
    assert jti_caches["default"].reserve("a")


def test_names_are_imported_when_they_are_asked_for() -> None:
    """So that pytest can load the plugin before there are settings."""
    assert testing.ReplayCacheTests
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        testing.nothing_of_that_name  # noqa: B018


def test_the_plugin_needs_no_settings(tmp_path: Path) -> None:
    """A project without Django may have this package installed."""
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "jti_replay.testing.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "-c", "/dev/null", "test_it.py"]
    root = Path(__file__).parent.parent.parent
    # Where the package is installed, pytest would load the plugin by itself, too.
    env = {"PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
