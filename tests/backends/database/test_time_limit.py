"""A limit of time ends the wait of its own connection, and of nothing else."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from django.db import OperationalError

from jti_replay.backends.database import time_limit
from jti_replay.backends.database.time_limit import TimeLimit

LIMIT = 20


class Raw:
    """What a driver gives, over sockets whose other ends a test holds."""

    def __init__(self, *sockets: socket.socket) -> None:
        self.sockets = list(sockets)
        self.cancelled = threading.Event()

    def fileno(self) -> int:
        return (self.sockets.pop(0) if len(self.sockets) > 1 else self.sockets[0]).fileno()

    def cancel(self) -> None:
        self.cancelled.set()


def read_and_fail(connection: socket.socket) -> NoReturn:
    """Do as a driver whose socket is shut down."""
    assert connection.recv(1) == b""
    raise OSError("the connection is lost")


def wrapper(raw: Any, vendor: str = "postgresql") -> Any:
    return SimpleNamespace(vendor=vendor, alias="default", connection=raw)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "CUT_AFTER", 0.05)


def test_a_connection_that_does_not_obey_is_shut() -> None:
    """A cancellation comes first, and the socket is shut when it does not help."""
    here, there = socket.socketpair()
    raw = Raw(here)
    with here, there:
        there.settimeout(LIMIT)
        limit = TimeLimit(0.05, wrapper(raw))
        with pytest.raises(OperationalError, match=r"'default' .* within 0\.05 s"), limit:
            read_and_fail(there)
        assert raw.cancelled.is_set()
        assert limit.is_exceeded


def test_a_connection_that_is_made_late_is_shut_too() -> None:
    """A block that connects when its time is over does not begin to wait."""
    here, there = socket.socketpair()
    late = wrapper(None)
    with here, there:
        there.settimeout(LIMIT)
        with TimeLimit(0, late):
            threading.Event().wait(0.2)
            late.connection = Raw(here)
            assert there.recv(1) == b""


def test_a_number_that_has_passed_to_another_file_is_left_alone() -> None:
    """A driver may close its socket while the number is read."""
    other, peer = socket.socketpair()
    new, _ = socket.socketpair()
    limit = TimeLimit(0, wrapper(Raw(other, new)))
    with other, peer, new, _:
        limit._cut_off()
        other.send(b"x")
        assert peer.recv(1) == b"x"


def test_a_block_that_ends_at_the_last_moment_is_not_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the end of the wait and the cut the block may end."""
    limit = TimeLimit(0, wrapper(Raw(socket.socket())))
    waits = iter([False, False, True])
    over: Any = SimpleNamespace(wait=lambda seconds: next(waits), is_set=lambda: True)
    monkeypatch.setattr(limit, "_over", over)
    monkeypatch.setattr(limit, "_cut_off", pytest.fail)
    limit._watch()
    assert next(waits, None) is None
    limit._connection.connection.sockets[0].close()


@pytest.mark.parametrize("vendor", ["sqlite", "mysql"])
def test_the_other_drivers_have_limits_of_their_own(vendor: str) -> None:
    """No thread is started where the driver itself does not wait without limit."""
    before = threading.active_count()
    with TimeLimit(0, wrapper(None, vendor)):
        assert threading.active_count() == before


def test_an_error_in_time_stays_what_it_is() -> None:
    """Only what is late is told as that."""
    with pytest.raises(OSError, match="own"), TimeLimit(LIMIT, wrapper(None)):
        raise OSError("own")


def test_a_connection_is_left_alone_after_its_block() -> None:
    """The next operation on the connection is not cancelled."""
    raw = Raw(socket.socket())
    with raw.sockets[0]:
        with TimeLimit(0.1, wrapper(raw)):
            pass
        assert not raw.cancelled.wait(0.3)


def test_an_interrupted_start_leaves_no_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that was interrupted while it began cuts nothing off later."""
    watchers: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        watchers.append(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt), TimeLimit(LIMIT, wrapper(None)):
            pass
    watchers[0].join(LIMIT / 2)
    assert not watchers[0].is_alive()
