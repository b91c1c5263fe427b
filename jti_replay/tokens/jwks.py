"""The keys that an issuer publishes (RFC 7517 5), fetched when they are needed."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from jti_replay.conf.forks import new_lock
from jti_replay.exceptions import JTIReplayError, KeysUnavailable, TokenInvalid

from .ages import LONG_AGO, Moment
from .deadlines import Deadline
from .jwks_options import JwksOptions
from .key_set import KeySet
from .locations import KeysLocation
from .parsing import UnverifiedToken

REFRESH_AT = 0.8
"""The part of their lifespan after which keys are fetched again, behind the requests."""

MISS_COOLDOWN = 30
"""Seconds between two fetches for the sake of keys that turned out to be unknown."""

FAILURE_COOLDOWN = 1
"""Seconds between a fetch that failed and the next one."""

PATIENCE = 1
"""
Seconds from the beginning of a fetch for which a token whose key is unknown waits for it,
while other keys are in hand. The one that began it waits to its end.
"""

MARGIN = 0.1
"""Seconds beyond its deadline for which a fetch is waited for, so that it can say why."""

logger = logging.getLogger("jti_replay")


class Fetch:
    """A fetch that runs in a thread of its own, and what it will bring."""

    def __init__(self, timeout: float) -> None:
        self.deadline = Deadline(timeout)
        self.started = Moment.now()
        self.is_awaited = False
        self.keys: Future[KeySet] = Future()
        # Others wait for the same fetch: one that gives up must not cancel it.
        self.keys.set_running_or_notify_cancel()


class Held(NamedTuple):
    """Keys that have been fetched, and when."""

    keys: KeySet
    since: Moment


class Wait(NamedTuple):
    """A fetch that a token waits for, and for how many seconds at most."""

    fetch: Fetch
    seconds: float


class RemoteKeys:
    """
    The keys of one location, for all threads and event loops of the process.

    A fetch runs in a thread of its own, one at a time. Requests whose key is known do not
    wait for it.
    """

    def __init__(self, location: KeysLocation, options: JwksOptions) -> None:
        self._location = location
        self._options = options
        self._lock = new_lock()
        self._held = Held(KeySet([]), LONG_AGO)
        self._fetch: Fetch | None = None
        self._failed_at = self._missed_at = LONG_AGO

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """Return the keys that fit a token. Waits for a fetch where it must."""
        keys, wait = self._known_or_wait(token)
        if wait is None:
            return keys
        try:
            fetched = wait.fetch.keys.result(wait.seconds)
        except Exception as error:
            raise self._unavailable(error) from error
        return self._fitting(fetched, token)

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`."""
        keys, wait = self._known_or_wait(token)
        if wait is None:
            return keys
        try:
            future = asyncio.wrap_future(wait.fetch.keys)
            fetched = await asyncio.wait_for(future, wait.seconds)
        except Exception as error:
            raise self._unavailable(error) from error
        return self._fitting(fetched, token)

    @property
    def unusable(self) -> str:
        """The keys that cannot be used of those that were fetched last, with the reasons."""
        return self._held.keys.unusable

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way."""
        return self._fetch is not None

    @property
    def has_keys(self) -> bool:
        """Whether there are keys that are trusted."""
        return self._is_trusted(self._held)

    def _known_or_wait(self, token: UnverifiedToken) -> tuple[Sequence[Any], Wait | None]:
        """Return the keys in hand that fit a token, or else the fetch that may bring them."""
        if token.header.get("kid") == "":
            raise TokenInvalid("The token does not name its key (kid).", claim="kid")
        while True:
            held = self._held
            is_trusted = self._is_trusted(held)
            if is_trusted:
                if held.since.age > self._options.lifespan * REFRESH_AT:
                    self._refresh()
                if keys := held.keys.find(token):
                    return keys, None
            with self._lock:
                if self._held is held:  # A fetch may just have ended.
                    return (), self._wait_for(token, held if is_trusted else None)

    def _wait_for(self, token: UnverifiedToken, held: Held | None) -> Wait:
        """
        Return the fetch that may bring the key of a token. ``held`` are the keys in hand, if
        they are trusted. The lock is held.

        A made-up kid costs its sender nothing, so it must not cost the issuer a request each,
        nor hold up a worker while the issuer does not answer.
        """
        if held is None:
            return self._wait(self._running_fetch())
        if self._missed_at.age >= MISS_COOLDOWN:
            wait = self._wait(self._running_fetch())
            self._missed_at = Moment.now()
            return wait
        if self._fetch is not None:
            return self._wait(self._fetch, PATIENCE - self._fetch.started.age)
        if self._failed_at >= held.since:
            raise KeysUnavailable(f"{self._location} could not be fetched moments ago.")
        raise held.keys.unknown(token)

    def _is_trusted(self, held: Held) -> bool:
        return held.since.age <= self._options.lifespan + self._options.max_stale

    def _refresh(self) -> None:
        """Fetch the keys ahead of time, behind the requests."""
        with self._lock, suppress(KeysUnavailable):
            self._running_fetch()

    def _wait(self, fetch: Fetch, seconds: float | None = None) -> Wait:
        fetch.is_awaited = True
        try:
            left = fetch.deadline.left()
        except TimeoutError as error:
            # Its thread goes on: to look up the name of a host cannot be interrupted.
            raise self._unavailable(error) from error
        return Wait(fetch, left + MARGIN if seconds is None else min(left, seconds))

    def _running_fetch(self) -> Fetch:
        """Return the fetch that is under way, or begin one. The lock is held."""
        if self._fetch is not None:
            return self._fetch
        if self._failed_at.age < FAILURE_COOLDOWN:
            raise KeysUnavailable(f"{self._location} could not be fetched moments ago.")
        fetch = Fetch(self._options.timeout)
        thread = threading.Thread(
            target=self._run, args=[fetch], name="jti_replay.jwks", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise KeysUnavailable(f"{self._location} is not fetched: {error}.") from error
        self._fetch = fetch
        return fetch

    def _run(self, fetch: Fetch) -> None:
        try:
            keys = KeySet(self._location.fetch(fetch.deadline))
        except Exception as error:
            with self._lock:
                self._fetch, self._failed_at = None, Moment.now()
            if not fetch.is_awaited:
                logger.warning("%s The keys in hand go on.", self._unavailable(error))
            fetch.keys.set_exception(error)
            return
        with self._lock:
            self._held, self._fetch = Held(keys, Moment.now()), None
        if keys.unusable:
            logger.warning(
                "%s publishes what cannot be used. %s", self._location, keys.unusable
            )
        fetch.keys.set_result(keys)

    def _unavailable(self, error: Exception) -> JTIReplayError:
        if isinstance(error, TimeoutError):
            reason = "There was no answer in time."
        else:
            reason = f"{type(error).__name__}: {error}"
        return KeysUnavailable(f"{self._location} could not be fetched. {reason}")

    def _fitting(self, fetched: KeySet, token: UnverifiedToken) -> Sequence[Any]:
        keys = fetched.find(token)
        if not keys:
            with self._lock:
                self._missed_at = Moment.now()
            raise fetched.unknown(token)
        with self._lock:
            self._missed_at = LONG_AGO
        return keys
