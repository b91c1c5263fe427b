"""What ``manage.py check --deploy`` warns of, and that a check asks nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING, CheckMessage

from tests.tokens.issuer import Issuer

from .configurations import DATABASE, MEMORY, REDIS, cache, ids, profile

Check = Callable[..., list[CheckMessage]]


@pytest.fixture(autouse=True)
def _django_redis(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://[::1]:1"}
    }


def test_a_safe_configuration_gives_nothing(check: Check) -> None:
    value = {
        "CACHES": {"default": {"BACKEND": REDIS, "LOCATION": "default"}},
        "PROFILES": {"default": profile(), "ci": profile(ISSUER=["a", "b"])},
    }
    assert check(value, deploy=True) == []


def test_the_memory_of_one_process_is_warned_of(check: Check) -> None:
    value = {"CACHES": {"default": {"BACKEND": REDIS}, "local": cache()}}
    [message] = check(value, deploy=True)
    assert ids([message]) == ["W001"]
    assert message.level == WARNING
    assert "'local'" in message.msg
    assert check(value) == []


def test_so_is_that_of_the_default_cache(check: Check) -> None:
    assert ids(check({}, deploy=True)) == ["W001"]


@pytest.mark.parametrize(("key", "expected"), [("AUDIENCE", "W002"), ("ISSUER", "W003")])
def test_a_profile_that_accepts_too_much_is_warned_of(
    check: Check, key: str, expected: str
) -> None:
    value = {
        "CACHES": {"default": {"BACKEND": REDIS}},
        "PROFILES": {"default": profile(), "loose": profile(**{key: ...})},
    }
    [message] = check(value, deploy=True)
    assert ids([message]) == [expected]
    assert message.level == WARNING
    assert "'loose'" in message.msg
    assert message.hint == f"Set {key}."
    assert check(value) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", ["E001"]),
        ({"CACHES": None, "PROFILES": None}, ["E001", "E001"]),
        ({"CACHES": {"default": None}}, ["E001"]),
        ({"CACHES": {"default": {"BACKEND": "no.such.Cache"}}}, ["E004"]),
        ({"CACHES": {"default": {"BACKEND": REDIS}}, "PROFILES": {"a": None}}, ["E001"]),
    ],
)
def test_what_is_refused_is_not_warned_of(check: Check, value: Any, expected: Any) -> None:
    assert ids(check(value, deploy=True)) == expected


# The command itself.

MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"

def refuse_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
        print("NETWORK", event, arguments)
        os._exit(9)

sys.addaudithook(refuse_network)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def manage(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs ``manage.py`` of a site, which ends at any network access."""
    (tmp_path / "manage.py").write_text(MANAGE)

    def manage(setting: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "site_settings.py").write_text(
            "SECRET_KEY = 'x' * 60\n"
            "INSTALLED_APPS = ['jti_replay']\n"
            "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache',"
            " 'LOCATION': 'redis://127.0.0.1:1/0'}}\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql',"
            " 'NAME': 'x', 'HOST': '127.0.0.1', 'PORT': 1}}\n"
            f"JTI_REPLAY = {setting!r}\n"
        )
        root = str(Path(__file__).parent.parent.parent)
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return manage


def test_a_check_asks_neither_issuer_nor_store(manage: Callable[..., Any]) -> None:
    with Issuer() as issuer:
        published = profile(KEY=..., JWKS_URL=issuer.url, ALGORITHMS=["RS256"])
        value = {
            "CACHES": {
                "default": {"BACKEND": REDIS},
                "local": {"BACKEND": MEMORY},
                "rows": {"BACKEND": DATABASE},
            },
            "PROFILES": {"default": profile(), "published": published},
        }
        done = manage(value, "check", "--deploy")
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "NETWORK" not in done.stdout
        assert "jti_replay.W001" in done.stderr
        assert "jti_replay.E" not in done.stderr
        assert issuer.fetches == 0


def test_a_check_fails_for_a_setting_that_cannot_work(manage: Callable[..., Any]) -> None:
    done = manage({"PROFILES": {"default": profile(ALGORITHMS="HS256")}}, "check")
    assert done.returncode == 1
    assert "(jti_replay.E008)" in done.stderr
    assert "HINT" in done.stderr
