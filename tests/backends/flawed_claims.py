"""Replay caches that each break one promise of claims."""

from __future__ import annotations

from collections.abc import Hashable

from jti_replay.backends.claims import Claimed
from jti_replay.backends.handover import Entry
from tests.backends.flawed import Sound


class ClaimsWhatWasTaken(Sound):
    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        return self.add(self.key(f"{namespace} claims", jti), deadline) or Claimed.RUNNING

    def drop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        return self.remove(self.key(f"{namespace} claims", jti), owner)


class ClaimsTheJTI(Sound):
    """So that its own claim is taken for the end of the event."""

    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        return self.add(self.key(namespace, jti), deadline) or Claimed.SETTLED

    def drop_claim(self, namespace: str, jti: str, owner: Hashable) -> bool:
        return self.remove(self.key(namespace, jti), owner)


class ClaimsForEver(Sound):
    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        return super().claim(namespace, jti, deadline + 10**6, usable_since)


class ClaimsTwice(Sound):
    def claim(
        self, namespace: str, jti: str, deadline: float, usable_since: float | None
    ) -> Entry | Claimed:
        claimed = super().claim(namespace, jti, deadline, usable_since)
        return (None, deadline) if claimed is Claimed.RUNNING else claimed
