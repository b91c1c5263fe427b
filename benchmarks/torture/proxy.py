"""
A TCP proxy in a process of its own, which loses messages, delays them, and can be told to lead
to another server. It is told so in lines of JSON on its standard input, and ends with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

LOSSES = ("cut request", "cut reply", "drop reply")
"""The connection is closed in the place of a message, or the message just vanishes."""


class Proxy:
    """A running proxy, as the one who started it sees it."""

    def __init__(self, target: int, *, delay: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(target), str(delay)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._read())

    def lead_to(self, target: int) -> None:
        """Lead all connections to another server from now on, and cut those that there are."""
        self._tell(target=target)

    def lose(self, shares: dict[str, float]) -> None:
        """Lose messages at random: these shares of the requests, by kind of loss."""
        self._tell(losses=shares)

    def lost(self) -> int:
        """Return how many messages were lost so far."""
        return int(self._tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def _tell(self, **order: Any) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class _Passage:
    """What all connections of a proxy share."""

    def __init__(self, target: int, delay: float) -> None:
        self.target = target
        self.delay = delay
        self.losses: dict[str, float] = {}
        self.lost = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = {writer}
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self.target)
            writers.add(onward)
            self.open |= writers
            fates: list[str] = []
            requests = asyncio.create_task(self._pass_requests(reader, onward, fates))
            replies = asyncio.create_task(self._pass_replies(there, writer, fates))
            both = (requests, replies)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            pass
        finally:
            self.open -= writers
            for one_end in writers:
                one_end.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fates: list[str]
    ) -> None:
        while request := await reader.read(65536):
            if self.losses and b"EVAL" in request:
                loss = self._loss()
                if loss == "cut request":
                    return
                fates.append(loss)
            writer.write(request)

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fates: list[str]
    ) -> None:
        while reply := await reader.read(65536):
            loss = fates.pop() if fates else ""
            if loss == "cut reply":
                return
            if loss == "drop reply":
                continue
            if self.delay:
                # In order, and without holding up what comes behind.
                asyncio.get_running_loop().call_later(self.delay, _write, writer, reply)
            else:
                writer.write(reply)

    def _loss(self) -> str:
        chance = random.random()
        for loss, share in self.losses.items():
            if chance < share:
                self.lost += 1
                return loss
            chance -= share
        return ""


def _write(writer: asyncio.StreamWriter, reply: bytes) -> None:
    if not writer.is_closing():
        writer.write(reply)


async def _main(target: int, delay: float) -> None:
    passage = _Passage(target, delay)
    server = await asyncio.start_server(passage.accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    while line := await orders.readline():
        order = json.loads(line)
        passage.losses = order.get("losses", passage.losses)
        if "target" in order:
            passage.target = order["target"]
            for writer in list(passage.open):
                writer.close()
        print(passage.lost, flush=True)
    os._exit(0)  # With all connections, at once.


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
