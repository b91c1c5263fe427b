"""Views served over HTTP, for clients that are no part of this project."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler


class Silent(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def wsgi_server() -> Iterator[str]:
    """Run a server on a free loopback port, and yield its origin."""
    server = make_server("127.0.0.1", 0, WSGIHandler(), handler_class=Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def uvicorn_server() -> Iterator[str]:
    """Run a server that serves by ASGI, on an event loop of its own."""
    config = uvicorn.Config(ASGIHandler(), lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(settings: Any, urlpatterns: list[Any]) -> Iterator[str]:
    """Serve views over HTTP on a free loopback port, and yield the origin."""
    settings.ROOT_URLCONF = tuple(urlpatterns)
    with wsgi_server() as origin:
        yield origin
