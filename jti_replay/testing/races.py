"""The promises to callers that race."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009

from __future__ import annotations

import asyncio
import threading

from asgiref.sync import async_to_sync

from jti_replay.reservation import Reservation

from .cache_case import CacheCase
from .calls import RACERS, in_threads, new_jti, now, released

ROUNDS = 20
"""Jtis that they race for, one after the other."""

RACE_LIMIT = 60
"""Seconds after which a race is given up."""


class RaceTests(CacheCase):
    """Of any number of callers at once, exactly one wins."""

    def test_one_thread_wins_a_race_for_a_jti(self) -> None:
        """Of many threads that reserve a jti at once, the others see None."""
        jtis = [new_jti() for _ in range(ROUNDS)]
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def race(racer: int) -> list[Reservation | None]:
            answers = []
            for jti in jtis:
                start.wait()
                answers.append(self.cache.reserve(jti))
            return answers

        self._assert_one_winner_each(in_threads(race))

    def test_one_thread_wins_a_race_to_release(self) -> None:
        """Of many threads that release a reservation at once, one freed it."""
        reservations = [self._reserved(new_jti()) for _ in range(ROUNDS)]
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def race(racer: int) -> list[bool]:
            answers = []
            for reservation in reservations:
                start.wait()
                answers.append(reservation.release())
            return answers

        self._assert_one_winner_each(in_threads(race))

    def test_threads_with_jtis_of_their_own_all_win(self) -> None:
        """Nothing is lost between threads that do not compete."""
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def work(worker: int) -> int:
            start.wait()
            jtis = [new_jti() for _ in range(ROUNDS)]
            won = [jti for jti in jtis if self.cache.reserve(jti)]
            start.wait()  # By now the cache holds those of all.
            return len([jti for jti in won if self.cache.reserve(jti) is None])

        self.assertEqual(in_threads(work), [ROUNDS] * RACERS)

    def test_one_task_wins_a_race_for_a_jti(self) -> None:
        """Of many tasks of an event loop, too, one reserves it and one releases it."""

        async def race() -> None:
            for jti in [new_jti() for _ in range(ROUNDS)]:
                tasks = [self.cache.areserve(jti) for _ in range(RACERS)]
                winners = [answer for answer in await asyncio.gather(*tasks) if answer]
                self.assertEqual(len(winners), 1)
                releases = [winners[0].arelease() for _ in range(RACERS)]
                self.assertEqual(sum(await asyncio.gather(*releases)), 1)

        async_to_sync(race)()

    def test_tasks_with_jtis_of_their_own_all_win(self) -> None:
        """Nothing is lost between tasks that do not compete."""

        async def work() -> None:
            jtis = [new_jti() for _ in range(4 * RACERS)]
            answers = await asyncio.gather(*map(self.cache.areserve, jtis))
            self.assertNotIn(None, answers)
            answers = await asyncio.gather(*map(self.cache.areserve, jtis))
            self.assertEqual(set(answers), {None})

        async_to_sync(work)()

    def test_event_loops_share_what_is_remembered(self) -> None:
        """A reservation of one event loop is seen, and can be released, in the next ones."""
        jti = new_jti()
        for _ in range(3):
            reservation = self._reserved(jti, aio=True)
            self.assertIsNone(now(self.cache.areserve, jti))
            self.assertIsNone(self.cache.reserve(jti))
            self.assertIs(released(reservation, aio=True), True)
