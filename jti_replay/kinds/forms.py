"""Tokens in url-encoded forms (RFC 6749, Appendix B)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jti_replay.exceptions import RequestInvalid

if TYPE_CHECKING:
    from django.http import HttpRequest

MEDIA_TYPE = "application/x-www-form-urlencoded"

TEST_CLIENT = "multipart/form-data; boundary=BoUnDaRyStRiNg"
"""
What Django's test client sends unless it is told otherwise
(:data:`django.test.client.MULTIPART_CONTENT`). It is taken for a form, so that the tests of a
project may post a dict. A client on the network chooses a boundary of its own.
"""


def media_type(request: HttpRequest) -> str:
    """Return the media type of a request's body, in lower case and without parameters."""
    content_type: str = request.META.get("CONTENT_TYPE", "")
    return content_type.partition(";")[0].strip().lower()


def check_form(request: HttpRequest) -> None:
    """Raise :exc:`~jti_replay.RequestInvalid` unless the body is a url-encoded form."""
    if media_type(request) != MEDIA_TYPE and request.META.get("CONTENT_TYPE") != TEST_CLIENT:
        raise RequestInvalid(f"The request is not a form. Send it as {MEDIA_TYPE}.")


def parameter(request: HttpRequest, name: str) -> str | None:
    """
    Return a parameter of the form in a request's body, or None. The query is not read.

    Raises :exc:`~jti_replay.RequestInvalid` if it stands there twice (RFC 6749 3.2).
    """
    values = request.POST.getlist(name)
    if len(values) > 1:
        raise RequestInvalid(f"The parameter {name} is repeated. Send it once.")
    return values[0] if values else None


def form_with(**parameters: str) -> dict[str, Any]:
    """Return the keyword arguments with which Django's test client sends a form."""
    return {"data": urlencode(parameters), "content_type": MEDIA_TYPE}
