"""A reserve outside a transaction that a signal handler interrupts, as a time limit does."""

from __future__ import annotations

import gc
import logging
import threading
import time
from contextlib import suppress
from typing import NoReturn

import pytest

from jti_replay import CacheError
from jti_replay.backends import lost_replies
from tests.backends.database.conftest import UseCache
from tests.backends.memory.interrupting import Interrupter, Interruption, each_place, strike

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.mark.parametrize("join", [True, False])
# A close that is interrupted leaves the connection to the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_is_taken_back_wherever_it_is_interrupted(
    join: bool, use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after its answer has been read, when nothing is unknown and nobody has the row."""
    monkeypatch.setattr(lost_replies, "SECOND_PASS_DELAY", 0)
    logging.getLogger("jti_replay").disabled = True  # Its records would keep connections.
    cache = use_cache("default", join=join)
    assert cache.reserve("warm")

    def work(interrupter: Interrupter) -> None:
        has_reserved = False
        with suppress(Interruption, CacheError):
            has_reserved = interrupter.run(lambda: cache.reserve("a")) is not None
        deadline = time.monotonic() + 10
        while not has_reserved and cache.count() > 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert cache.count() == 1 + has_reserved
        cache.release("a")

    assert each_place(work, strike) > 20
    for thread in threading.enumerate():
        if thread.name == "jti_replay.lost_replies":
            thread.join()
    cache.close()
    gc.collect()


def test_it_is_taken_back_after_its_row_is_known(
    use_cache: UseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but the interrupted call knows the owner."""
    monkeypatch.setattr(lost_replies, "SECOND_PASS_DELAY", 0)
    cache = use_cache("default")

    def is_due() -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache._purges, "is_due", is_due)
        with pytest.raises(KeyboardInterrupt):
            cache.reserve("a")
    deadline = time.monotonic() + 10
    while cache.count() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert cache.count() == 0
