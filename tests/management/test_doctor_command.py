"""How ``manage.py jti_replay doctor`` shows its findings, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError

from jti_replay.management.operations import doctor
from tests.servers import free_port

from .conftest import Run, use
from .test_doctor_any_cache import BASE, MEMORY


@pytest.fixture
def two_caches(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": BASE, "local": {"BACKEND": MEMORY}}}


@pytest.fixture
def dead_redis(settings: Any) -> None:
    use(settings, f"redis://127.0.0.1:{free_port()}/0")


@pytest.mark.usefixtures("two_caches")
def test_it_shows_each_cache_and_a_summary(run: Run) -> None:
    output = run("doctor")
    assert "default (tests.management.test_doctor_any_cache.SetCache)\n  ok " in output
    assert "local (jti_replay.backends.memory.InMemoryCache)\n  warning  shared " in output
    assert "(jti_replay.W001) Each process has its own" in output
    assert "HINT: Use RedisCache" in output
    assert output.endswith("2 caches, 0 errors, 1 warning.\n")


@pytest.mark.usefixtures("two_caches")
def test_it_can_be_limited_to_one_cache(run: Run) -> None:
    output = run("doctor", "--cache", "default")
    assert "local" not in output
    assert output.endswith("1 cache, 0 errors, 0 warnings.\n")


@pytest.mark.usefixtures("two_caches")
def test_it_writes_one_json_document(run_json: Callable[..., Any]) -> None:
    document = run_json("doctor")
    assert (document["errors"], document["warnings"]) == (0, 1)
    assert set(document["caches"]) == {"default", "local"}
    local = document["caches"]["local"]
    assert local["backend"] == MEMORY
    [shared] = [finding for finding in local["findings"] if finding["key"] == "shared"]
    assert set(shared) == {"key", "value", "level", "text", "hint", "check"}
    assert (shared["value"], shared["level"]) == (False, "warning")


@pytest.mark.usefixtures("dead_redis")
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_an_error_is_a_failure_without_a_traceback(run: Any, form: list[str]) -> None:
    with pytest.raises(CommandError) as caught:
        run("doctor", *form)
    assert str(caught.value) == "1 cache, 1 error, 0 warnings."
    assert caught.value.returncode == 1
    output = run.stdout.getvalue()
    if form:
        assert json.loads(output)["errors"] == 1
    else:
        assert "error    reachable  (jti_replay.E020) " in output


@pytest.mark.usefixtures("two_caches")
def test_a_warning_is_one_on_request(run: Run) -> None:
    with pytest.raises(CommandError, match="1 warning"):
        run("doctor", "--fail-level", "WARNING")


@pytest.mark.usefixtures("two_caches")
def test_a_terminal_gets_colours() -> None:
    import io

    from django.core.management import call_command

    stdout = io.StringIO()
    call_command("jti_replay", "doctor", stdout=stdout, force_color=True)
    assert "\x1b[" in stdout.getvalue()


@pytest.mark.parametrize("name", ["doctor", "stats", "purge", "release", "reset"])
def test_an_unknown_cache_is_named_with_the_known_ones(run: Run, name: str) -> None:
    jti = ["a jti"] if name == "release" else []
    with pytest.raises(CommandError, match="no replay cache 'defualt'"):
        run(name, "--cache", "defualt", *jti)


@pytest.mark.parametrize("name", ["doctor", "stats", "purge", "release", "reset", "verify"])
def test_settings_that_cannot_work_are_told_in_words(
    run: Run, settings: Any, name: str
) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": "no.such.Cache"}},
        "PROFILES": {"default": {"KEY": "short"}},
    }
    with pytest.raises(CommandError, match=r"jti_replay\.E0"):
        run(name, *(["a jti"] if name in ("release", "verify") else []))


@pytest.mark.parametrize(
    "arguments", [[], ["doctr"], ["doctor", "--fail-level", "NOTICE"], ["release"]], ids=str
)
def test_arguments_that_mean_nothing_are_refused(run: Run, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="Error: "):
        run(*arguments)


def test_each_level_of_a_finding_has_a_limit() -> None:
    assert set(doctor.FAILS_FROM["WARNING"]) == {"error", "warning"}
