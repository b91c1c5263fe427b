"""What the README and the docs say is true of the code, and what they show runs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jti_replay import checks, replay_cache, signals
from jti_replay.backends import checks as caches
from jti_replay.backends.database import DatabaseCache
from jti_replay.backends.memory import InMemoryCache
from jti_replay.backends.redis import RedisCache
from jti_replay.profiles import checks as profiles

from .pages import DOCUMENTS, blocks_of, text_of


def test_a_kind_of_ones_own_takes_20_lines() -> None:
    """That it works, the session on its page shows."""
    (code,) = blocks_of("docs/how-to/own-kind.md", "# shop/vouchers.py")
    assert len([line for line in code.splitlines()[1:] if line.strip()]) <= 20


@pytest.mark.parametrize(
    ("beginning", "test"),
    [
        ("# shop/tests.py", "test_a_token_deploys_once"),
        ("# test_deploy.py", "test_a_token_is_remembered"),
    ],
    ids=["Django", "pytest"],
)
def test_a_test_of_a_project_takes_six_lines(beginning: str, test: str) -> None:
    """That it passes, the page shows."""
    (code,) = blocks_of("docs/how-to/testing.md", beginning)
    (function,) = (
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef) and node.name == test
    )
    written = ast.unparse(function).splitlines()
    assert len(written) <= 6
    assert any("tokens.request(tokens.token(" in line for line in written)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/recipes.md"])
def test_the_figures_of_a_cache_that_forgets(page: str) -> None:
    """They are those that were measured."""
    results = json.loads(text_of("benchmarks/results/reliability.json"))["results"]
    twice = {
        run["fault"]: f"{run['accepted_twice']:,}"
        for run in results
        if (run["setup"], run["through"], run["tokens"]) == ("plain", "direct", 2000)
    }
    assert f"{twice['Redis evicts']} " in text_of(page)
    if page == "README.md":
        assert f"{twice['Redis evicts']} of 2,000 tokens" in text_of(page)
        assert f"{twice['Redis killed']} when it was killed" in text_of(page)


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
    page = text_of("docs/reference/settings.md")
    assert [name for name in known if name not in page] == []


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
        assert row in text_of("docs/reference/settings.md")


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
    page = text_of("docs/reference/signals.md")
    assert [name for name in names if f"`{name}`" not in page] == []


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
