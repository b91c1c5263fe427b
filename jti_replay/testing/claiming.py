"""The promises of claims, which stand for events while they are processed."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009

from __future__ import annotations

import time
from typing import Any

from jti_replay.backends.claims import Claimed

from .cache_case import CacheCase
from .calls import in_threads, new_jti, now

NAMESPACE = "feed"
LEASE = 60


class ClaimingTests(CacheCase):
    """One request at a time holds a claim, and none of an event that was taken."""

    def test_an_event_is_claimed_by_one_at_a_time(self) -> None:
        """Only its owner drops a claim, and the jti itself is not reserved by it."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                owner, _ = self._claimed(jti, aio=aio)
                self.assertIs(self._claimed(jti, aio=aio), Claimed.RUNNING)
                self.assertIs(self._claimed(jti, aio=not aio), Claimed.RUNNING)
                self.assertIs(self._dropped(jti, owner, aio=aio), True)
                self.assertIs(self._dropped(jti, owner, aio=aio), False)
                other, _ = self._claimed(jti, aio=not aio)
                self.assertIs(self._dropped(jti, owner, aio=aio), False)
                self.assertIs(self._claimed(jti, aio=aio), Claimed.RUNNING)
                self._reserved(jti, namespace=NAMESPACE, aio=aio)
                self.assertIs(self._dropped(jti, other, aio=aio), True)

    def test_an_event_that_was_taken_is_not_claimed(self) -> None:
        """Whether the claim stands or not, and another jti is."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                owner, _ = self._claimed(jti, aio=aio)
                self._reserved(jti, namespace=NAMESPACE, aio=aio)
                self.assertIsInstance(self._claimed(jti, aio=aio), Claimed)
                self.assertIs(self._dropped(jti, owner, aio=aio), True)
                for _ in range(2):
                    self.assertIs(self._claimed(jti, aio=aio), Claimed.SETTLED)
                self.assertIsInstance(self._claimed(new_jti(), aio=aio), tuple)

    def test_a_claim_lapses(self) -> None:
        """Its holder may have been killed. The next one runs the event again."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                owner, lapses_at = self._claimed(jti, aio=aio, lease=0.5)
                self.assertLess(lapses_at, time.time() + 1.6)
                # A store that was slow began to count later.
                while (other := self._claimed(jti, aio=aio)) is Claimed.RUNNING:
                    self.assertLess(time.time(), lapses_at + 10)
                    self.pass_time(0.1)
                self.assertIsInstance(other, tuple)
                self.assertIs(self._dropped(jti, owner, aio=aio), False)
                self.assertIs(self._dropped(jti, other[0], aio=aio), True)

    def test_one_thread_wins_a_race_for_a_claim(self) -> None:
        """And all others are told that it runs."""
        jti = new_jti()
        answers = in_threads(lambda number: self._claimed(jti))
        self.assertEqual(sum(isinstance(answer, tuple) for answer in answers), 1)
        self.assertEqual(answers.count(Claimed.RUNNING), len(answers) - 1)

    def _claimed(self, jti: str, *, aio: bool = False, lease: float = LEASE) -> Any:
        claim = self.cache.aclaim if aio else self.cache.claim
        return now(claim, NAMESPACE, jti, time.time() + lease, None)

    def _dropped(self, jti: str, owner: Any, *, aio: bool) -> bool:
        drop = self.cache.adrop_claim if aio else self.cache.drop_claim
        dropped: bool = now(drop, NAMESPACE, jti, owner)
        return dropped
