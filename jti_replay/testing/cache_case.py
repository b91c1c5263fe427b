"""The base of the conformance test: the cache that is tested, and how it is called."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.test import override_settings

from jti_replay.backends.base import BaseReplayCache
from jti_replay.caches import replay_caches
from jti_replay.conf import DEFAULT_ALIAS, SETTING
from jti_replay.reservation import Reservation

from .calls import now

if TYPE_CHECKING:
    from django.test import SimpleTestCase as _Base
else:
    _Base = object

TTL = 60
"""Seconds for which entries live, where a test does not wait for their end."""


class CacheCase(_Base):
    """
    The settings and hooks of the conformance test.

    Set :attr:`cache_settings`, and override the hooks :meth:`pass_time` and
    :attr:`unreachable_settings` if that suits the store.
    """

    cache_settings: ClassVar[Mapping[str, Any]]
    """The cache's entry in ``JTI_REPLAY["CACHES"]``. The tests choose its TTL themselves."""

    unreachable_settings: ClassVar[Mapping[str, Any] | None] = None
    """
    The same for a store that does not answer, to prove that a failure is one. Without it
    that test is skipped.
    """

    longest_wait: ClassVar[float] = 2
    """Seconds within which the backend gives up a store that does not answer."""

    def setUp(self) -> None:
        """Make the cache."""
        super().setUp()
        self.cache = self.use_cache()

    def pass_time(self, seconds: float) -> None:
        """Let time pass. Override it where the store's clock can be moved."""
        time.sleep(seconds)

    def use_cache(
        self, ttl: float = TTL, settings: Mapping[str, Any] | None = None
    ) -> BaseReplayCache:
        """Put a cache into the settings for the rest of the test, and return it."""
        params = {**(self.cache_settings if settings is None else settings), "TTL": ttl}
        override = override_settings(**{SETTING: {"CACHES": {DEFAULT_ALIAS: params}}})
        override.enable()
        self.addCleanup(override.disable)
        return replay_caches[DEFAULT_ALIAS]

    def _reserved(
        self, jti: str, expires_at: Any = None, *, namespace: str = "", aio: bool = False
    ) -> Reservation:
        call = self.cache.areserve if aio else self.cache.reserve
        reservation: Reservation | None = now(call, jti, expires_at, namespace=namespace)
        if reservation is None:
            self.fail(f"A new jti was not reserved: {jti[:80]!r} in {namespace[:80]!r}")
        return reservation

    def _released_by_name(self, jti: str, *, namespace: str = "", aio: bool = False) -> bool:
        call = self.cache.arelease if aio else self.cache.release
        answer: bool = now(call, jti, namespace=namespace)
        return answer

    def _deadline(self, expires_at: datetime | float | None, *, ttl: float) -> float:
        if isinstance(expires_at, datetime):
            expires_at = expires_at.timestamp()
        return max(time.time() + ttl, 0 if expires_at is None else expires_at + 1)

    def _pass_time_until(self, moment: float) -> None:
        if (seconds := moment - time.time()) > 0:
            self.pass_time(seconds)

    def _assert_seen(self, jti: str, *, until: float) -> None:
        reservation = self.cache.reserve(jti)
        if reservation is not None:
            # On a slow machine the deadline may have passed by now.
            self.assertGreaterEqual(time.time(), until, "An entry was forgotten too early.")
            reservation.release()

    def _assert_one_winner_each(self, answers: list[list[Any]]) -> None:
        for answers_for_one in zip(*answers, strict=True):
            self.assertEqual(sum(bool(answer) for answer in answers_for_one), 1)

    def _assert_counted(self, before: int | None, more: int) -> None:
        expected = None if before is None else before + more
        self.assertEqual(self.cache.count(), expected)
        self.assertEqual(now(self.cache.acount), expected)
