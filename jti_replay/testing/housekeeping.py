"""The promises about counting, checks, closing and failures."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import time

from asgiref.sync import async_to_sync

from jti_replay.caches import replay_caches
from jti_replay.exceptions import CacheError

from .cache_case import CacheCase
from .calls import new_jti, now


class HousekeepingTests(CacheCase):
    """A cache counts, checks its settings, closes and fails as callers may expect."""

    def test_count_is_exact_or_none(self) -> None:
        """If the backend counts, it counts what is live."""
        before = self.cache.count()
        reservations = [self._reserved(new_jti()) for _ in range(3)]
        self._assert_counted(before, 3)
        self.cache.reserve(reservations[0].jti)
        self._assert_counted(before, 3)
        reservations[0].release()
        reservations[0].release()
        self._assert_counted(before, 2)

    def test_good_settings_pass_the_checks(self) -> None:
        """Django's system checks have nothing to say."""
        self.assertEqual(self.cache.check(), [])

    def test_close_forgets_nothing(self) -> None:
        """It lets connections go, and the next call works as if it had not been called."""

        async def aclose_while_used() -> None:
            jti = new_jti()
            self.assertIsNotNone(await self.cache.areserve(jti))
            await self.cache.aclose()
            await self.cache.aclose()
            self.assertIsNone(await self.cache.areserve(jti))

        for close in (self.cache.close, self.cache.aclose, replay_caches.close_all):
            reservation = self._reserved(new_jti())
            now(close)
            now(close)
            self.assertIsNone(self.cache.reserve(reservation.jti))
            self.assertIs(reservation.release(), True)
        async_to_sync(aclose_while_used)()

    def test_a_failure_of_the_store_is_an_error(self) -> None:
        """It never passes for "new" or "seen", comes in time and names its cause."""
        if self.unreachable_settings is None:
            self.skipTest("unreachable_settings is not set.")
        healthy = self._reserved(new_jti())
        cache = self.use_cache(settings=self.unreachable_settings)

        for call in (cache.reserve, cache.release, cache.areserve, cache.arelease):
            start = time.monotonic()
            with self.assertRaises(CacheError) as caught:
                now(call, healthy.jti)
            self.assertLess(time.monotonic() - start, self.longest_wait)
            self.assertIsInstance(caught.exception.__cause__, Exception)
        self.assertIsNone(self.cache.reserve(healthy.jti))
        self.cache.close()  # It is no longer the one that is configured.
