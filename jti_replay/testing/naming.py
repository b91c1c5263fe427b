"""The promises about namespaces and jtis."""

# The tests run under Django's runner too, where there is no pytest.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import unicodedata
from typing import Any
from uuid import uuid4

from .cache_case import CacheCase
from .calls import new_jti, now


class NamingTests(CacheCase):
    """Two names are one only if they are equal, code point by code point."""

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
        long = new_jti() + "\u20ac" * 350_000
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
                    now(call, **name)
