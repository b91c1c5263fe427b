"""The promises of reserve and release."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009, PT027

from __future__ import annotations

from datetime import timedelta

from jti_replay.conf import DEFAULT_ALIAS

from .cache_case import CacheCase
from .calls import new_jti, now, released


class ReservingTests(CacheCase):
    """A new jti is reserved once, and released by what holds it."""

    def test_a_new_jti_is_reserved_and_a_seen_one_is_not(self) -> None:
        """Reserve answers with a reservation, then with None, in both flavours."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                self._reserved(jti, aio=aio)
                self.assertIsNone(self.cache.reserve(jti))
                self.assertIsNone(now(self.cache.areserve, jti))
                self._reserved(f"{jti} another", aio=aio)

    def test_a_reservation_is_released_once(self) -> None:
        """Release is True for the one that freed the entry, and the jti is new again."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                reservation = self._reserved(jti, aio=aio)
                self.assertIs(released(reservation, aio=aio), True)
                self.assertIs(released(reservation, aio=aio), False)
                self.assertIs(released(reservation, aio=not aio), False)
                self.assertIsNotNone(self.cache.reserve(jti))

    def test_a_jti_is_released_by_its_name(self) -> None:
        """An operator frees an entry of any owner, and is told if there is none."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
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
                jti = new_jti()
                lost_to_operator = self._reserved(jti, aio=aio)
                self.assertIs(self._released_by_name(jti, aio=aio), True)
                given_back = self._reserved(jti, aio=aio)
                self.assertIs(released(lost_to_operator, aio=aio), False)
                self.assertIs(released(given_back, aio=aio), True)
                holder = self._reserved(jti, aio=aio)
                self.assertIs(released(lost_to_operator, aio=aio), False)
                self.assertIs(released(given_back, aio=aio), False)
                self.assertIsNone(self.cache.reserve(jti))
                self.assertIs(released(holder, aio=aio), True)

    def test_a_reservation_tells_what_it_holds(self) -> None:
        """It is true, and has the jti, the namespace and the alias as they were given."""
        for aio in (False, True):
            with self.subTest(asynchronous=aio):
                jti = new_jti()
                reservation = self._reserved(jti, aio=aio, namespace="issuer")
                self.assertIs(bool(reservation), True)
                self.assertEqual(reservation.jti, jti)
                self.assertEqual(reservation.namespace, "issuer")
                self.assertEqual(reservation.alias, DEFAULT_ALIAS)
                self.assertEqual(reservation.expires_at.utcoffset(), timedelta(0))

    def test_a_reservation_cannot_be_changed(self) -> None:
        """None of its attributes can be set or deleted, and none added."""
        reservation = self._reserved(new_jti())
        for name in ("jti", "namespace", "expires_at", "alias", "anything"):
            with self.subTest(name), self.assertRaises(AttributeError):
                setattr(reservation, name, "changed")
            with self.subTest(name), self.assertRaises(AttributeError):
                delattr(reservation, name)
