"""The log of caches: a replay, a failure, and never a jti in full."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from jti_replay import CacheError, CacheFull, replay_cache
from jti_replay.signals import jti_replayed
from tests.reservation.names import DIGEST, JTI, NAMESPACE
from tests.rollback.signals import connected

pytestmark = pytest.mark.usefixtures("cache_of_two")

Call = Callable[..., Any]


def only_record(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    [record] = caplog.records
    assert record.name == "jti_replay"
    return record


def assert_names_it_safely(message: str) -> None:
    assert repr(NAMESPACE) in message
    assert message.isprintable()
    assert DIGEST in message
    assert JTI not in message


def test_a_reserve_and_a_release_log_nothing(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jti_replay")
    call(call(replay_cache, "reserve", JTI), "release")
    assert caplog.records == []


def test_a_replay_is_a_warning(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    replay_cache.reserve(JTI, namespace=NAMESPACE)
    call(replay_cache, "reserve", JTI, namespace=NAMESPACE, profile="c\ni")
    record = only_record(caplog)
    assert record.levelno == logging.WARNING
    assert_names_it_safely(record.getMessage())
    assert r"profile='c\ni'" in record.getMessage()
    assert "'default'" in record.getMessage()


def test_a_replay_that_is_signalled_is_logged_too(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    """Receivers do not replace the log."""

    def receiver(**kwargs: Any) -> None:
        """Do nothing."""

    replay_cache.reserve(JTI, namespace=NAMESPACE)
    with connected(jti_replayed, receiver):
        call(replay_cache, "reserve", JTI, namespace=NAMESPACE)
    assert_names_it_safely(only_record(caplog).getMessage())


@pytest.mark.parametrize("operation", ["reserve", "release"])
def test_a_failure_is_an_error(
    call: Call, caplog: pytest.LogCaptureFixture, operation: str, settings: Any
) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": {"BACKEND": "tests.backends.flawed.Down"}}}
    with pytest.raises(CacheError):
        call(replay_cache, operation, JTI, namespace=NAMESPACE)
    record = only_record(caplog)
    assert record.levelno == logging.ERROR
    assert_names_it_safely(record.getMessage())
    assert f"failed to {operation}" in record.getMessage()
    assert "OSError: down" in record.getMessage()


def test_a_full_cache_is_an_error(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    replay_cache.reserve("1")
    replay_cache.reserve("2")
    with pytest.raises(CacheFull):
        call(replay_cache, "reserve", JTI, namespace=NAMESPACE)
    record = only_record(caplog)
    assert record.levelno == logging.ERROR
    assert_names_it_safely(record.getMessage())
