"""Replay caches that each break one promise, and the sound one that they are made of."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error

from jti_replay import Reservation
from jti_replay.backends.base import BaseReplayCache
from jti_replay.reservation.key import JTIKey


class Sound(BaseReplayCache):
    """Breaks none."""

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        self.lock = threading.RLock()
        self.owners = itertools.count()
        self.entries: dict[bytes, tuple[float, Hashable]] = {}
        self.made_at = time.time()

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        with self.lock:
            if self.is_live(key):
                return None
            owner, expiry = next(self.owners), math.ceil(deadline)
            self.entries[key] = expiry, owner
            return owner, expiry

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        with self.lock:
            if not self.is_live(key) or owner not in (None, self.entries[key][1]):
                return False
            del self.entries[key]
            return True

    def complete_since(self) -> float:
        return self.made_at

    def count(self) -> int:
        with self.lock:
            return sum(map(self.is_live, self.entries))

    def is_live(self, key: JTIKey) -> bool:
        return key in self.entries and self.entries[key][0] > time.time()


class AlwaysNew(Sound):
    def is_live(self, key: JTIKey) -> bool:
        return False


class NeverNewAgain(Sound):
    def is_live(self, key: JTIKey) -> bool:
        return key in self.entries


class ForgetsAtExpiry(Sound):
    """Without the second of grace."""

    def is_live(self, key: JTIKey) -> bool:
        return key in self.entries and self.entries[key][0] - 1 > time.time()


class VouchesForThePast(Sound):
    def add_if_warm(
        self, key: JTIKey, deadline: float, usable_since: float
    ) -> tuple[Hashable, float] | None:
        return self.add(key, deadline)


class RoundsDown(Sound):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        return super().add(key, math.floor(deadline))


class RoundsUpTooFar(Sound):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        return super().add(key, deadline + 1)


class ReleasesWhoever(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        return super().remove(key, None)


class ReleasesByJTI(Sound):
    """Takes the jti for the owner, so that all reservations of it are one."""

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        entry = super().add(key, deadline)
        return entry and (key, entry[1])

    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        return super().remove(key, None)


class AlwaysSaysThatItReleased(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        super().remove(key, owner)
        return True


class FailsToReleaseWhatIsNotThere(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        if not self.is_live(key):
            raise KeyError(key)
        return super().remove(key, owner)


class Renames(Sound):
    """Takes some names for others."""

    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        raise NotImplementedError

    def reserve(
        self, jti: Any, expires_at: Any = None, *, namespace: str = "", **kwargs: Any
    ) -> Reservation | None:
        jti, namespace = self.rename(jti, namespace)
        return super().reserve(jti, expires_at, namespace=namespace, **kwargs)

    async def areserve(
        self, jti: Any, expires_at: Any = None, *, namespace: str = "", **kwargs: Any
    ) -> Reservation | None:
        jti, namespace = self.rename(jti, namespace)
        return await super().areserve(jti, expires_at, namespace=namespace, **kwargs)

    def release(self, jti: Any, *, namespace: str = "") -> bool:
        jti, namespace = self.rename(jti, namespace)
        return super().release(jti, namespace=namespace)

    async def arelease(self, jti: Any, *, namespace: str = "") -> bool:
        jti, namespace = self.rename(jti, namespace)
        return await super().arelease(jti, namespace=namespace)


class KnowsNoNamespace(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return jti, ""


class JoinsNamespaceAndJTI(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return namespace + jti, ""


class JoinsNamespaceAndJTIWithNUL(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return f"{namespace}\0{jti}", ""


class IgnoresCase(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return jti.lower(), namespace


class Normalises(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return unicodedata.normalize("NFC", jti), namespace


class CannotEncodeSurrogates(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return jti.encode().decode(), namespace


class ReplacesSurrogates(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return jti.encode(errors="replace").decode(), namespace


class CutsOffLongJTIs(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return jti[:255], namespace


class TakesAnyJTI(Renames):
    def rename(self, jti: Any, namespace: str) -> tuple[str, str]:
        return f"{jti}.", f"{namespace}"


class TakesAnyExpiry(Sound):
    def reserve(self, jti: str, expires_at: Any = None, **kwargs: Any) -> Reservation | None:
        try:
            return super().reserve(jti, expires_at, **kwargs)
        except (TypeError, ValueError):
            return super().reserve(jti, None, **kwargs)


class ReservesBeforeItLooks(Sound):
    """So that a jti is lost with its wrong expiry."""

    def reserve(self, jti: str, expires_at: Any = None, **kwargs: Any) -> Reservation | None:
        try:
            return super().reserve(jti, expires_at, **kwargs)
        except (TypeError, ValueError):
            super().reserve(jti, None, **kwargs)
            raise


class ChecksThenSets(Sound):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        if self.is_live(key):
            return None
        time.sleep(0.001)
        with self.lock:
            self.entries.pop(key, None)
            return super().add(key, deadline)

    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        if self.is_live(key):
            return None
        await asyncio.sleep(0)
        self.entries.pop(key, None)
        return super().add(key, deadline)


class ComparesThenDeletes(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        if not self.is_live(key):
            return False
        time.sleep(0.001)
        self.entries.pop(key, None)
        return True


class RemembersPerThread(Sound):
    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        self.threads: defaultdict[int, dict[bytes, tuple[float, Hashable]]]
        self.threads = defaultdict(dict)
        super().__init__(alias, params)

    @property
    def entries(self) -> dict[bytes, tuple[float, Hashable]]:  # type: ignore[override]
        return self.threads[threading.get_ident()]

    @entries.setter
    def entries(self, entries: dict[bytes, tuple[float, Hashable]]) -> None:
        pass


class RemembersPerFlavour(Sound):
    async def aadd(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        return self.add(key._replace(digest=b"async" + key.digest), deadline)


class EvictsWhenItHoldsMany(Sound):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        with self.lock:
            while len(self.entries) >= 64:
                del self.entries[next(iter(self.entries))]
            return super().add(key, deadline)


class ForgetsWhenClosed(Sound):
    def close(self) -> None:
        self.entries.clear()


class ForgetsWhenClosedAsynchronously(Sound):
    async def aclose(self) -> None:
        self.entries.clear()


class CountsReplays(Sound):
    replays = 0

    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        entry = super().add(key, deadline)
        self.replays += entry is None
        return entry

    def count(self) -> int:
        return super().count() + self.replays


class CountsNothingAsynchronously(Sound):
    async def acount(self) -> int | None:
        return 0


class Complains(Sound):
    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [Error("?")]


class FalseReservation:
    """Which can be added to, too."""

    def __init__(self, made: Reservation) -> None:
        self.made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)

    def __bool__(self) -> bool:
        return False


class GivesReservationsThatAreFalse(Sound):
    def reserve(self, jti: str, *args: Any, **kwargs: Any) -> Any:
        made = super().reserve(jti, *args, **kwargs)
        return made and FalseReservation(made)


class CannotRelease(Sound):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        raise OSError("down")


class Down(CannotRelease):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        raise OSError("down")


class SaysNewWhenDown(Down):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        return 1, deadline


class SaysSeenWhenDown(Down):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        return None


class SaysReleasedWhenDown(Down):
    def remove(self, key: JTIKey, owner: Hashable | None) -> bool:
        return True


class WaitsLongWhenDown(Down):
    def add(self, key: JTIKey, deadline: float) -> tuple[Hashable, float] | None:
        time.sleep(1.1)
        return super().add(key, deadline)
