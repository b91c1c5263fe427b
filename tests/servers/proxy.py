"""A TCP proxy in threads, through which some messages are lost or delayed."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

Loss = Literal["drop request", "cut request", "drop reply", "cut reply"]
"""
What happens to a request: it, or its reply, vanishes ("drop": neither side is told, so that the
client waits), or the connection is closed in its stead ("cut").
"""

SIZE = 65536


class Proxy:
    """
    Listens on a free port, and leads each connection to ``target``, a port of loopback.

    ``fate`` tells for each request whether it is lost, and how. A client sends a request and
    waits for its reply, so that what is read in one go is one message. Replies are delayed by
    ``delay`` seconds, in order, and without holding up what comes behind.
    """

    def __init__(
        self, target: int, fate: Callable[[bytes], Loss | None], *, delay: float = 0.0
    ) -> None:
        self._target = target
        self._fate = fate
        self._delay = delay
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def lead_to(self, target: int) -> None:
        """Lead all connections to another port from now on, and close those that are open."""
        with self._lock:
            self._target = target
            for held in self._open:
                _shut(held)

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            for held in (self._listener, *self._open):
                _shut(held)
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout=10)
        self._listener.close()

    def _run(self, target: Callable[..., None], *args: object) -> threading.Thread:
        def run() -> None:
            try:
                target(*args)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, daemon=True)
        with self._lock:
            thread.start()
            self._threads.add(thread)
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    client.close()
                    return
                self._open.add(client)
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        ends = {client}
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
            ends.add(server)
            with self._lock:
                self._open.add(server)
                if self._closed:
                    return
            losses: list[Loss] = []  # Of the replies that are still to come.
            replies = self._run(self._pass_replies, client, server, losses)
            self._pass_requests(client, server, losses)
            replies.join()
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= ends
            for held in ends:
                held.close()

    def _pass_requests(
        self, client: socket.socket, server: socket.socket, losses: list[Loss]
    ) -> None:
        with contextlib.suppress(OSError):
            while request := client.recv(SIZE):
                loss = self._fate(request)
                if loss == "cut request":
                    break
                if loss == "drop request":
                    continue
                if loss is not None:
                    losses.append(loss)
                server.sendall(request)
        _shut(client)
        _shut(server)

    def _pass_replies(
        self, client: socket.socket, server: socket.socket, losses: list[Loss]
    ) -> None:
        send = client.sendall
        if self._delay:
            send = self._delayed(client)
        with contextlib.suppress(OSError):
            while reply := server.recv(SIZE):
                loss = losses.pop() if losses else None
                if loss == "cut reply":
                    break
                if loss != "drop reply":
                    send(reply)
        if self._delay:
            send(b"")
        else:
            _shut(client)
        _shut(server)

    def _delayed(self, client: socket.socket) -> Callable[[bytes], None]:
        due: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def send() -> None:
            with contextlib.suppress(OSError):
                while True:
                    moment, reply = due.get()
                    time.sleep(max(0.0, moment - time.monotonic()))
                    if not reply:
                        break
                    client.sendall(reply)
            _shut(client)

        self._run(send)
        return lambda reply: due.put((time.monotonic() + self._delay, reply))


def _shut(held: socket.socket) -> None:
    with contextlib.suppress(OSError):
        held.shutdown(socket.SHUT_RDWR)
