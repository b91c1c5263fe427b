"""
Claims: what stands for the jti of an event while its view runs, where the jti is not part of
the view's transaction.

A claim is an entry of its own, beside that of the jti, which is reserved when the view's work
is committed. It lasts for as long as the view may take: if the process is killed, the event is
processed again after that. Only the holder of the claim touches the jti, so there is no race.
"""

from __future__ import annotations

import enum
import logging
import time
from typing import TYPE_CHECKING, Protocol

from jti_replay.steps import Step, Steps

if TYPE_CHECKING:
    from collections.abc import Hashable

    from jti_replay.reservation.key import JTIKey

    from .handover import Entry

logger = logging.getLogger("jti_replay")

SUFFIX = ":running"
"""What the namespace of a claim ends with."""

PROBE_LIFETIME = 1.0
"""Seconds for which the jti is held to see whether it is free, if the process is killed."""


class Claimed(enum.Enum):
    """Why an event cannot be claimed."""

    RUNNING = "running"
    """Another request holds the claim."""
    SETTLED = "settled"
    """The jti is reserved: the event has been taken."""


class Store(Protocol):
    """What a claim asks of the store, all of :class:`~jti_replay.backends.store.Store`."""

    alias: str

    def key(self, namespace: str, jti: str) -> JTIKey:
        """Return the key of a (namespace, jti) pair."""

    def add(self, key: JTIKey, deadline: float) -> Entry | None:
        """Add a key, if it is new."""

    async def aadd(self, key: JTIKey, deadline: float) -> Entry | None:
        """Async version of :meth:`add`."""

    def add_if_warm(self, key: JTIKey, deadline: float, usable_since: float) -> Entry | None:
        """Add a key, if it is new and its absence means something."""

    async def aadd_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> Entry | None:
        """Async version of :meth:`add_if_warm`."""

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Remove a key that the owner holds."""

    async def aremove(self, key: JTIKey, owner: Hashable | None) -> bool:
        """Async version of :meth:`remove`."""


def claim(
    store: Store, namespace: str, jti: str, deadline: float, usable_since: float | None
) -> Steps[Entry | Claimed]:
    """Claim an event by an entry of its own, and look whether its jti is reserved."""
    running, key = store.key(namespace + SUFFIX, jti), store.key(namespace, jti)
    entry: Entry | None = yield _adding(store, running, deadline, usable_since)
    if entry is None:
        return Claimed.RUNNING
    try:
        probe_deadline = time.time() + PROBE_LIFETIME
        probe: Entry | None = yield _adding(store, key, probe_deadline, usable_since)
        if probe is not None:
            yield store.remove, store.aremove, (key, probe[0])
            return entry
    except BaseException:  # Also that of a signal handler.
        yield from _give_back(store, running, entry)
        raise
    yield from _give_back(store, running, entry)
    return Claimed.SETTLED


def _give_back(store: Store, running: JTIKey, entry: Entry) -> Steps[None]:
    try:
        yield store.remove, store.aremove, (running, entry[0])
    except Exception as error:
        logger.error("The replay cache %r could not give a claim back: %s", store.alias, error)


def _adding(store: Store, key: JTIKey, deadline: float, usable_since: float | None) -> Step:
    if usable_since is None:
        return store.add, store.aadd, (key, deadline)
    return store.add_if_warm, store.aadd_if_warm, (key, deadline, usable_since)
