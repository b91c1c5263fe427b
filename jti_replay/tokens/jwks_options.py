"""The options by which published keys are fetched and trusted (``JWKS_OPTIONS``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class JwksOptions:
    """
    How keys are fetched and trusted. Times are in seconds.

    - ``headers``: sent with each fetch, or a function that returns them, asked at each.
    - ``cafile``: the path of the certificates that are trusted in place of the system's.
    - ``timeout``: after which a fetch is given up, from its beginning to its end.
    - ``lifespan``: for how long fetched keys are trusted.
    - ``max_stale``: for how much longer they serve while they cannot be fetched again.
    - ``allow_http``: whether plain http is accepted from hosts other than this machine.
    """

    headers: Headers | None = None
    cafile: str | None = None
    timeout: float = 5
    lifespan: float = 300
    max_stale: float = 0
    allow_http: bool = False


DEFAULT_OPTIONS = JwksOptions()
