"""The example project over real HTTP, and the demo that drives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jwt
import pytest

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "scripts" / "demo"
VARIABLES = {**os.environ, "PYTHONPATH": str(ROOT)}
VARIABLES.pop("DJANGO_SETTINGS_MODULE", None)


def load_demo() -> ModuleType:
    loader = SourceFileLoader("demo", str(DEMO))
    spec = spec_from_loader("demo", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


demo: Any = load_demo()


class Client:
    """A client of the example project over HTTP."""

    def __init__(self, example: Any, tokens: list[str]) -> None:
        self.example = example
        self.tokens = iter(tokens)

    def exchange(self, token: str | None, *, fail: bool = False) -> tuple[int, Any, Any]:
        """Return status, headers and JSON of a POST with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.send("POST", f"/exchange{'?fail=1' if fail else ''}", headers)

    def send(self, method: str, path: str, headers: Any = None) -> tuple[int, Any, Any]:
        """Return status, headers and JSON of an answer."""
        request = Request(f"{self.example.url}{path}", method=method, headers=headers or {})
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.load(answer)
        except HTTPError as answer:
            with answer:
                is_json = answer.headers.get_content_type() == "application/json"
                return answer.code, answer.headers, json.load(answer) if is_json else {}

    def audited(self) -> list[str]:
        """Return the jtis of all tokens that were taken."""
        return [row["jti"] for row in self.send("GET", "/audit")[2]["rows"]]


@pytest.fixture(scope="module", params=["memory", "redis"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of the example project, which is served by a process of its own."""
    variables = dict(VARIABLES)
    variables.pop("JTI_REPLAY_REDIS_URL", None)
    if request.param == "redis":
        variables["JTI_REPLAY_REDIS_URL"] = request.getfixturevalue("redis_url")
    example = demo.Example(sys.executable, variables, tmp_path_factory.mktemp("example"))
    with example.running():
        yield Client(example, example.run("mint", "--count=10").split())


def jti_of(token: str) -> str:
    """Return the jti that a token claims."""
    jti: str = jwt.decode(token, options={"verify_signature": False})["jti"]
    return jti


def test_a_token_is_exchanged_once(client: Client) -> None:
    token = next(client.tokens)
    status, headers, body = client.exchange(token)
    assert (status, body["token_type"], headers["Cache-Control"]) == (200, "Bearer", "no-store")
    status, headers, body = client.exchange(token)
    assert (status, body["error"]) == (401, "invalid_token")
    assert "already been used" in headers["WWW-Authenticate"]
    assert client.audited().count(jti_of(token)) == 1


def test_a_token_whose_work_failed_is_exchanged_at_the_retry(client: Client) -> None:
    token = next(client.tokens)
    assert client.exchange(token, fail=True)[0] == 500
    assert jti_of(token) not in client.audited()
    assert client.exchange(token)[0] == 200
    assert jti_of(token) in client.audited()
    assert client.exchange(token)[0] == 401


def test_work_that_would_fail_does_not_free_a_spent_token(client: Client) -> None:
    token = next(client.tokens)
    assert client.exchange(token)[0] == 200
    assert client.exchange(token, fail=True)[0] == 401
    assert client.exchange(token)[0] == 401


def test_of_many_requests_at_once_one_is_accepted(client: Client) -> None:
    token = next(client.tokens)
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer[0] for answer in pool.map(client.exchange, [token] * 8)]
    assert sorted(statuses) == [200] + [401] * 7
    assert client.audited().count(jti_of(token)) == 1


def test_a_get_does_not_use_a_token_up(client: Client) -> None:
    token = next(client.tokens)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.send("GET", "/exchange", headers)[0] == 405
    assert client.exchange(token)[0] == 200


def test_a_request_without_a_token_learns_the_scheme(client: Client) -> None:
    status, headers, body = client.exchange(None)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert body["error"] == "missing_token"


def test_the_log_of_the_server_holds_no_token(client: Client) -> None:
    """Neither of a request that is refused or fails, nor of a link, which has it in its URL."""
    assert "as promised" in client.example.run("tour")
    log = client.example.log.read_text()
    assert "WorkFailed" in log
    assert "Refused a replayed jti" in log
    assert "POST /invitation?..." in log
    assert "eyJ" not in log


def test_the_settings_of_the_example_pass_the_checks(client: Client) -> None:
    assert "no issues" in client.example.run("check")


def test_its_key_is_not_for_others_to_read(client: Client) -> None:
    assert (client.example.log.parent / "issuer.pem").stat().st_mode & 0o077 == 0


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo use this environment, instead of installing one."""
    variables = {k: v for k, v in VARIABLES.items() if k != "JTI_REPLAY_REDIS_URL"}
    monkeypatch.setattr(demo, "prepare_environment", lambda: (sys.executable, variables))
    monkeypatch.setattr(demo.signal, "signal", lambda *args: None)
    monkeypatch.setattr(sys, "argv", ["scripts/demo"])


KINDS = (
    "bearer",
    "client assertion",
    "JWT bearer grant",
    "logout token",
    "security event",
    "DPoP proof",
    "one-time link",
)


@pytest.mark.usefixtures("here")
def test_the_demo_visits_each_kind(capfd: pytest.CaptureFixture[str]) -> None:
    """It says what each answer means, in one screen, and shows no token."""
    assert demo.main() == 0
    transcript = capfd.readouterr().out
    assert transcript.isascii()
    assert "BAD" not in transcript
    assert "\033" not in transcript
    assert "eyJ" not in transcript
    assert "as promised" in transcript.splitlines()[-1]
    assert len(transcript.splitlines()) <= 45
    for kind in KINDS:
        assert transcript.count(f"ok  {kind} ") >= 4
        assert f"ok  {kind:<16} its work fails         500" in transcript


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["bearer", "security_event"])
def test_the_demo_fails_if_a_replay_is_accepted(
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A view that gives the jti back is found out, whatever the status of a duplicate is."""
    copy = Path(shutil.copytree(demo.EXAMPLE, tmp_path / "example"))
    view = copy / "exchange" / "views" / f"{kind}.py"
    releasing = "work(request)\n    request.jti_reservation.release()"
    view.write_text(view.read_text().replace("work(request)", releasing))
    monkeypatch.setattr(demo, "EXAMPLE", copy)
    assert demo.main() == 1
    transcript = capfd.readouterr().out
    assert "BAD" in transcript
    assert "not as promised" in transcript


@pytest.mark.usefixtures("here")
def test_the_demo_says_why_its_server_did_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(demo.EXAMPLE, tmp_path / "example"))
    (copy / "example" / "urls.py").write_text("import what_is_not_there\n")
    monkeypatch.setattr(demo, "EXAMPLE", copy)
    with pytest.raises(SystemExit, match="what_is_not_there"):
        demo.main()


SERVE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.test_example import VARIABLES, demo
demo.prepare_environment = lambda: (sys.executable, VARIABLES)
sys.argv = ["scripts/demo", "--serve"]
sys.exit(demo.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_it_is_stopped_and_leaves_nothing(
    number: signal.Signals, tmp_path: Path
) -> None:
    variables = {**VARIABLES, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], env=variables, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().split()[-1]
        while "Ctrl-C" not in serving.stdout.readline():
            assert serving.poll() is None
        assert any(tmp_path.iterdir())
        serving.send_signal(number)
        assert serving.wait(timeout=15) == 0
    assert not any(tmp_path.iterdir())
    stopped = demo.Example(sys.executable, VARIABLES, tmp_path)
    stopped.port = int(url.rstrip("/").rpartition(":")[2])
    assert not stopped.answers()


def test_the_demo_helps_without_installing_anything() -> None:
    helped = subprocess.run(
        [DEMO, "--help"], capture_output=True, text=True, env=VARIABLES, check=True
    )
    assert "--serve" in helped.stdout
