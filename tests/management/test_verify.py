"""``manage.py jti_replay verify``."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError

from jti_replay import replay_caches
from jti_replay.reservation.digests import jti_digest, short_digest
from tests.servers import free_port
from tests.stopwatch import takes_at_most
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import keypair
from tests.tokens.tokens import ISSUER, PROFILE, signed

from .conftest import Run
from .test_doctor_any_cache import SetCache

BASE = {"BACKEND": f"{__name__}.DatedCache"}


class DatedCache(SetCache):
    """One that began to remember a minute ago."""

    def complete_since(self) -> float:
        return time.time() - 60


@pytest.fixture(autouse=True)
def _profiles(settings: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": BASE},
        "PROFILES": {
            "default": PROFILE,
            "other": PROFILE | {"AUDIENCE": "https://elsewhere.example"},
        },
    }


@pytest.fixture
def keyless(settings: Any) -> None:
    """A profile whose issuer does not publish its keys."""
    published = {k: v for k, v in PROFILE.items() if k not in ("KEY", "ALGORITHMS")}
    published |= {"JWKS_URL": f"http://127.0.0.1:{free_port()}/", "ALGORITHMS": ["ES256"]}
    settings.JTI_REPLAY = {"CACHES": {"default": BASE}, "PROFILES": {"published": published}}


def test_it_says_which_profile_takes_a_token_and_why_not(run: Run) -> None:
    exp = int(time.time()) + 300
    token = signed(jti="a jti", exp=exp, sub="job\n42")
    output = run("verify", token)
    assert "default: accepted, unless it has been used.\n" in output
    assert "other: refused: The token is for another audience. Its aud is " in output
    assert f"  iss       '{ISSUER}'\n" in output
    assert "  sub       'job\\n42'\n" in output
    assert re.search(
        r"  exp       \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00, in (300|29\d) s\n", output
    )
    assert f"  jti       {short_digest(jti_digest(ISSUER, 'a jti'))} (its digest)\n" in output
    assert "  reserves  in cache 'default', until 2" in output


def test_it_shows_no_token_and_no_jti_and_reserves_nothing(run: Run) -> None:
    token = signed(jti="a jti")
    output = run("verify", token)
    assert "a jti" not in output
    assert not any(part in output for part in token.split("."))
    assert replay_caches["default"].reserve("a jti", namespace=ISSUER)


@pytest.mark.parametrize("arguments", [[], ["-"]], ids=str)
def test_the_token_can_come_from_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {signed()}\n"))
    assert run("verify", *arguments).startswith("default: accepted")


def test_a_person_is_asked_for_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin = io.StringIO(f"{signed()}\nnot read")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("verify").startswith("default: accepted")
    assert capsys.readouterr().err == "token: "


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: "nonsense", "The token is malformed."),
        (lambda: "", "The token is malformed."),
        (lambda: signed(exp=1), "The token has expired."),
        (lambda: signed(jti=None), "The token has no JWT ID (jti)."),
    ],
    ids=["nonsense", "empty", "expired", "no jti"],
)
def test_one_that_no_profile_takes_is_a_failure(
    run: Any, token: Callable[[], str], reason: str
) -> None:
    with pytest.raises(CommandError, match=r"^No profile takes it\.$"):
        run("verify", "--profile", "default", token())
    assert run.stdout.getvalue().startswith(f"default: refused: {reason}")


@pytest.mark.usefixtures("keyless")
def test_keys_that_cannot_be_had_leave_it_open(run: Any) -> None:
    with takes_at_most(6), pytest.raises(CommandError, match="No profile"):
        run("verify", keypair().sign())
    assert run.stdout.getvalue().startswith("published: cannot be told, answered 503: ")


def test_keys_that_are_published_are_fetched(run: Any, settings: Any) -> None:
    with Issuer() as issuer:
        profile = {"JWKS_URL": issuer.url, "ALGORITHMS": ["ES256"]}
        settings.JTI_REPLAY = {"PROFILES": {"default": profile}}
        issuer.keys = [keypair().jwk()]
        assert run("verify", keypair().sign()).startswith("default: accepted")
        assert issuer.fetches == 1


@pytest.mark.parametrize(("age", "accepted"), [(10, True), (90, False)])
def test_a_token_from_before_a_cold_start_is_told_apart(
    run: Any, settings: Any, age: int, accepted: bool
) -> None:
    settings.JTI_REPLAY["CACHES"]["default"] = {**BASE, "COLD_START": "refuse"}
    settings.JTI_REPLAY = {**settings.JTI_REPLAY}
    token = signed(iat=time.time() - age)
    if accepted:
        assert run("verify", token).startswith("default: accepted")
        return
    with pytest.raises(CommandError, match="No profile"):
        run("verify", "--profile", "default", token)
    output = run.stdout.getvalue()
    assert output.startswith("default: verified, but answered 503: The token was issued before")
    assert "  reserves  in cache 'default'" in output


def test_the_memory_of_other_processes_is_not_judged(run: Run, settings: Any) -> None:
    memory = {"BACKEND": "jti_replay.backends.memory.InMemoryCache", "COLD_START": "refuse"}
    settings.JTI_REPLAY = {"CACHES": {"default": memory}, "PROFILES": {"default": PROFILE}}
    assert run("verify", signed(iat=time.time() - 90)).startswith("default: accepted")


def test_an_unknown_profile_is_refused(run: Run) -> None:
    with pytest.raises(CommandError, match="no profile named 'defualt'"):
        run("verify", "--profile", "defualt", signed())


def test_so_is_a_site_without_one(run: Run, settings: Any) -> None:
    settings.JTI_REPLAY = {}
    with pytest.raises(CommandError, match="no profile"):
        run("verify", signed())


def test_keys_that_cannot_be_used_are_named(run: Any, settings: Any) -> None:
    """Whether or not the token is accepted."""
    with Issuer() as issuer:
        profile = {"JWKS_URL": issuer.url, "ALGORITHMS": ["ES256"]}
        settings.JTI_REPLAY = {"PROFILES": {"default": profile}}
        issuer.keys = [keypair().jwk(), {"kty": "XX", "kid": "odd"}]
        output = run("verify", keypair().sign())
    assert "unusable keys  Key 2 (kid 'odd'): Its kty is 'XX', not RSA, EC or OKP." in output


def test_a_kind_that_needs_its_request_cannot_be_judged(run: Any, settings: Any) -> None:
    """The other profiles are."""
    options = {"at": "token_endpoint", "origin": "https://service.example"}
    proofs = {"KIND": "dpop", "OPTIONS": options}
    settings.JTI_REPLAY = {"PROFILES": {"proofs": proofs, "default": PROFILE}}
    output = run("verify", signed())
    assert output.startswith(
        "proofs: cannot be told: The tokens of the profile 'proofs' cannot"
    )
    assert "default: accepted" in output


def test_a_digest_in_place_of_a_jti_is_not_shown(run: Any, settings: Any) -> None:
    settings.JTI_REPLAY = {"PROFILES": {"default": PROFILE | {"JTI": "digest"}}}
    output = run("verify", signed(jti=None))
    assert "default: accepted" in output
    assert "sha-256" not in output
