"""
A conformance test for replay caches: it proves that a backend keeps what
:class:`~jti_replay.backends.base.BaseReplayCache` promises.

For a backend of your own, write a test class such as this one::

    from django.test import SimpleTestCase
    from jti_replay.testing import ReplayCacheTests

    class MyCacheTests(ReplayCacheTests, SimpleTestCase):
        cache_settings = {"BACKEND": "my.backends.MyCache", "LOCATION": "..."}

It runs under Django's test runner and under pytest. Use a real store: nothing is mocked. If
the backend uses the database, take ``TransactionTestCase`` in place of ``SimpleTestCase``.

Its jtis are new in each run, so the store need not be empty. What it leaves there expires
within a minute.
"""

# It runs under Django's runner too, where there is no pytest.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.db import connections
from django.test import override_settings

from jti_replay.backends.checks import check_cache
from jti_replay.caches import replay_caches
from jti_replay.conf import DEFAULT_ALIAS, SETTING
from jti_replay.exceptions import CacheError, ColdStart
from jti_replay.reservation.cold_start import REFUSE

if TYPE_CHECKING:
    from django.test import SimpleTestCase as _Base

    from jti_replay.backends.base import BaseReplayCache
    from jti_replay.reservation import Reservation
else:
    _Base = object

__all__ = ["ReplayCacheTests"]

T = TypeVar("T")

TTL = 60
"""Seconds for which entries live, where a test does not wait for their end."""

RACERS = 32
"""Threads, or tasks, that ask for a jti at the same moment."""

ROUNDS = 20
"""Jtis that they race for, one after the other."""

RACE_LIMIT = 60
"""Seconds after which a race is given up."""

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


class ReplayCacheTests(_Base):
    """
    The promises of a replay cache, each as a test. Mix it into a test case of Django's.

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

    # Reserve and release.

    def test_a_new_jti_is_reserved_and_a_seen_one_is_not(self) -> None:
        """Reserve answers with a reservation, then with None, in both flavours."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = _new_jti()
                self._reserved(jti, aio=aio)
                self.assertIsNone(self.cache.reserve(jti))
                self.assertIsNone(_now(self.cache.areserve, jti))
                self._reserved(f"{jti} another", aio=aio)

    def test_a_reservation_is_released_once(self) -> None:
        """Release is True for the one that freed the entry, and the jti is new again."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = _new_jti()
                reservation = self._reserved(jti, aio=aio)
                self.assertIs(_released(reservation, aio=aio), True)
                self.assertIs(_released(reservation, aio=aio), False)
                self.assertIs(_released(reservation, aio=not aio), False)
                self.assertIsNotNone(self.cache.reserve(jti))

    def test_a_jti_is_released_by_its_name(self) -> None:
        """An operator frees an entry whoever holds it, and is told if there is none."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = _new_jti()
                self.assertIs(self._released_by_name(jti, aio=aio), False)
                self._reserved(jti, namespace="issuer")
                self.assertIs(self._released_by_name(jti, aio=aio), False)
                self.assertIs(self._released_by_name(jti, aio=aio, namespace="issuer"), True)
                self.assertIs(self._released_by_name(jti, aio=aio, namespace="issuer"), False)
                self.assertIsNotNone(self.cache.reserve(jti, namespace="issuer"))

    def test_a_reservation_never_frees_the_entry_of_another(self) -> None:
        """Neither after an operator's release nor after its own, once another holds it."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = _new_jti()
                lost_to_operator = self._reserved(jti, aio=aio)
                self.assertIs(self._released_by_name(jti, aio=aio), True)
                given_back = self._reserved(jti, aio=aio)
                self.assertIs(_released(lost_to_operator, aio=aio), False)
                self.assertIs(_released(given_back, aio=aio), True)
                holder = self._reserved(jti, aio=aio)
                self.assertIs(_released(lost_to_operator, aio=aio), False)
                self.assertIs(_released(given_back, aio=aio), False)
                self.assertIsNone(self.cache.reserve(jti))
                self.assertIs(_released(holder, aio=aio), True)

    def test_a_reservation_tells_what_it_holds(self) -> None:
        """It is true, and has the jti, the namespace and the alias as they were given."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = _new_jti()
                reservation = self._reserved(jti, aio=aio, namespace="issuer")
                self.assertIs(bool(reservation), True)
                self.assertEqual(reservation.jti, jti)
                self.assertEqual(reservation.namespace, "issuer")
                self.assertEqual(reservation.alias, DEFAULT_ALIAS)
                self.assertEqual(reservation.expires_at.utcoffset(), timedelta(0))

    def test_a_reservation_cannot_be_changed(self) -> None:
        """None of its attributes can be set or deleted, and none added."""
        reservation = self._reserved(_new_jti())
        for name in ("jti", "namespace", "expires_at", "alias", "anything"):
            with self.subTest(name), self.assertRaises(AttributeError):
                setattr(reservation, name, "changed")
            with self.subTest(name), self.assertRaises(AttributeError):
                delattr(reservation, name)

    # Names.

    def test_pairs_of_namespace_and_jti_never_collide(self) -> None:
        """Not even those that look alike when they are joined in some way."""
        token = uuid4().hex
        pairs = {
            (namespace, jti)
            for text in (
                f"a{token}bc",
                f"a\0{token}\0b",
                f"1:a{token}:2:b",
                f"{token}\\0",
                "11:1",
            )
            for cut in range(len(text))
            for namespace, jti in ((text[:cut], text[cut:]), (text[cut:] + token, text))
        }
        pairs |= {(f"{size}", f"{token}{size}") for size in range(12)}
        pairs |= {(f"{size}:", f"{token}{size}") for size in range(12)}
        for namespace, jti in sorted(pairs):
            self.cache.release(jti, namespace=namespace)
        for namespace, jti in sorted(pairs):
            self._reserved(jti, namespace=namespace)
        for namespace, jti in sorted(pairs):
            self.assertIs(self.cache.release(jti, namespace=namespace), True)

    def test_jtis_are_compared_by_code_point(self) -> None:
        """Case, accents, white space, NUL and lone surrogates all tell two jtis apart."""
        token = uuid4().hex
        accented = f"{token}-\u00e9-\u212b"
        alike = {
            f"{token}-a",
            f"{token}-A",
            f" {token}-a",
            f"{token}-a ",
            f"{token}-a\0",
            f"{token}-a\0b",
            f"{token}-a\n",
            f"{token}-\udc80",
            f"{token}-\udc81",
            f"{token}-\ufffd",
            f"{token}-?",
            f"{token}-\U0001f600",
            f"{token}-\ud83d\ude00",
            f"{token}-1",
            f"{token}-\u0661",
            *(unicodedata.normalize(form, accented) for form in ("NFC", "NFD", "NFKD")),
            accented,
        }
        for aio in (False, True):
            for jti in alike:
                with self.subTest(jti=jti, asynchronous=aio):
                    self._reserved(jti, aio=aio, namespace=f"{aio}")
            for jti in alike:
                with self.subTest(jti=jti, asynchronous=aio):
                    self.assertIsNone(self.cache.reserve(jti, namespace=f"{aio}"))

    def test_a_jti_may_be_of_any_length(self) -> None:
        """A megabyte is one jti, of which the last character counts."""
        long = _new_jti() + "\u20ac" * 350_000
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                for last in "ab":
                    self._reserved(f"{long}{last}", aio=aio, namespace=f"{long}{aio}")
                for last in "ab":
                    released = self._released_by_name(
                        f"{long}{last}", aio=aio, namespace=f"{long}{aio}"
                    )
                    self.assertIs(released, True)

    def test_what_is_no_jti_or_namespace_is_refused(self) -> None:
        """The empty jti, and whatever is no str."""
        for arguments in (
            {"jti": ""},
            *({"jti": wrong} for wrong in (None, b"a", 1, 1.5, True, ["a"])),
            *({"jti": "a", "namespace": wrong} for wrong in (None, b"a", 1, ("a",))),
        ):
            name: Any = arguments
            for call in (
                self.cache.reserve,
                self.cache.release,
                self.cache.areserve,
                self.cache.arelease,
            ):
                with (
                    self.subTest(call=call.__name__, **name),
                    self.assertRaises((TypeError, ValueError)),
                ):
                    _now(call, **name)

    # Time.

    def test_what_is_no_expiry_is_refused_and_loses_nothing(self) -> None:
        """The jti that came with it is still new, or still seen."""
        seen = _new_jti()
        self._reserved(seen)
        for wrong in PLAINLY_WRONG:
            for aio in (False, True):
                jti = _new_jti()
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
                    reservation = self._reserved(_new_jti(), expires_at, aio=aio)
                    after = time.time()
                    shown = reservation.expires_at.timestamp()
                    earliest = max(before + TTL, seconds + 1)
                    self.assertGreaterEqual(shown, earliest - MICROSECOND)
                    latest = max(after + TTL, seconds + 1) + 1
                    self.assertLess(shown, latest + MICROSECOND)
                    self.assertIs(_released(reservation, aio=aio), True)

    def test_an_entry_lives_until_its_deadline_and_is_then_forgotten(self) -> None:
        """It is seen right up to the deadline, and new once its shown expiry has passed."""
        self.cache = self.use_cache(ttl=1)
        entries = [
            (jti, self._deadline(expires_at, ttl=1), self._reserved(jti, expires_at, aio=aio))
            for aio in (False, True)
            for jti, expires_at in (
                (_new_jti(), None),
                (_new_jti(), time.time() - 3600),
                (_new_jti(), time.time() + 0.4),
                (_new_jti(), datetime.now(UTC) + timedelta(seconds=0.3)),
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
                self.assertIs(_released(expired, aio=bool(aio % 2)), False)
                self.assertIs(self._released_by_name(jti, aio=bool(aio % 2)), False)
                holder = self._reserved(jti, time.time() + TTL, aio=bool(aio % 2))
                self.assertIs(_released(expired, aio=bool(aio % 2)), False)
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
        self.assertEqual(_now(self.cache.acomplete_since), since)
        for aio in (False, True):
            call, jti = self.cache.areserve if aio else self.cache.reserve, _new_jti()
            with self.subTest(asynchronous=aio):
                with self.assertRaises(ColdStart) as caught:
                    _now(call, jti, usable_since=since - 5)
                # The parts of a store begin to remember one after the other.
                self.assertAlmostEqual(caught.exception.retry_after, 5, delta=0.5)
                self.assertIsNotNone(_now(call, jti, usable_since=since))
                self.assertIsNone(_now(call, jti, usable_since=since))

    # Races.

    def test_one_thread_wins_a_race_for_a_jti(self) -> None:
        """Of many threads that reserve a jti at once, the others see None."""
        jtis = [_new_jti() for _ in range(ROUNDS)]
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def race(racer: int) -> list[Reservation | None]:
            answers = []
            for jti in jtis:
                start.wait()
                answers.append(self.cache.reserve(jti))
            return answers

        self._assert_one_winner_each(_in_threads(race))

    def test_one_thread_wins_a_race_to_release(self) -> None:
        """Of many threads that release a reservation at once, one freed it."""
        reservations = [self._reserved(_new_jti()) for _ in range(ROUNDS)]
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def race(racer: int) -> list[bool]:
            answers = []
            for reservation in reservations:
                start.wait()
                answers.append(reservation.release())
            return answers

        self._assert_one_winner_each(_in_threads(race))

    def test_threads_with_jtis_of_their_own_all_win(self) -> None:
        """Nothing is lost between threads that do not compete."""
        start = threading.Barrier(RACERS, timeout=RACE_LIMIT)

        def work(worker: int) -> int:
            start.wait()
            jtis = [_new_jti() for _ in range(ROUNDS)]
            won = [jti for jti in jtis if self.cache.reserve(jti)]
            start.wait()  # By now the cache holds those of all.
            return len([jti for jti in won if self.cache.reserve(jti) is None])

        self.assertEqual(_in_threads(work), [ROUNDS] * RACERS)

    def test_one_task_wins_a_race_for_a_jti(self) -> None:
        """Of many tasks of an event loop, too, one reserves it and one releases it."""

        async def race() -> None:
            for jti in [_new_jti() for _ in range(ROUNDS)]:
                tasks = [self.cache.areserve(jti) for _ in range(RACERS)]
                winners = [answer for answer in await asyncio.gather(*tasks) if answer]
                self.assertEqual(len(winners), 1)
                releases = [winners[0].arelease() for _ in range(RACERS)]
                self.assertEqual(sum(await asyncio.gather(*releases)), 1)

        async_to_sync(race)()

    def test_tasks_with_jtis_of_their_own_all_win(self) -> None:
        """Nothing is lost between tasks that do not compete."""

        async def work() -> None:
            jtis = [_new_jti() for _ in range(4 * RACERS)]
            answers = await asyncio.gather(*map(self.cache.areserve, jtis))
            self.assertNotIn(None, answers)
            answers = await asyncio.gather(*map(self.cache.areserve, jtis))
            self.assertEqual(set(answers), {None})

        async_to_sync(work)()

    def test_event_loops_share_what_is_remembered(self) -> None:
        """A reservation of one event loop is seen, and can be released, in the next ones."""
        jti = _new_jti()
        for _ in range(3):
            reservation = self._reserved(jti, aio=True)
            self.assertIsNone(_now(self.cache.areserve, jti))
            self.assertIsNone(self.cache.reserve(jti))
            self.assertIs(_released(reservation, aio=True), True)

    # The rest.

    def test_count_is_exact_or_none(self) -> None:
        """If the backend counts, it counts what is live."""
        before = self.cache.count()
        reservations = [self._reserved(_new_jti()) for _ in range(3)]
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
            jti = _new_jti()
            self.assertIsNotNone(await self.cache.areserve(jti))
            await self.cache.aclose()
            await self.cache.aclose()
            self.assertIsNone(await self.cache.areserve(jti))

        for close in (self.cache.close, self.cache.aclose, replay_caches.close_all):
            reservation = self._reserved(_new_jti())
            _now(close)
            _now(close)
            self.assertIsNone(self.cache.reserve(reservation.jti))
            self.assertIs(reservation.release(), True)
        async_to_sync(aclose_while_used)()

    def test_a_failure_of_the_store_is_an_error(self) -> None:
        """It never passes for "new" or "seen", comes in time and names its cause."""
        if self.unreachable_settings is None:
            self.skipTest("unreachable_settings is not set.")
        healthy = self._reserved(_new_jti())
        cache = self.use_cache(settings=self.unreachable_settings)

        for call in (cache.reserve, cache.release, cache.areserve, cache.arelease):
            start = time.monotonic()
            with self.assertRaises(CacheError) as caught:
                _now(call, healthy.jti)
            self.assertLess(time.monotonic() - start, self.longest_wait)
            self.assertIsInstance(caught.exception.__cause__, Exception)
        self.assertIsNone(self.cache.reserve(healthy.jti))

    def _reserved(
        self, jti: str, expires_at: Any = None, *, namespace: str = "", aio: bool = False
    ) -> Reservation:
        call = self.cache.areserve if aio else self.cache.reserve
        reservation: Reservation | None = _now(call, jti, expires_at, namespace=namespace)
        if reservation is None:
            self.fail(f"A new jti was not reserved: {jti[:80]!r} in {namespace[:80]!r}")
        return reservation

    def _released_by_name(self, jti: str, *, namespace: str = "", aio: bool = False) -> bool:
        call = self.cache.arelease if aio else self.cache.release
        answer: bool = _now(call, jti, namespace=namespace)
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
            # On a slow machine the deadline may have passed meanwhile.
            self.assertGreaterEqual(time.time(), until, "An entry was forgotten too early.")
            reservation.release()

    def _assert_one_winner_each(self, answers: list[list[Any]]) -> None:
        for answers_for_one in zip(*answers, strict=True):
            self.assertEqual(sum(bool(answer) for answer in answers_for_one), 1)

    def _assert_counted(self, before: int | None, more: int) -> None:
        expected = None if before is None else before + more
        self.assertEqual(self.cache.count(), expected)
        self.assertEqual(_now(self.cache.acount), expected)


def _new_jti() -> str:
    return uuid4().hex


def _now(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # Each asynchronous call gets an event loop of its own.
    if inspect.iscoroutinefunction(function):
        return async_to_sync(function)(*args, **kwargs)
    return function(*args, **kwargs)


def _released(reservation: Reservation, *, aio: bool) -> bool:
    answer: bool = _now(reservation.arelease if aio else reservation.release)
    return answer


def _in_threads(work: Callable[[int], T]) -> list[T]:
    # Returns what each of them returned.
    def run(number: int) -> T:
        try:
            return work(number)
        finally:
            connections.close_all()  # Those that this thread has opened.

    with ThreadPoolExecutor(RACERS) as executor:
        return list(executor.map(run, range(RACERS)))
