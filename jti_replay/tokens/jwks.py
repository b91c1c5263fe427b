"""The keys that an issuer publishes (RFC 7517 5), fetched when they are needed."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import jwt

from jti_replay.exceptions import KeysUnavailable, TokenInvalid

from .parsing import UnverifiedToken

FETCH_TIMEOUT = 5
"""Seconds after which a fetch is given up."""

LIFESPAN = 300
"""Seconds for which fetched keys are trusted. A key that was withdrawn is refused by then."""

REFRESH_AFTER = 240
"""Seconds after which keys are fetched again ahead of time, behind the requests."""

MISS_COOLDOWN = 30
"""Seconds between two fetches for the sake of key ids that turned out to be unknown."""

FAILURE_COOLDOWN = 1
"""Seconds between a fetch that failed and the next one."""


class RemoteKeys:
    """
    The keys of one JWKS URL, for all threads and event loops of the process.

    A fetch runs in a thread of its own, one at a time. Requests whose key is known do not
    wait for it; the others wait for the same one, at most until it is given up.
    """

    def __init__(self, url: str) -> None:
        # PyJWT's client fetches: it refuses redirects and all but http(s). It is not asked
        # to keep the keys, because it holds up every caller while it fetches.
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT)
        self._lock = threading.Lock()
        self._keys = KeySet([])
        self._fetch: Fetch | None = None
        self._fetched_at = self._failed_at = self._missed_at = float("-inf")

    def get(self, token: UnverifiedToken) -> list[jwt.PyJWK]:
        """Return the key that the token names by its ``kid`` (RFC 7515 4.1.4)."""
        kid, algorithm = self._named_by(token)
        keys = self._trusted_keys()
        if kid not in keys:
            fetch = self._fetch_for_unknown_key()
            try:
                keys = fetch.keys.result(fetch.time_left())
            except Exception as error:
                raise self._failed(fetch, error) from error
            self._remember_miss(kid, keys)
        return [keys.key(kid, algorithm)]

    async def aget(self, token: UnverifiedToken) -> list[jwt.PyJWK]:
        """Do what :meth:`get` does, without blocking the event loop."""
        kid, algorithm = self._named_by(token)
        keys = self._trusted_keys()
        if kid not in keys:
            fetch = self._fetch_for_unknown_key()
            fetched = asyncio.wrap_future(fetch.keys)
            try:
                keys = await asyncio.wait_for(fetched, fetch.time_left())
            except Exception as error:
                raise self._failed(fetch, error) from error
            self._remember_miss(kid, keys)
        return [keys.key(kid, algorithm)]

    def _named_by(self, token: UnverifiedToken) -> tuple[str, str]:
        kid, algorithm = token.header.get("kid"), token.header["alg"]
        if not kid:
            raise TokenInvalid("The token does not name its key (kid).")
        return kid, algorithm

    def _trusted_keys(self) -> KeySet:
        age = time.monotonic() - self._fetched_at
        if age > LIFESPAN:
            return KeySet([])
        if age > REFRESH_AFTER:
            with self._lock, suppress(KeysUnavailable):
                self._running_fetch()
        return self._keys

    def _fetch_for_unknown_key(self) -> Fetch:
        with self._lock:
            now = time.monotonic()
            # An unknown kid costs its sender nothing, so it must not cost the issuer a
            # request each. A new key is still found at once, unless somebody just did that.
            trusted = self._fetch is None and now - self._fetched_at <= LIFESPAN
            if trusted and now - self._missed_at < MISS_COOLDOWN:
                raise unknown_key()
            return self._running_fetch()

    def _running_fetch(self) -> Fetch:
        if self._fetch is None or self._fetch.time_left() <= 0:
            if time.monotonic() - self._failed_at < FAILURE_COOLDOWN:
                raise KeysUnavailable(f"{self._client.uri} could not be fetched moments ago.")
            self._fetch = Fetch()
            threading.Thread(
                target=self._run, args=[self._fetch], name="jti_replay.jwks", daemon=True
            ).start()
        return self._fetch

    def _run(self, fetch: Fetch) -> None:
        try:
            published = self._client.fetch_data().get("keys")
            if not published:
                raise ValueError("an empty JWK Set")
            keys = KeySet(published)
        except Exception as error:
            self._failed(fetch, error)
            fetch.keys.set_exception(error)
            return
        with self._lock:
            if self._fetch is fetch:  # Not given up meanwhile.
                self._keys, self._fetched_at, self._fetch = keys, time.monotonic(), None
        fetch.keys.set_result(keys)

    def _failed(self, fetch: Fetch, error: Exception) -> KeysUnavailable:
        with self._lock:
            if self._fetch is fetch:
                self._fetch, self._failed_at = None, time.monotonic()
        return KeysUnavailable(
            f"{self._client.uri} could not be fetched: {type(error).__name__}: {error}"
        )

    def _remember_miss(self, kid: str, keys: KeySet) -> None:
        if kid not in keys:
            with self._lock:
                self._missed_at = time.monotonic()


class Fetch:
    """A fetch that is under way, and what it will bring."""

    def __init__(self) -> None:
        self.keys: Future[KeySet] = Future()
        # Others wait for the same fetch: one that gives up must not cancel it.
        self.keys.set_running_or_notify_cancel()
        self._given_up_at = time.monotonic() + FETCH_TIMEOUT

    def time_left(self) -> float:
        """Return the seconds until the fetch is given up."""
        return self._given_up_at - time.monotonic()


class KeySet:
    """The usable keys of a JWK Set, by their ids."""

    def __init__(self, jwks: Any) -> None:
        if not isinstance(jwks, list):
            raise ValueError("no JWK Set")
        self._keys: dict[str, tuple[dict[str, Any], jwt.PyJWK]] = {}
        for jwk in jwks:
            # A secret that anybody can fetch proves nothing, so no "oct" and no private key.
            if (
                isinstance(jwk, dict)
                and isinstance(jwk.get("kid"), str)
                and jwk.get("use", "sig") == "sig"
                and jwk.get("kty") != "oct"
                and "d" not in jwk
            ):
                # Whatever is wrong with one key, it must not cost the others.
                with suppress(Exception):
                    self._keys.setdefault(jwk["kid"], (jwk, jwt.PyJWK(jwk)))
        self._for_algorithm: dict[tuple[str, str], jwt.PyJWK] = {}

    def __contains__(self, kid: str) -> bool:
        return kid in self._keys

    def key(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """Return the key for an algorithm. Raises :exc:`~jti_replay.TokenInvalid`."""
        if kid not in self._keys:
            raise unknown_key()
        jwk, key = self._keys[kid]
        if algorithm == key.algorithm_name or "alg" in jwk:
            return key  # PyJWT refuses it for a token of another algorithm.
        # The issuer does not say what the key is for, and PyJWT has guessed.
        if (kid, algorithm) not in self._for_algorithm:
            try:
                fitting = jwt.PyJWK(jwk, algorithm)
                fitting.Algorithm.prepare_key(fitting.key)  # Here it looks at the curve.
            except jwt.PyJWTError as error:
                raise TokenInvalid("The token's algorithm does not fit its key.") from error
            self._for_algorithm[kid, algorithm] = fitting
        return self._for_algorithm[kid, algorithm]


def unknown_key() -> TokenInvalid:
    """Return the refusal of a token whose key nobody published."""
    return TokenInvalid("The token is signed with an unknown key.")
