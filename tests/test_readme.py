"""What the README and the docs say is true of the code, and what they show runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from jti_replay import checks, replay_cache, signals
from jti_replay.backends import checks as caches
from jti_replay.backends.database import DatabaseCache
from jti_replay.backends.memory import InMemoryCache
from jti_replay.backends.redis import RedisCache
from jti_replay.profiles import checks as profiles

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if not page.is_symlink()
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def blocks_of(name: str, beginning: str) -> list[str]:
    return [code for _, code in BLOCK.findall(text_of(name)) if code.startswith(beginning)]


def test_the_quick_start_works_when_it_is_pasted(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables.pop("DJANGO_SETTINGS_MODULE", None)

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    python("-m", "django", "startproject", "quickstart", ".")
    for name in ("settings", "urls"):
        with (tmp_path / "quickstart" / f"{name}.py").open("a") as file:
            file.write(blocks_of("README.md", f"# {name}.py")[0])
    (tmp_path / "mint.py").write_text(blocks_of("README.md", "# mint.py")[0])
    (tmp_path / "twice.py").write_text(
        "import sys\n"
        "from django.test import Client\n"
        "client = Client(enforce_csrf_checks=True, SERVER_NAME='localhost')\n"
        "for token in sys.stdin.read().split() * 2:\n"
        "    headers = {'Authorization': f'Bearer {token}'}\n"
        "    answer = client.post('/exchange', headers=headers)\n"
        "    print(answer.status_code, answer.content.decode())\n"
    )
    assert "no issues" in python("manage.py", "check")
    sent = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", (tmp_path / "twice.py").read_text()],
        cwd=tmp_path,
        env=variables,
        input=python("mint.py"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    first, second = sent.stdout.strip().splitlines()[-2:]
    assert first == '200 {"hello": "job 42"}'
    assert second.startswith("401 ")
    assert "already been used" in second


SETTINGS_BLOCKS = [
    pytest.param(code, id=f"{document.name}-{number}")
    for document in DOCUMENTS
    for number, code in enumerate(blocks_of(str(document.relative_to(ROOT)), "# settings.py"))
]


@pytest.mark.parametrize("code", SETTINGS_BLOCKS)
def test_the_settings_that_are_shown_pass_the_checks(code: str, settings: Any) -> None:
    names: dict[str, Any] = {"INSTALLED_APPS": []}
    exec(code, names)
    for name in filter(str.isupper, names):
        if name not in ("INSTALLED_APPS", "DATABASES"):
            setattr(settings, name, names[name])
    found = run_checks(include_deployment_checks=True)
    of_ours = {message.id for message in found if str(message.id).startswith("jti_replay")}
    assert of_ours == ({"jti_replay.W001"} if replay_cache.is_shared is False else set())


def test_the_backend_that_is_shown_passes_the_conformance_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (backend,) = blocks_of("docs/how-to/own-backend.md", "# my_backend.py")
    (its_test,) = blocks_of("docs/how-to/own-backend.md", "# test_my_backend.py")
    (tmp_path / "my_backend.py").write_text(backend)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {"__name__": "test_my_backend"}
    exec(its_test, names)
    tests = unittest.defaultTestLoader.loadTestsFromTestCase(names["DictCacheTests"])
    result = unittest.TestResult()
    tests.run(result)
    assert result.testsRun > 10
    assert [trace for _, trace in result.errors + result.failures] == []


def test_the_receiver_that_is_shown_hears_of_a_replay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (code,) = blocks_of("docs/reference/signals.md", "import logging")
    names: dict[str, Any] = {"__name__": "alarm"}
    exec(code, names)
    try:
        replay_cache.reserve("a jti that comes back", namespace="ci")
        assert replay_cache.reserve("a jti that comes back", namespace="ci") is None
    finally:
        signals.jti_replayed.disconnect(names["alarm"])
    assert "of 'ci' from unknown" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_function_that_reserves_by_hand_works() -> None:
    (code,) = blocks_of("docs/topics/rollback.md", "from django.db import transaction")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["redeem"]("a voucher", None) is True
    assert names["redeem"]("a voucher", None) is False


def test_the_async_view_that_is_shown_can_be_defined() -> None:
    (code,) = blocks_of("docs/topics/rollback.md", "from asgiref")
    exec(code, {})


def test_every_check_is_documented_and_no_other() -> None:
    package = Path(checks.__file__).parent
    source = "".join(path.read_text() for path in package.rglob("*.py"))
    ids = set(re.findall(r'"(jti_replay\.[EW]\d{3})"', source))
    assert set(re.findall(r"jti_replay\.[EW]\d{3}", text_of("docs/reference/checks.md"))) == ids


def test_the_purge_is_as_documented() -> None:
    from jti_replay.backends.database.purging import INTERVAL
    from jti_replay.backends.store import PURGE_BATCH

    sentence = f"up to {PURGE_BATCH} of them after every {INTERVAL} reserves"
    assert sentence in text_of("docs/how-to/database.md")


def test_every_setting_is_documented() -> None:
    known = {*caches.KNOWN_KEYS, *profiles.KNOWN_KEYS}
    for backend in (DatabaseCache, InMemoryCache, RedisCache):
        known |= backend.known_options
    for document in ("README.md", "docs/reference/settings.md"):
        assert [name for name in known if name not in text_of(document)] == []


def test_the_defaults_are_as_documented() -> None:
    from jti_replay.backends.database.options import DatabaseOptions
    from jti_replay.backends.memory import cache as memory
    from jti_replay.backends.redis.options import RedisOptions
    from jti_replay.backends.store import DEFAULT_TTL
    from jti_replay.profiles.rules import DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME

    for row in (
        f"| `TTL` | seconds | `{DEFAULT_TTL}` |",
        f"`max_entries` (int, `{memory.DEFAULT_MAX_ENTRIES:_}`)",
        f'`prefix` (str, `"{RedisOptions().prefix}"`)',
        f"`timeout` (seconds, `{RedisOptions().timeout}`)",
        f"`join` (bool, `True`), `timeout` (seconds, `{DatabaseOptions().timeout}`)",
        f"| `LEEWAY` | seconds | `{DEFAULT_LEEWAY}` |",
        f"| `MAX_LIFETIME` | seconds | `{DEFAULT_MAX_LIFETIME}` |",
    ):
        assert row in text_of("README.md")


def test_the_times_of_key_fetches_are_as_documented() -> None:
    from jti_replay.tokens import jwks
    from jti_replay.tokens.jwks_options import DEFAULT_OPTIONS

    for seconds, meaning in (
        (DEFAULT_OPTIONS.timeout, "a fetch is given up"),
        (DEFAULT_OPTIONS.lifespan * jwks.REFRESH_AT, "keys older than this are fetched again"),
        (DEFAULT_OPTIONS.lifespan, "keys older than this are not trusted"),
        (jwks.MISS_COOLDOWN, "a rotated key is picked up"),
        (jwks.FAILURE_COOLDOWN, "pause after a fetch that failed"),
    ):
        assert f"| {seconds:g} s | {meaning}" in text_of("docs/reference/settings.md")


def test_every_signal_is_documented() -> None:
    names = [name for name, value in vars(signals).items() if hasattr(value, "send_robust")]
    names.remove("Signal")
    for document in ("README.md", "docs/reference/signals.md"):
        assert [name for name in names if f"`{name}`" not in text_of(document)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    "name",
    [
        *("backends", "checks", "commands", "database", "performance", "redis"),
        *("reliability", "rollback", "scale", "settings", "signals"),
    ],
)
def test_a_page_is_also_where_it_stood_before(name: str) -> None:
    """Links from elsewhere still lead to it."""
    assert text_of(f"docs/{name}.md").startswith("# ")
