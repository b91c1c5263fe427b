"""
A JSON document, fetched over HTTP.

It is :mod:`urllib.request` with a deadline, a limit of size, and no redirects.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from jti_replay.conf.version import __version__

from .deadlines import Deadline, connect, tls_context
from .urls import host_of, is_loopback

LIMIT = 1024 * 1024
"""Bytes after which an answer is cut off."""

USER_AGENT = f"django-jti-replay/{__version__}"

# Kubernetes serves its keys as application/jwk-set+json alone.
ACCEPT = "application/json, application/jwk-set+json, */*;q=0.5"


class FetchError(Exception):
    """Raised when a document cannot be had. Its text says why."""


def fetch_json(
    url: str, deadline: Deadline, *, headers: Mapping[str, str], cafile: str | None = None
) -> Any:
    """
    Return the document at a URL.

    Redirects are not followed. Proxies of the environment are used, as by
    :mod:`urllib.request`, except for this machine. Raises :exc:`FetchError`.
    """
    try:
        request = Request(url, headers={"User-Agent": USER_AGENT, "Accept": ACCEPT, **headers})  # noqa: S310
        with _opener(url, deadline, cafile).open(request, timeout=deadline.left()) as response:
            body = _body(response)
    except HTTPError as error:
        error.close()
        hint = " Redirects are not followed." if error.code < 400 else ""
        raise FetchError(f"The answer has status {error.code}.{hint}") from error
    except (OSError, HTTPException, zlib.error, ValueError) as error:
        raise FetchError(_reason(error, deadline)) from error
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchError("The answer is no JSON.") from error


def _reason(error: Exception, deadline: Deadline) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"There was no complete answer within {deadline.seconds:g} s."
    return f"{type(cause).__name__}: {cause}"


def _body(response: HTTPResponse) -> bytes:
    body = response.read(LIMIT + 1)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding in ("gzip", "x-gzip"):  # Some servers compress unasked.
        body = zlib.decompressobj(wbits=31).decompress(body, LIMIT + 1)
    elif encoding != "identity":
        raise FetchError(f"The answer has the content encoding {encoding!r:.50}.")
    if len(body) > LIMIT:
        raise FetchError(f"The answer is longer than {LIMIT} bytes.")
    return body


def _opener(url: str, deadline: Deadline, cafile: str | None) -> OpenerDirector:
    opener = OpenerDirector()
    if not is_loopback(host_of(url)):
        opener.add_handler(ProxyHandler())
    opener.add_handler(_BoundedHandler(deadline, cafile))
    opener.add_handler(HTTPErrorProcessor())
    opener.add_handler(HTTPDefaultErrorHandler())
    return opener


class _BoundedHandler(HTTPHandler):
    https_request = HTTPHandler.http_request

    def __init__(self, deadline: Deadline, cafile: str | None) -> None:
        super().__init__()
        self._deadline = deadline
        self._cafile = cafile

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._plain, req)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._encrypted, req)

    def _plain(self, host: str, **options: Any) -> HTTPConnection:
        return self._bounded(HTTPConnection(host, **options))

    def _encrypted(self, host: str, **options: Any) -> HTTPConnection:
        context = tls_context(self._deadline, self._cafile)
        return self._bounded(HTTPSConnection(host, context=context, **options))

    def _bounded(self, connection: HTTPConnection) -> HTTPConnection:
        # A private name of http.client, which has no other way to make its socket.
        connection._create_connection = partial(  # type: ignore[attr-defined]
            connect, self._deadline
        )
        return connection
