"""What a store has a part of in the open transaction of a connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Participant(Protocol):
    """A part of the open transaction that its owner must confirm or do again."""

    def before_commit(self) -> None:
        """
        Confirm that the part is still there.

        A :exc:`~django.db.DatabaseError` refuses the COMMIT, so that Django rolls back.
        """

    def rolled_back(self, *, savepoint: bool) -> None:
        """
        React to a rollback that has just undone the part. It no longer participates.

        The transaction goes on if ``savepoint`` is true. Django knows nothing of statements
        that run now, so they must use a cursor of the driver.
        """


class Participants:
    """The participants of one transaction, oldest first."""

    def __init__(self) -> None:
        self._list: list[Participant] = []
        # How many there were when a savepoint was made.
        self._savepoints: dict[str, int] = {}

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._list)

    def add(self, participant: Participant) -> None:
        """Let something be part of the open transaction."""
        self._list.append(participant)

    def remove(self, participant: Participant) -> None:
        """Let something no longer be part of the open transaction."""
        place = self._list.index(participant)
        del self._list[place]
        for sid, count in self._savepoints.items():
            self._savepoints[sid] = count - (count > place)

    def mark(self, sid: str) -> None:
        """Note a savepoint."""
        if self._list:
            self._savepoints[sid] = len(self._list)

    def before_commit(self) -> None:
        """Let each of them confirm the COMMIT."""
        for participant in tuple(self._list):
            participant.before_commit()

    def roll_back_to(self, sid: str) -> None:
        """
        Tell those that joined since Django made a savepoint.

        One that is not known is older than all of them.
        """
        self._tell(self._take(self._savepoints.get(sid, 0)), savepoint=True)

    def roll_back(self) -> None:
        """Tell all of them that the transaction has rolled back."""
        self._tell(self.leave(), savepoint=False)

    def leave(self) -> list[Participant]:
        """Forget and return all of them: the transaction has ended."""
        self._savepoints.clear()
        return self._take(0)

    def _take(self, first: int) -> list[Participant]:
        taken = self._list[first:]
        del self._list[first:]
        return taken

    @staticmethod
    def _tell(participants: list[Participant], *, savepoint: bool) -> None:
        for participant in participants:
            participant.rolled_back(savepoint=savepoint)
