"""An issuer that publishes its keys over real HTTP, well or badly."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DOCUMENT = "/.well-known/openid-configuration"

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


class Issuer:
    """
    An issuer on a free loopback port, with a JWK Set and a discovery document.

    ``keys`` is what it publishes, ``answer`` how, ``document`` changes its discovery document,
    ``fetches`` is how often it was asked, and ``seen`` the paths and headers of that. It
    speaks TLS with the certificate in ``certificates``.
    """

    def __init__(self, certificates: Path | None = None) -> None:
        self.keys: list[Any] = []
        self.document: dict[str, Any] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self._certificates = certificates
        self.answer: Answer = self.publish
        self.fetches = 0
        self.asked = threading.Event()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self.server: Server | None = None
        self._port = 0

    def __enter__(self) -> Issuer:
        self.come_up()
        return self

    def __exit__(self, *args: object) -> None:
        self.closing.set()
        self.go_down()

    @property
    def origin(self) -> str:
        return f"{'https' if self._certificates else 'http'}://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{self.origin}/jwks"

    def come_up(self) -> None:
        """Listen, on the same port as before."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                with issuer._lock:
                    issuer.fetches += 1
                    issuer.seen.append((self.path, dict(self.headers)))
                answer = issuer.answer
                issuer.asked.set()
                with suppress(OSError):
                    answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", self._port), Handler)
        self._port = self.server.server_address[1]
        if self._certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(
                self._certificates / "server.pem", self._certificates / "server.key"
            )
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.002}, daemon=True
        ).start()

    def go_down(self) -> None:
        """Refuse connections."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def wait_for_fetch(self, number: int) -> None:
        """Wait until the keys have been asked for so many times."""
        while self.fetches < number:
            time.sleep(0.01)

    # Answers.

    def publish(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer as an issuer should."""
        if handler.path.endswith(DOCUMENT):
            issuer = self.origin + handler.path.removesuffix(DOCUMENT)
            answer = {"issuer": issuer, "jwks_uri": self.url} | self.document
        else:
            answer = {"keys": self.keys}
        respond(handler, 200, json.dumps(answer).encode())

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Accept the request, and never answer."""
        self.closing.wait()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a byte at a time, without an end."""
        handler.send_response(200)
        handler.end_headers()
        while not self.closing.wait(0.02):
            handler.wfile.write(b" ")


def respond(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
