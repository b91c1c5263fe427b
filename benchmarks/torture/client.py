"""
A client: a process that sends tokens. It owns some of them, and tries again until their work
is done; of the others it has a copy, and sends that at the same time.

The clients go through the tokens side by side. With the direct transport a client is also the
worker that serves its requests, and that is killed.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from . import setups, shared_state
from .clock import real_time, step_by
from .direct_client import DirectTransport
from .http_client import HTTPTransport
from .issuer import LEEWAY, mint
from .shared_state import SharedState
from .transport import Answer, Asked, Reply, Transport

WINDOW = 8
"""By how many tokens a client may be ahead of the slowest one."""

AHEAD = 64
"""How many tokens are issued ahead, so that those who hold a copy have it in time."""

PATIENCE = 60.0
"""Seconds after which the owner of a token gives up."""

FAILING = 20
"""The first request of one token in so many fails after it has written."""

MISBEHAVING = {setups.DEADLOCKS: 1.0, setups.SMALL_POOL: 0.0, setups.REQUESTS_WAIT: 0.0}
MOSTLY_MISBEHAVING = 0.1
"""The share of requests in which the site is asked to misbehave, by the fault."""

UNSURE = {
    setups.CLIENTS_GO_AWAY: shared_state.WENT_AWAY,
    setups.REQUESTS_INTERRUPTED: shared_state.INTERRUPTED,
}
"""Faults after which a jti may come back although its owner was refused, and their bits."""

WAITING = 0.1
"""The share of late replays that the site lets wait after it has verified them."""

LONGEST_WAIT = 4.5
"""Seconds until the entry of a token that is about to expire is gone for sure."""

SURE = 3.0
"""Seconds after which a refusal is final, where a jti may still be on its way back."""


@dataclass(frozen=True)
class Orders:
    """What a client is to do. All seconds."""

    state: str
    tokens: int
    client: int
    clients: int
    copies: int
    """How many other clients send a token at the same time as its owner."""

    port: int | None
    """Of the HTTP server; None for the direct transport."""

    lifetime: int
    around_the_end: tuple[float, float] | None
    """When the late replay comes, as seconds after the token expires; None for earlier."""

    late: float
    """The longest time in seconds until the late replay otherwise."""

    fault: str
    rate: float
    """The most tokens in a second."""

    started: float
    limit: float
    """When a client stops, whatever is still to do, after the start."""

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
    """When its owner first sent it."""


class Client:
    """The work of one client."""

    def __init__(self, orders: Orders, state: SharedState, transport: Transport) -> None:
        self._orders = orders
        self._state = state
        self._transport = transport
        self._me = orders.client
        self._tasks: list[Task] = []
        self._misbehaving = (
            MISBEHAVING.get(orders.fault, MOSTLY_MISBEHAVING)
            if orders.fault in setups.REQUEST_FAULTS
            else 0.0
        )
        self._waiting = ThreadPoolExecutor(32)
        self._waits: list[Future[Reply]] = []

    def run(self) -> None:
        """Send all tokens, copies too, and go on until those that it owns are done."""
        state, me = self._state, self._me
        self._take_up()
        for token in range(state.position[me], state.tokens):
            self._issue(token + AHEAD)
            while not self._may_send(token):
                if self._is_over():
                    return
                if not self._do_what_is_due():
                    time.sleep(0.0005)
            place = (me - token) % self._orders.clients
            if place == 0:
                self._try(Task(0, token, 0, state.issued[token], False, time.monotonic()))
            elif place <= self._orders.copies:
                self._send(token, 0, state.issued[token])
            state.position[me] = token + 1
            while self._do_what_is_due():
                pass
        while self._tasks and not self._is_over():
            if not self._do_what_is_due():
                time.sleep(0.005)
        for wait in self._waits:
            self._count(wait.result())
        state.finished[me] = not self._tasks

    def _take_up(self) -> None:
        """Issue the first tokens, and find what a killed predecessor has left to do."""
        state = self._state
        position = state.position[self._me]
        for token in range(min(position + AHEAD, state.tokens)):
            if token % self._orders.clients != self._me:
                continue
            if not state.issued[token]:
                state.issued[token] = int(real_time())
            elif token <= position and not state.late[token]:
                self._later(
                    token,
                    state.generation[token],
                    state.issued[token],
                    replay=state.outcome[token] != shared_state.PENDING,
                )

    def _issue(self, token: int) -> None:
        state = self._state
        if token < state.tokens and token % self._orders.clients == self._me:
            state.issued[token] = state.issued[token] or int(real_time())

    def _may_send(self, token: int) -> bool:
        elapsed = real_time() - self._orders.started
        if token > elapsed * self._orders.rate or not self._state.issued[token]:
            return False
        return token < min(self._state.position[: self._orders.clients]) + WINDOW

    def _is_over(self) -> bool:
        return real_time() > self._orders.started + self._orders.limit

    def _do_what_is_due(self) -> bool:
        if not self._tasks or self._tasks[0].due > time.monotonic():
            return False
        task = heapq.heappop(self._tasks)
        if task.replay and self._orders.fault == setups.REQUESTS_WAIT and _chance(WAITING):
            self._send_and_wait(task)
            self._state.late[task.token] = 1
        elif task.replay:
            answer = self._send(task.token, task.generation, task.issued)
            if answer is Answer.FAILED:  # A replay is tried again, too.
                heapq.heappush(self._tasks, task._replace(due=time.monotonic() + 0.2))
            else:
                self._state.late[task.token] = 1
        else:
            self._try(task)
        return True

    def _try(self, task: Task) -> None:
        """Send a token as its owner, who wants the work done once."""
        state, token = self._state, task.token
        fail = token % FAILING == FAILING - 1 and task.due == 0
        answer = self._send(token, task.generation, task.issued, fail=fail)
        waited = time.monotonic() - task.since
        state.stall[self._me] = max(state.stall[self._me], int(waited * 1000))
        if answer is Answer.REPLAYED and self._ends_soon(task.issued):
            # A request that reserved it and found it expired may not have released it yet.
            answer = Answer.REFUSED
        if answer is Answer.REPLAYED and self._may_come_back(token) and waited < SURE:
            heapq.heappush(self._tasks, task._replace(due=time.monotonic() + 0.3))
        elif answer is Answer.ACCEPTED or answer is Answer.REPLAYED:
            accepted = answer is Answer.ACCEPTED
            state.outcome[token] = shared_state.ACCEPTED if accepted else shared_state.REPLAYED
            self._later(token, task.generation, task.issued, replay=True)
        elif waited > PATIENCE:
            state.outcome[token] = shared_state.GAVE_UP
        elif answer in (Answer.COLD, Answer.REFUSED) and task.generation < 255:
            # It is from before a cold start, or has expired in an outage: get a new one. The
            # old one is sent once more later on, as a copy would be.
            self._later(token, task.generation, task.issued, replay=True)
            state.generation[token] = task.generation + 1
            state.issued[token] = int(real_time())
            again = task._replace(
                due=time.monotonic() + 0.25,
                generation=task.generation + 1,
                issued=state.issued[token],
            )
            heapq.heappush(self._tasks, again)
        else:
            pause = random.uniform(0.02, 0.2)
            heapq.heappush(self._tasks, task._replace(due=time.monotonic() + pause))

    def _later(self, token: int, generation: int, issued: int, *, replay: bool) -> None:
        delay = random.uniform(0.2, self._orders.late)
        if self._orders.around_the_end:
            # A worker whose clock is late accepts it a little longer.
            end = issued + self._orders.lifetime + LEEWAY
            delay = max(0.0, end - real_time() + random.uniform(*self._orders.around_the_end))
        if not replay:
            delay = random.uniform(0.02, 0.2)
        now = time.monotonic()
        heapq.heappush(self._tasks, Task(now + delay, token, generation, issued, replay, now))

    def _ends_soon(self, issued: int) -> bool:
        return real_time() > issued + self._orders.lifetime + LEEWAY - 1

    def _may_come_back(self, token: int) -> bool:
        return bool(self._state.befell(token) & UNSURE.get(self._orders.fault, 0))

    def _send(self, token: int, generation: int, issued: int, *, fail: bool = False) -> Answer:
        state, me = self._state, self._me
        state.in_hand[me] = token + 1
        misbehave = _chance(self._misbehaving)
        if misbehave:  # Its owner may be refused before this request has ended.
            state.fate[me][token] |= UNSURE.get(self._orders.fault, 0)
        reply = self._transport.send(
            mint(f"{token}.{generation}", issued, self._orders.lifetime),
            Asked(fail=fail, misbehave=misbehave),
        )
        bits = reply.bits
        if reply.answer is Answer.FAILED and reply.from_store:
            bits |= shared_state.UNDECIDED
        elif reply.answer is Answer.FAILED and fail and not bits:
            bits |= shared_state.ROLLED_BACK
        elif reply.answer is Answer.COLD:
            bits |= shared_state.COLD
        elif reply.answer is Answer.ACCEPTED and generation == 0:
            state.told[me][token] += 1
        state.fate[me][token] |= bits
        state.in_hand[me] = 0
        self._count(reply)
        return reply.answer

    def _send_and_wait(self, task: Task) -> None:
        """Send a late replay, and do not wait for its answer: the oracle sees what it does."""
        token = mint(f"{task.token}.{task.generation}", task.issued, self._orders.lifetime)
        asked = Asked(wait=random.uniform(0, LONGEST_WAIT))
        self._waits.append(self._waiting.submit(self._transport.send, token, asked))

    def _count(self, reply: Reply) -> None:
        state, me = self._state, self._me
        state.requests[me] += 1
        state.failures[me] += reply.answer is Answer.FAILED
        state.misbehaved[me] += reply.misbehaved
        state.hung[me] += reply.hung


def _chance(share: float) -> bool:
    return random.random() < share


def main(orders: Orders) -> None:
    """Run a client in its process."""
    with SharedState(Path(orders.state), orders.tokens) as state:
        transport: Transport
        if orders.port is None:
            import django

            os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.torture.settings"
            django.setup()
            step_by(lambda: state.offsets[orders.client])
            transport = DirectTransport(orders.fault)
        else:
            transport = HTTPTransport(orders.port, orders.fault)
        Client(orders, state, transport).run()


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
