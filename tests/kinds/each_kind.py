"""Each kind of token: its profile, a good token of it, and how a use of it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from jti_replay.testing import TokenFactory
from tests.rollback.attempts import Ticket
from tests.tokens.tokens import CACHES, PROFILE

from .dpop_client import ACCESS_TOKEN

COMMON = {"AUDIENCE": PROFILE["AUDIENCE"], "ALGORITHMS": ["HS256"], "KEY": PROFILE["KEY"]}
WITH_ISSUER = {**COMMON, "ISSUER": PROFILE["ISSUER"]}
EVENT, LOGOUT = "security_event", "logout_token"


@dataclass(frozen=True)
class Case:
    """A kind of token, where it is used, and the status of the answer to a replay."""

    name: str
    profile: dict[str, Any]
    replayed: int

    @property
    def releases_failures(self) -> bool:
        """Whether its sender tries again after an answer that tells of a failure."""
        return self.profile["KIND"] in {EVENT, LOGOUT}

    @property
    def refusals(self) -> frozenset[int]:
        """The statuses for a token that may have been used. For events a claim stands there."""
        return frozenset({self.replayed, *([503] if self.profile["KIND"] == EVENT else [])})


CASES = (
    Case("bearer", {"KIND": "bearer", **WITH_ISSUER}, 401),
    Case("client_assertion", {"KIND": "client_assertion", **COMMON}, 400),
    Case("jwt_bearer_grant", {"KIND": "jwt_bearer_grant", **WITH_ISSUER}, 400),
    Case("dpop", {"KIND": "dpop", "OPTIONS": {"access_token": ACCESS_TOKEN}}, 401),
    Case(
        "dpop at a token endpoint",
        {"KIND": "dpop", "OPTIONS": {"at": "token_endpoint"}},
        400,
    ),
    Case("logout_token", {"KIND": LOGOUT, **WITH_ISSUER}, 400),
    Case("security_event", {"KIND": EVENT, **WITH_ISSUER}, 202),
    Case("link", {"KIND": "link"}, 410),
)


class Kind:
    """A profile of a kind that is configured, and good tokens for it."""

    def __init__(self, case: Case, tokens: TokenFactory) -> None:
        self.case = case
        self.tokens = tokens

    def sent(self, **claims: Any) -> dict[str, Any]:
        """Return the arguments with which Django's clients post a new token to /."""
        tokens, options = self.tokens, self.case.profile.get("OPTIONS", {})
        if self.case.profile["KIND"] != "dpop":
            return tokens.request(tokens.token(**claims))
        access_token = tokens.token() if "access_token" in options else None
        proof = tokens.proof("POST", "/", access_token, **claims)
        return tokens.request(access_token, proof)

    def ticket(self) -> Ticket:
        """Return a new token, for an attempt to use it."""
        return Ticket(self.sent(), self.case.refusals)


Configure = Callable[..., Kind]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def configure_kind(request: pytest.FixtureRequest, settings: Any) -> Iterator[Configure]:
    """Give a function that configures a profile of each kind in turn, and its cache."""
    factory = TokenFactory()

    def configure(cache: dict[str, Any] | None = None, **changes: Any) -> Kind:
        settings.JTI_REPLAY = {
            "CACHES": {"default": CACHES["default"] | (cache or {})},
            "PROFILES": {"default": request.param.profile | changes},
        }
        return Kind(request.param, factory.__enter__())

    yield configure
    factory.__exit__()


@pytest.fixture
def kind(configure_kind: Configure) -> Kind:
    """A profile of each kind in turn, on the cache in memory."""
    return configure_kind()
