"""
A lane: a process that sends tokens. Of some it is the honest client, who tries again until
the work is done; of the others it has a copy, and sends that at the same time.

The lanes go through the tokens side by side. With the direct door the lane is also the worker
that serves its requests, and the one that is killed.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import board as boards
from .board import Board
from .clock import real_time, step_by
from .doors import Answer, DirectDoor, Door, HTTPDoor
from .terms import LEEWAY, mint

WINDOW = 8
"""By how many tokens a lane may be ahead of the slowest one."""

AHEAD = 64
"""How many tokens are issued ahead, so that those who hold a copy have it in time."""

PATIENCE = 60.0
"""Seconds after which an honest client gives up."""

FAILING = 20
"""The first request of one token in so many fails after it has written."""


@dataclass(frozen=True)
class Orders:
    """What a lane is to do. All seconds."""

    board: str
    tokens: int
    lane: int
    lanes: int
    copies: int
    """How many other lanes send a token at the same time as its honest client."""

    port: int | None
    """Of the HTTP server; None for the direct door."""

    lifetime: int
    at_the_end: bool
    """Whether the late replay comes just before the token expires, or earlier."""

    late: float
    """Seconds after which the late replay comes otherwise, at the most."""

    rate: float
    """Tokens in a second at the most."""

    started: float
    limit: float
    """When a lane stops, whatever is still to do, after the start."""

    def __str__(self) -> str:
        return json.dumps(self.__dict__)


class Task(NamedTuple):
    """Something to send when it is due."""

    due: float
    token: int
    generation: int
    issued: int
    replay: bool
    since: float
    """When its honest client first sent it."""


class Lane:
    """The work of one lane."""

    def __init__(self, orders: Orders, board: Board, door: Door) -> None:
        self._orders = orders
        self._board = board
        self._door = door
        self._me = orders.lane
        self._tasks: list[Task] = []

    def run(self) -> None:
        """Send all tokens, those of others too, and go on until the honest ones are done."""
        board, me = self._board, self._me
        self._take_up()
        for token in range(board.position[me], board.tokens):
            self._issue(token + AHEAD)
            while not self._may_send(token):
                if self._is_over():
                    return
                if not self._do_what_is_due():
                    time.sleep(0.0005)
            place = (me - token) % self._orders.lanes
            if place == 0:
                self._try(Task(0, token, 0, board.issued[token], False, time.monotonic()))
            elif place <= self._orders.copies:
                self._send(token, 0, board.issued[token])
            board.position[me] = token + 1
            self._do_what_is_due()
        while self._tasks and not self._is_over():
            if not self._do_what_is_due():
                time.sleep(0.005)
        board.finished[me] = not self._tasks

    def _take_up(self) -> None:
        """Issue the first tokens, and find what a killed predecessor has left to do."""
        board = self._board
        position = board.position[self._me]
        for token in range(min(position + AHEAD, board.tokens)):
            if token % self._orders.lanes != self._me:
                continue
            if not board.issued[token]:
                board.issued[token] = int(real_time())
            elif token <= position and not board.late[token]:
                self._later(
                    token,
                    board.generation[token],
                    board.issued[token],
                    replay=board.outcome[token] != boards.PENDING,
                )

    def _issue(self, token: int) -> None:
        board = self._board
        if token < board.tokens and token % self._orders.lanes == self._me:
            board.issued[token] = board.issued[token] or int(real_time())

    def _may_send(self, token: int) -> bool:
        elapsed = real_time() - self._orders.started
        if token > elapsed * self._orders.rate or not self._board.issued[token]:
            return False
        return token < min(self._board.position[: self._orders.lanes]) + WINDOW

    def _is_over(self) -> bool:
        return real_time() > self._orders.started + self._orders.limit

    def _do_what_is_due(self) -> bool:
        if not self._tasks or self._tasks[0].due > time.monotonic():
            return False
        task = heapq.heappop(self._tasks)
        if task.replay:
            answer = self._send(task.token, task.generation, task.issued)
            if answer is Answer.FAILED:  # He tries again, too.
                heapq.heappush(self._tasks, task._replace(due=time.monotonic() + 0.2))
            else:
                self._board.late[task.token] = 1
        else:
            self._try(task)
        return True

    def _try(self, task: Task) -> None:
        """Be the honest client, who wants the work done once."""
        board, token = self._board, task.token
        fail = token % FAILING == FAILING - 1 and task.due == 0
        answer = self._send(token, task.generation, task.issued, fail=fail)
        waited = time.monotonic() - task.since
        board.stall[self._me] = max(board.stall[self._me], int(waited * 1000))
        if answer is Answer.ACCEPTED or answer is Answer.REPLAYED:
            accepted = answer is Answer.ACCEPTED
            board.outcome[token] = boards.ACCEPTED if accepted else boards.REPLAYED
            self._later(token, task.generation, task.issued, replay=True)
        elif waited > PATIENCE:
            board.outcome[token] = boards.GAVE_UP
        elif answer in (Answer.COLD, Answer.REFUSED) and task.generation < 255:
            # It is from before a cold start, or has expired in an outage: get a new one. The
            # old one is sent once more later on, by whoever has a copy.
            self._later(token, task.generation, task.issued, replay=True)
            board.generation[token] = task.generation + 1
            board.issued[token] = int(real_time())
            again = task._replace(
                due=time.monotonic() + 0.25,
                generation=task.generation + 1,
                issued=board.issued[token],
            )
            heapq.heappush(self._tasks, again)
        else:
            pause = random.uniform(0.02, 0.2)
            heapq.heappush(self._tasks, task._replace(due=time.monotonic() + pause))

    def _later(self, token: int, generation: int, issued: int, *, replay: bool) -> None:
        delay = random.uniform(0.2, self._orders.late)
        if self._orders.at_the_end:
            # A worker whose clock is late accepts it a little longer.
            end = issued + self._orders.lifetime + LEEWAY
            delay = max(0.0, end - real_time() + random.uniform(-0.7, 0.9))
        if not replay:
            delay = random.uniform(0.02, 0.2)
        now = time.monotonic()
        heapq.heappush(self._tasks, Task(now + delay, token, generation, issued, replay, now))

    def _send(self, token: int, generation: int, issued: int, *, fail: bool = False) -> Answer:
        board, me = self._board, self._me
        board.in_hand[me] = token + 1
        reply = self._door.send(
            mint(f"{token}.{generation}", issued, self._orders.lifetime), fail=fail
        )
        bits = reply.bits
        if reply.answer is Answer.FAILED and reply.from_store:
            bits |= boards.UNDECIDED
        elif reply.answer is Answer.FAILED and fail and not bits:
            bits |= boards.ROLLED_BACK
        elif reply.answer is Answer.COLD:
            bits |= boards.COLD
        board.fate[me][token] |= bits
        board.in_hand[me] = 0
        board.requests[me] += 1
        board.failures[me] += reply.answer is Answer.FAILED
        return reply.answer


def main(orders: Orders) -> None:
    """Run a lane, in a process of its own."""
    with Board(Path(orders.board), orders.tokens) as board:
        door: Door
        if orders.port is None:
            import django

            os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.torture.settings"
            django.setup()
            step_by(lambda: board.offsets[orders.lane])
            door = DirectDoor()
        else:
            door = HTTPDoor(orders.port)
        Lane(orders, board, door).run()


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
