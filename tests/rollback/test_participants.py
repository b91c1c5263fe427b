"""What is part of a transaction, and is told what becomes of it."""

from __future__ import annotations

import pytest

from jti_replay.rollback.participants import Participants


class Part:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[bool | str] = []

    def before_commit(self) -> None:
        self.told.append("commit")

    def rolled_back(self, *, savepoint: bool) -> None:
        self.told.append(savepoint)


@pytest.fixture
def parts() -> list[Part]:
    return [Part(), Part(), Part()]


def test_those_that_joined_after_a_savepoint_are_told_of_its_rollback(
    parts: list[Part],
) -> None:
    participants = Participants()
    participants.add(parts[0])
    participants.mark("savepoint")
    participants.add(parts[1])
    participants.add(parts[2])
    participants.roll_back_to("savepoint")
    assert [part.told for part in parts] == [[], [True], [True]]
    assert list(participants) == parts[:1]


@pytest.mark.parametrize(("leaving", "told"), [(0, [[], [], [True]]), (2, [[], [], []])])
def test_a_savepoint_stays_where_it_is_when_one_leaves(
    parts: list[Part], leaving: int, told: list[list[bool]]
) -> None:
    participants = Participants()
    participants.add(parts[0])
    participants.add(parts[1])
    participants.mark("savepoint")
    participants.add(parts[2])
    participants.remove(parts[leaving])
    participants.roll_back_to("savepoint")
    assert [part.told for part in parts] == told


def test_all_are_told_of_the_end(parts: list[Part]) -> None:
    participants = Participants()
    participants.add(parts[0])
    participants.mark("savepoint")
    participants.add(parts[1])
    participants.before_commit()
    participants.roll_back()
    assert [part.told for part in parts] == [["commit", False], ["commit", False], []]
    participants.add(parts[2])
    participants.roll_back_to("savepoint")  # Of the next transaction, which has none.
    assert parts[2].told == [True]
