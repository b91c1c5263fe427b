"""``manage.py jti_replay release``."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
import redis
from django.core.management import CommandError

from jti_replay import replay_cache, signals

from .conftest import Run, url_of, use


class BrokenText(io.StringIO):
    def read(self, size: int | None = -1) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def test_it_frees_a_jti_by_its_name(
    run: Run, own_redis: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, url_of(own_redis))
    reservation = replay_cache.reserve("a", namespace="ci")
    assert reservation
    heard: list[Any] = []

    def hear(**kwargs: Any) -> None:
        heard.append(kwargs["digest"])

    signals.jti_released.connect(hear)
    try:
        output = run("release", "--namespace", "ci", "a")
    finally:
        signals.jti_released.disconnect(hear)
    assert output == f"Released {reservation.digest} of namespace 'ci' in 'default'.\n"
    assert heard == [reservation.digest]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("jti_replay", logging.WARNING)
    assert f"namespace='ci' digest={reservation.digest}" in record.getMessage()
    assert replay_cache.reserve("a", namespace="ci")


@pytest.mark.parametrize("text", ["-- a\n", "-- a", "-- a\r\n"], ids=ascii)
def test_a_jti_can_come_from_standard_input(
    run: Run, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert replay_cache.reserve("-- a")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run("release", "-").startswith("Released ")


def test_one_that_is_not_reserved_is_a_failure(
    run: Run, own_redis: redis.Redis, settings: Any
) -> None:
    use(settings, url_of(own_redis))
    replay_cache.reserve("a")
    with pytest.raises(CommandError, match=r"of namespace 'ci' is in 'default'\.$") as caught:
        run("release", "--namespace", "ci", "a")
    assert caught.value.returncode == 1


def test_one_in_the_memory_of_other_processes_is_out_of_reach(run: Run) -> None:
    with pytest.raises(CommandError, match="out of reach"):
        run("release", "a jti that nobody has reserved")


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        (io.StringIO(""), "no jti on standard input"),
        (io.StringIO("\n"), "no jti on standard input"),
        (BrokenText(), "is no text"),
    ],
)
def test_what_is_no_jti_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO, reason: str
) -> None:
    with pytest.raises(CommandError, match="must not be empty"):
        run("release", "")
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(CommandError, match=reason):
        run("release", "-")
