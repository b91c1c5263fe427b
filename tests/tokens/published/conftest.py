"""A profile whose keys are published by a server on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from jti_replay.tokens import jwks
from jti_replay.tokens.jwks_options import DEFAULT_OPTIONS
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair, keypair

Configure = Callable[..., None]

UNKNOWN = "The token is signed with an unknown key."
ALL = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
LIFESPAN = DEFAULT_OPTIONS.lifespan
REFRESH_AFTER = LIFESPAN * jwks.REFRESH_AT


@pytest.fixture
def impatient(publish: Configure) -> float:
    """Give a fetch up sooner than in five seconds, so that the tests are fast."""
    publish(JWKS_OPTIONS={"timeout": 0.6})
    return 0.6


@pytest.fixture
def first() -> KeyPair:
    return keypair("ES256", "first")


@pytest.fixture
def second() -> KeyPair:
    return keypair("ES256", "second")


@pytest.fixture
def publish(configure: Configure, issuer: Issuer) -> Configure:
    """Give a function that changes the profile whose keys are published."""
    return partial(
        configure,
        KEY=None,
        JWKS_URL=issuer.url,
        ALGORITHMS=["ES256", "ES384", "RS256", "PS256"],
    )


@pytest.fixture
def options(publish: Configure) -> Configure:
    """Give a function that sets JWKS_OPTIONS of the profile."""

    def options(url: str | None = None, **options: Any) -> None:
        publish(JWKS_OPTIONS=options or None, **({"JWKS_URL": url} if url else {}))

    return options


@pytest.fixture(autouse=True)
def _profile(publish: Configure, issuer: Issuer, first: KeyPair) -> None:
    issuer.keys = [first.jwk()]
    publish()


def error_in(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(r.getMessage() for r in caplog.records if r.levelname == "ERROR")


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "jti_replay.jwks"]


def wait_until_fetched() -> None:
    """Wait for the fetches that run behind the requests."""
    for thread in threading.enumerate():
        if thread.name == "jti_replay.jwks":
            thread.join(5)
            assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture
def publish_keys(configure: Configure, issuer: Issuer) -> Callable[..., None]:
    """Give a function that publishes keys for a profile that accepts all algorithms."""

    def publish(*keys: Any, algorithms: list[str] = ALL) -> None:
        issuer.keys = list(keys)
        configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=algorithms)

    publish()
    return publish
