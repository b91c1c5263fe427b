"""What the answers to a request must look like."""

from __future__ import annotations

import json
from typing import Any

from jti_replay import replay_cache

from .doors import Inside


def assert_inside(response: Any) -> None:
    assert isinstance(response, Inside), (response.status_code, response.content)


def assert_invalid(response: Any, description: str | None = None) -> None:
    """The token was refused, by RFC 6750 3.1."""
    assert response.status_code == 401, response.content
    body = json.loads(response.content)
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == "invalid_token"
    if description is not None:
        assert body["error_description"] == description
    assert response.headers["WWW-Authenticate"] == (
        f'Bearer error="invalid_token", error_description="{body["error_description"]}"'
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert "Retry-After" not in response.headers


def assert_missing(response: Any) -> None:
    """No token was seen."""
    assert response.status_code == 401
    body = json.loads(response.content)
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == "missing_token"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Cache-Control"] == "no-store"


def assert_unavailable(response: Any) -> None:
    """The token could not be judged."""
    assert response.status_code == 503, response.content
    body = json.loads(response.content)
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == "temporarily_unavailable"
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Cache-Control"] == "no-store"
    assert "WWW-Authenticate" not in response.headers


def assert_nothing_reserved() -> None:
    assert replay_cache.count() == 0
