"""
Failures of tests during which the machine stood still, and which therefore tell nothing.

A virtual machine stops for a second now and then. Afterwards every limit of time is over. A
test that fails meanwhile raises :exc:`StoodStill`, and pytest-rerunfailures runs it again.
What fails for another reason does not run again.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from typing import Any

import pytest

from tests.witness import NOTABLE, Witness

WITNESS = pytest.StashKey[Witness]()


class StoodStill(Exception):
    """Says that a test failed while the machine stood still."""


def judge(item: pytest.Item) -> Generator[None, Any, Any]:
    """Raise :exc:`StoodStill` in place of a failure that the machine may have caused."""
    if WITNESS not in item.config.stash:
        witness = item.config.stash[WITNESS] = Witness()
        item.config.add_cleanup(witness.close)
    witness = item.config.stash[WITNESS]
    before = witness.lost()
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as error:
        time.sleep(2 * NOTABLE)  # Until the witness has woken up, too.
        lost = witness.lost() - before
        if lost > 0:
            raise StoodStill(f"The machine stood still for {lost:.1f} s.") from error
        raise


def talk_without_delay(config: pytest.Config) -> None:
    """
    Let pytest-rerunfailures tell of each test at once.

    Its workers write two short messages, and wait for the answer of the second. Without
    TCP_NODELAY the kernel keeps that for 40 ms.
    """
    client = getattr(getattr(config, "failures_db", None), "sock", None)
    if client is not None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
