"""A JWK Set (RFC 7517 5), and which of its keys a token may have been signed with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from jti_replay.exceptions import TokenInvalid

from .parsing import UnverifiedToken
from .published_keys import UnusableKey, read_key
from .quoting import listed, shown
from .signatures import PreparedKey

MOST_TRIED = 8
"""The number of keys with one kid and one algorithm that are tried, each at its cost."""

MOST_NAMED = 20
"""The number of keys that a message names."""

AMBIGUOUS = object()


class KeySet:
    """
    The usable keys of a JWK Set, and what is wrong with the others.

    Keys that encrypt are passed over. ``secrets``: whether symmetric keys are usable.
    Raises :exc:`ValueError` for what is no JWK Set.
    """

    def __init__(self, jwks: Any, *, secrets: bool = False) -> None:
        if not isinstance(jwks, list):
            raise ValueError("It is no JWK Set.")
        self._unusable: list[str] = []
        self._unusable_count = 0
        self._named: dict[tuple[str, str], list[Any]] = {}
        self._kids: dict[str, None] = {}
        self._sole: dict[str, Any] = {}
        for place, jwk in enumerate(jwks, 1):
            try:
                self._add(jwk, place, secrets)
            except UnusableKey as error:
                self._note(jwk, place, str(error))

    @property
    def is_empty(self) -> bool:
        """Whether no key can be used."""
        return not self._sole

    @property
    def unusable(self) -> str:
        """The keys that cannot be used, by kid or place, with the reasons. Empty: none."""
        more = self._unusable_count - len(self._unusable)
        return " ".join([*self._unusable, f"And {more} more."] if more else self._unusable)

    def find(self, token: UnverifiedToken, *, kid_may_be_absent: bool = False) -> Sequence[Any]:
        """
        Return the keys that fit the ``kid`` and the ``alg`` of a token, none if it is unknown.

        A token without a kid has the one key that fits its alg (OpenID Connect Core 10.1); so
        has any token, with ``kid_may_be_absent``, if no key has a kid.
        Raises :exc:`~jti_replay.TokenInvalid` if there are several.
        """
        algorithm, kid = token.header["alg"], token.header.get("kid")
        if kid is not None and (self._kids or not kid_may_be_absent):
            return self._named.get((kid, algorithm), ())
        key = self._sole.get(algorithm)
        if key is AMBIGUOUS:
            raise TokenInvalid(
                "The token does not name its key (kid).",
                claim="kid",
                detail=f"Several keys of its issuer fit its alg {algorithm}.",
            )
        return () if key is None else (key,)

    def unknown(self, token: UnverifiedToken) -> TokenInvalid:
        """Return the refusal of a token that no key fits."""
        algorithm, kid = token.header["alg"], token.header.get("kid")
        published = (
            f"Published: {listed(islice(self._kids, MOST_NAMED)) or 'no key with a kid'}."
        )
        if self._unusable:
            of_kid = (text for text in self._unusable if f" (kid {shown(kid)}): " in text)
            published += f" Not usable: {next(of_kid, self._unusable[0])}"
        if kid in self._kids:
            return TokenInvalid(
                "The token's algorithm does not fit its key.",
                claim="alg",
                detail=f"Its alg is {algorithm}, its kid {shown(kid)}. {published}",
            )
        return TokenInvalid(
            "The token is signed with an unknown key.",
            claim="kid",
            detail=f"Its kid is {shown(kid)}, its alg {algorithm}. {published}",
        )

    def _add(self, jwk: Any, place: int, secrets: bool) -> None:
        published = read_key(jwk, secrets=secrets)
        if published is None:
            return
        kid, algorithms, key, too_short = published
        if too_short:
            self._note(jwk, place, too_short)
        # One that is too short is refused when a token is to be verified with it.
        key = key if too_short else PreparedKey(key)
        for algorithm in algorithms:
            sole = self._sole.setdefault(algorithm, key)
            if sole != key:
                self._sole[algorithm] = AMBIGUOUS
            if kid is not None:
                keys = self._named.setdefault((kid, algorithm), [])
                if len(keys) < MOST_TRIED and key not in keys:
                    keys.append(key)
        if kid is not None:
            self._kids[kid] = None

    def _note(self, jwk: Any, place: int, reason: str) -> None:
        self._unusable_count += 1
        if len(self._unusable) < MOST_NAMED:
            kid = jwk.get("kid") if isinstance(jwk, dict) else None
            name = "" if kid is None else f" (kid {shown(kid)})"
            self._unusable.append(f"Key {place}{name}: {reason}")
