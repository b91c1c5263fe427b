"""``manage.py jti_replay purge``."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jti_replay import replay_caches
from jti_replay.models import ReservedJTI

from .conftest import DATABASE, Run
from .test_doctor_any_cache import MEMORY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _expired_rows(settings: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": {"BACKEND": DATABASE}, "local": {"BACKEND": MEMORY}}
    }
    assert replay_caches["default"].reserve("a")
    for number in range(5):
        ReservedJTI.objects.create(digest=bytes([number]) * 16, owner=1, expires_at=1)


@pytest.mark.parametrize("arguments", [[], ["--cache", "default"], ["--batch", "2"]], ids=str)
def test_it_deletes_what_has_expired_and_nothing_else(run: Run, arguments: list[str]) -> None:
    assert run("purge", *arguments) == "default: 5 rows purged, 1 are live.\n"
    assert ReservedJTI.objects.count() == 1


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    call_command("jti_replay", "purge", "--batch", "1", stdout=io.StringIO(), stderr=stderr)
    assert stderr.getvalue() == ""
    for number in range(4):
        ReservedJTI.objects.create(digest=bytes([number]) * 16, owner=1, expires_at=1)
    monkeypatch.setattr(stderr, "isatty", lambda: True)
    call_command("jti_replay", "purge", "--batch", "4", stdout=io.StringIO(), stderr=stderr)
    assert stderr.getvalue() == ""
    for number in range(4):
        ReservedJTI.objects.create(digest=bytes([number]) * 16, owner=1, expires_at=1)
    call_command("jti_replay", "purge", "--batch", "2", stdout=io.StringIO(), stderr=stderr)
    assert "[###############               ]  50%" in stderr.getvalue()
    assert stderr.getvalue().endswith("[##############################] 100%\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--cache", "local"], "local: It forgets expired entries by itself"),
        (["--batch", "0"], "must be from 1 to 1_000_000"),
        (["--batch", "1000001"], "must be from 1 to 1_000_000"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run("purge", *arguments)
