"""The example project over real HTTP, and the demo that drives it."""

from __future__ import annotations

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


@pytest.fixture(scope="module", params=["memory", "redis"])
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The example project, served by a process of its own."""
    variables = dict(VARIABLES)
    variables.pop("JTI_REPLAY_REDIS_URL", None)
    if request.param == "redis":
        variables["JTI_REPLAY_REDIS_URL"] = request.getfixturevalue("redis_url")
    project = demo.Example(sys.executable, variables, tmp_path_factory.mktemp("example"))
    with project.running():
        project.tokens = iter(project.mint(10))
        yield project


def audited(example: Any) -> list[str]:
    return [row["jti"] for row in example.get("/audit")["rows"]]


def test_a_token_is_exchanged_once(example: Any) -> None:
    token = next(example.tokens)
    status, headers, body = example.exchange(token)
    assert (status, body["token_type"], headers["Cache-Control"]) == (200, "Bearer", "no-store")
    status, headers, body = example.exchange(token)
    assert (status, body["error"]) == (401, "invalid_token")
    assert "already been used" in headers["WWW-Authenticate"]
    assert audited(example).count(demo.jti_of(token)) == 1


def test_a_token_whose_work_failed_is_exchanged_at_the_retry(example: Any) -> None:
    token = next(example.tokens)
    assert example.exchange(token, fail=True)[0] == 500
    assert demo.jti_of(token) not in audited(example)
    assert example.exchange(token)[0] == 200
    assert demo.jti_of(token) in audited(example)
    assert example.exchange(token)[0] == 401


def test_work_that_would_fail_does_not_free_a_spent_token(example: Any) -> None:
    token = next(example.tokens)
    assert example.exchange(token)[0] == 200
    assert example.exchange(token, fail=True)[0] == 401
    assert example.exchange(token)[0] == 401


def test_of_many_requests_at_once_one_is_accepted(example: Any) -> None:
    token = next(example.tokens)
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer[0] for answer in pool.map(example.exchange, [token] * 8)]
    assert sorted(statuses) == [200] + [401] * 7
    assert audited(example).count(demo.jti_of(token)) == 1


def test_a_get_does_not_use_a_token_up(example: Any) -> None:
    token = next(example.tokens)
    headers = {"Authorization": f"Bearer {token}"}
    assert example.request("GET", "/exchange", None, headers)[0] == 405
    assert example.exchange(token)[0] == 200


def test_a_request_without_a_token_learns_the_scheme(example: Any) -> None:
    status, headers, body = example.exchange(None)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert body["error"] == "missing_token"


def test_the_log_of_the_server_holds_no_token(example: Any) -> None:
    token = next(example.tokens)
    for fail in (True, False, False):
        example.exchange(token, fail=fail)
    log = example.log.read_text()
    assert "WorkFailed" in log
    assert "Refused a replayed jti" in log
    assert not any(part in log for part in token.split("."))


def test_the_settings_of_the_example_pass_the_checks(example: Any) -> None:
    assert "no issues" in example.run("check")


def test_its_key_is_not_for_others_to_read(example: Any) -> None:
    assert (example.log.parent / "issuer.pem").stat().st_mode & 0o077 == 0


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo use this environment, instead of installing one."""
    variables = {k: v for k, v in VARIABLES.items() if k != "JTI_REPLAY_REDIS_URL"}
    monkeypatch.setattr(demo, "prepare_environment", lambda: (sys.executable, variables))
    monkeypatch.setattr(demo.signal, "signal", lambda *args: None)
    monkeypatch.setattr(sys, "argv", ["scripts/demo"])


@pytest.mark.usefixtures("here")
def test_the_demo_tells_what_happens_and_shows_no_token(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    minted: list[str] = []
    mint = demo.Example.mint
    monkeypatch.setattr(
        demo.Example, "mint", lambda *args: minted.extend(mint(*args)) or minted
    )
    assert demo.main() == 0
    transcript = capfd.readouterr().out
    assert transcript.isascii()
    assert "BAD" not in transcript
    assert "\033" not in transcript
    assert "as promised" in transcript.splitlines()[-1]
    assert not any(part in transcript for token in minted for part in token.split("."))


@pytest.mark.usefixtures("here")
def test_the_demo_fails_if_a_replay_is_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(demo.EXAMPLE, tmp_path / "example"))
    views = copy / "exchange" / "views.py"
    releasing = "request.jti_reservation.release(); return JsonResponse(credential"
    views.write_text(views.read_text().replace("return JsonResponse(credential", releasing))
    monkeypatch.setattr(demo, "EXAMPLE", copy)
    assert demo.main() == 1
    transcript = capfd.readouterr().out
    assert "BAD  the same again" in transcript
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
    stopped.port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        stopped.get("/audit")


def test_the_demo_helps_without_installing_anything() -> None:
    helped = subprocess.run(
        [DEMO, "--help"], capture_output=True, text=True, env=VARIABLES, check=True
    )
    assert "--serve" in helped.stdout
