"""A TCP proxy in front of a Redis that loses the messages that a test names."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

Loss = Literal["drop request", "cut request", "drop reply", "cut reply"]
"""
What happens to a request: it, or its reply, vanishes ("drop": nobody is told, so that the
client waits), or the connection is closed in its stead ("cut").
"""


def every_request(request: bytes) -> bool:
    return True


def is_work(request: bytes) -> bool:
    """Whether a request asks for a reserve or release, not for the setup of a connection."""
    return b"EVAL" in request


class LossyProxy:
    """
    Listens on a free port, and passes on what it does not lose.

    A client of Redis sends a request and waits for its reply, so that what is read in one go
    is one message.
    """

    def __init__(self, port: int) -> None:
        self.requests: list[bytes] = []
        self.lost = 0
        self._port = port
        self._lock = threading.Lock()
        self._losses: list[Loss | None] = []
        self._loses_all: Loss | None = None
        self._counts: Callable[[bytes], bool] = is_work
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def lose(self, *losses: Loss | None, among: Callable[[bytes], bool] = is_work) -> None:
        """Let the next requests among some suffer these losses; None passes one on."""
        with self._lock:
            self._losses, self._loses_all, self._counts = list(losses), None, among
            self.requests, self.lost = [], 0

    def lose_all(self, loss: Loss, *, among: Callable[[bytes], bool] = every_request) -> None:
        """Let all requests among some suffer the same."""
        with self._lock:
            self._losses, self._loses_all, self._counts = [], loss, among
            self.requests, self.lost = [], 0

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
            sockets = [self._listener, *self._sockets]
        for held in sockets:
            _shut(held)
        for thread in self._threads:
            thread.join(timeout=10)
        for held in sockets:
            held.close()

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            with self._lock:
                self._sockets += [client, server]
                if self._closed:
                    client.close()
                    server.close()
                    return
            # How the replies that are still to come are to be lost.
            fates: list[Loss] = []
            self._run(self._pass_requests, client, server, fates)
            self._run(self._pass_replies, client, server, fates)

    def _pass_requests(
        self, client: socket.socket, server: socket.socket, fates: list[Loss]
    ) -> None:
        with contextlib.suppress(OSError):
            while request := client.recv(65536):
                loss = self._fate_of(request)
                if loss == "cut request":
                    break
                if loss == "drop request":
                    continue
                if loss is not None:
                    fates.append(loss)
                server.sendall(request)
        _shut(client)
        _shut(server)

    def _pass_replies(
        self, client: socket.socket, server: socket.socket, fates: list[Loss]
    ) -> None:
        with contextlib.suppress(OSError):
            while reply := server.recv(65536):
                loss = fates.pop() if fates else None
                if loss == "cut reply":
                    break
                if loss != "drop reply":
                    client.sendall(reply)
        _shut(client)
        _shut(server)

    def _fate_of(self, request: bytes) -> Loss | None:
        with self._lock:
            if not self._counts(request):
                return None
            self.requests.append(request)
            loss = self._loses_all
            if self._losses:
                loss = self._losses.pop(0)
            self.lost += loss is not None
            return loss


def _shut(held: socket.socket) -> None:
    with contextlib.suppress(OSError):
        held.shutdown(socket.SHUT_RDWR)
