"""An OpenID provider that runs on Node.js."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from django.http import HttpResponse, JsonResponse
from django.urls import path

from jti_replay.decorators import reserve_jti
from tests.kinds.authorization_server import CLIENT_KEY
from tests.kinds.serving import serving
from tests.tokens.tokens import CACHES

CLIENT, RESOURCE = "my-client-id", "https://api.example.com"


class Provider:
    """The process, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.issuer = self._line()

    def log_out(self, user: str) -> str:
        """Let it send a logout token, and return what became of it."""
        assert self._process.stdin
        self._process.stdin.write(f"{user}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@contextmanager
def running_provider(scripts: Path, **given: Any) -> Iterator[Provider]:
    """Start a provider, and end it by closing its input."""
    with subprocess.Popen(
        ["node", "provider.mjs", json.dumps(given)],
        cwd=scripts,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Provider(process)


@reserve_jti("api", atomic=False)
def things(request: Any) -> HttpResponse:
    return JsonResponse({"hello": request.access_token_claims["client_id"]})


def test_tokens_of_a_provider_are_taken(
    settings: Any, scripts: Path, run: Callable[..., Any]
) -> None:
    """Its bound access tokens open the resource, and its logout tokens are taken once."""
    received: list[Any] = []

    @reserve_jti("logout", atomic=False)
    def logout(request: Any) -> HttpResponse:
        received.append(request)
        return HttpResponse()

    with (
        serving(settings, [path("things", things), path("logout", logout)]) as origin,
        running_provider(
            scripts,
            client=CLIENT,
            key=CLIENT_KEY.export_public(as_dict=True),
            resource=RESOURCE,
            logout=f"{origin}/logout",
        ) as provider,
    ):
        keys = {"ISSUER": provider.issuer, "ALGORITHMS": ["RS256"]}
        options = {"access_token": keys | {"AUDIENCE": RESOURCE}}
        settings.JTI_REPLAY = {
            "CACHES": CACHES,
            "PROFILES": {
                "api": {"KIND": "dpop", "OPTIONS": options},
                "logout": keys | {"KIND": "logout_token", "AUDIENCE": CLIENT},
            },
        }
        found = run(
            "oauth4webapi.mjs",
            server={"issuer": provider.issuer, "token_endpoint": f"{provider.issuer}/token"},
            client={"client_id": CLIENT},
            key=CLIENT_KEY.export(as_dict=True),
            parameters={"resource": RESOURCE},
            resource=f"{origin}/things",
        )
        hello = [200, {"hello": CLIENT}]
        assert found["answers"] == [hello, hello, [401, "invalid_dpop_proof"]]

        assert provider.log_out("user 1") == "taken"
        [request] = received
        assert request.jwt_header["typ"] == "logout+jwt"
        assert request.jwt_claims["sid"] == "session 1"
        again = requests.post(f"{origin}/logout", data=request.POST.dict(), timeout=5)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
        assert len(received) == 1
