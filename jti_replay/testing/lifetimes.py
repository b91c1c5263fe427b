"""The promises about time: how long an entry lives."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import cast

from jti_replay.backends.checks import check_cache
from jti_replay.conf import DEFAULT_ALIAS
from jti_replay.exceptions import ColdStart
from jti_replay.reservation.cold_start import REFUSE

from .cache_case import TTL, CacheCase
from .calls import new_jti, now, released

MARGIN = 0.1
"""Seconds from the end of an entry at which it is looked at, so that it is surely past."""

MICROSECOND = 0.000_001
"""How exactly a datetime tells the time."""

PLAINLY_WRONG: tuple[object, ...] = (
    True,
    "1700000000",
    Decimal(1_700_000_000),
    float("nan"),
    float("inf"),
    float("-inf"),
    1e300,
    10**30,
    -(10**30),
    datetime(2100, 1, 1),  # noqa: DTZ001  # It is naive, and so refused.
    date(2100, 1, 1),
    timedelta(seconds=60),
)
"""What no expires_at can be."""


class LifetimeTests(CacheCase):
    """An entry lives until its deadline, and not much longer."""

    def test_what_is_no_expiry_is_refused_and_loses_nothing(self) -> None:
        """The jti that came with it is still new, or still seen."""
        seen = new_jti()
        self._reserved(seen)
        for wrong in PLAINLY_WRONG:
            for aio in (False, True):
                jti = new_jti()
                with self.subTest(expires_at=wrong, asynchronous=aio):
                    for name in (jti, seen):
                        with self.assertRaises((TypeError, ValueError)):
                            self._reserved(name, wrong, aio=aio)
                    self._reserved(jti, aio=aio)
        self.assertIsNone(self.cache.reserve(seen))

    def test_the_shown_expiry_is_the_promised_one(self) -> None:
        """It is the later of now + TTL and expires_at + 1 s, and less than a second more."""
        later = time.time() + 10 * TTL
        for expires_at, seconds in (
            (None, 0.0),
            (0, 0.0),
            (-1e9, 0.0),
            (time.time() - 1, 0.0),
            (datetime(1, 1, 1, tzinfo=UTC), 0.0),
            (int(later), int(later)),
            (later, later),
            (datetime.fromtimestamp(later, UTC), later),
            (datetime.fromtimestamp(later, timezone(timedelta(hours=-11))), later),
        ):
            for aio in (False, True):
                with self.subTest(expires_at=expires_at, asynchronous=aio):
                    before = time.time()
                    reservation = self._reserved(new_jti(), expires_at, aio=aio)
                    after = time.time()
                    shown = reservation.expires_at.timestamp()
                    earliest = max(before + TTL, seconds + 1)
                    self.assertGreaterEqual(shown, earliest - MICROSECOND)
                    latest = max(after + TTL, seconds + 1) + 1
                    self.assertLess(shown, latest + MICROSECOND)
                    self.assertIs(released(reservation, aio=aio), True)

    def test_an_entry_lives_until_its_deadline_and_is_then_forgotten(self) -> None:
        """It is seen right up to the deadline, and new once its shown expiry has passed."""
        self.cache = self.use_cache(ttl=1)
        entries = [
            (jti, self._deadline(expires_at, ttl=1), self._reserved(jti, expires_at, aio=aio))
            for aio in (False, True)
            for jti, expires_at in (
                (new_jti(), None),
                (new_jti(), time.time() - 3600),
                (new_jti(), time.time() + 0.4),
                (new_jti(), datetime.now(UTC) + timedelta(seconds=0.3)),
            )
        ]
        for _, deadline, _ in sorted(entries, key=lambda entry: entry[1]):
            self._pass_time_until(deadline - MARGIN)
            for jti, other_deadline, _ in entries:
                self._assert_seen(jti, until=other_deadline)
        last = max(reservation.expires_at.timestamp() for _, _, reservation in entries)
        self._pass_time_until(last + MARGIN)
        for aio, (jti, _, expired) in enumerate(entries):
            with self.subTest(entry=aio):
                self.assertIs(released(expired, aio=bool(aio % 2)), False)
                self.assertIs(self._released_by_name(jti, aio=bool(aio % 2)), False)
                holder = self._reserved(jti, time.time() + TTL, aio=bool(aio % 2))
                self.assertIs(released(expired, aio=bool(aio % 2)), False)
                self.assertIsNone(self.cache.reserve(jti))
                self.assertIs(holder.release(), True)

    def test_a_cold_start_can_be_refused(self) -> None:
        """Where the backend can tell: what may have been used before its memory begins."""
        settings = {**self.cache_settings, "COLD_START": REFUSE}
        if check_cache(DEFAULT_ALIAS, {**settings, "TTL": TTL}):
            self.assertIsNone(self.cache.complete_since())
            return
        self.cache = self.use_cache(settings=settings)
        since = cast("float", self.cache.start_memory())
        self.assertEqual(now(self.cache.acomplete_since), since)
        for aio in (False, True):
            call, jti = self.cache.areserve if aio else self.cache.reserve, new_jti()
            with self.subTest(asynchronous=aio):
                with self.assertRaises(ColdStart) as caught:
                    now(call, jti, usable_since=since - 5)
                # The parts of a store begin to remember one after the other.
                self.assertAlmostEqual(caught.exception.retry_after, 5, delta=0.5)
                self.assertIsNotNone(now(call, jti, usable_since=since))
                self.assertIsNone(now(call, jti, usable_since=since))
