"""Good settings, changed ones, and what Django's system checks say of them."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, run_checks

SECRET = "a secret of the tests, of 32 bytes or more"
MEMORY = "jti_replay.backends.memory.InMemoryCache"
REDIS = "jti_replay.backends.redis.RedisCache"
DATABASE = "jti_replay.backends.database.DatabaseCache"


def profile(**changes: Any) -> dict[str, Any]:
    """Return a good profile, but for the changes. Ellipsis removes a setting."""
    good = {
        "ISSUER": "https://issuer.example",
        "AUDIENCE": "https://service.example",
        "ALGORITHMS": ["HS256"],
        "KEY": SECRET,
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def cache(**changes: Any) -> dict[str, Any]:
    """Return a good in-memory cache, but for the changes. Ellipsis removes a setting."""
    good = {"BACKEND": MEMORY, "TTL": 300, "OPTIONS": {"max_entries": 1000}}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def found(*, deploy: bool = False) -> list[CheckMessage]:
    """Return what all of Django's checks say, as far as it is about this app."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=deploy)
        if str(message.id).startswith("jti_replay.")
    ]
    for message in messages:
        assert message.hint
    return messages


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id).removeprefix("jti_replay.") for message in messages]
