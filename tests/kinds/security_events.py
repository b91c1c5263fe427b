"""Security events of a feed, for the tests."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponse

from tests.tokens.tokens import SECRET, signed

ISSUER, RECEIVER = "https://transmitter.example.com", "https://receiver.example.com"
EVENT = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


TYPE = "application/secevent+jwt"


PROFILE: dict[str, Any] = {
    "KIND": "security_event",
    "ISSUER": ISSUER,
    "AUDIENCE": RECEIVER,
    "ALGORITHMS": ["HS256"],
    "KEY": SECRET,
}


def event(header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": RECEIVER,
        "iat": int(time.time()),
        "events": {EVENT: {"reason": "x"}},
    }
    key = changes.pop("key", SECRET)
    claims |= {"jti": f"jti {time.perf_counter_ns()}"} | changes
    claims = {name: value for name, value in claims.items() if value is not ...}
    return signed(claims, key=key, header={"typ": "secevent+jwt"} | (header or {}))


def accepted(request: Any) -> HttpResponse:
    return HttpResponse(status=202)
