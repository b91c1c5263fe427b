"""Which other aliases of ``settings.CACHES`` could clear the jtis away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from django.conf import settings
from redis.connection import parse_url

from jti_replay.backends.findings import Finding

Address: TypeAlias = tuple[str, int, int, str]
"""A host or socket, a port, the number of a database, and the Sentinels that know the host."""


def examine_sharing(location: str) -> Iterator[Finding]:
    """Compare the addresses in the settings. One server under two names is not recognised."""
    ours = set(_addresses(settings.CACHES[location]))
    others = sorted(
        alias
        for alias, params in settings.CACHES.items()
        if alias != location and ours & set(_addresses(params))
    )
    if not others:
        yield Finding.ok(
            "shared",
            [],
            f"No other alias of CACHES uses this database. clear() of {location!r} "
            "would forget all jtis.",
        )
        return
    yield Finding.error(
        "shared",
        others,
        f"CACHES has it under {', '.join(map(repr, others))}, too: clear() of such a cache "
        "empties the database, and every token that is in force passes again.",
        hint="Give the replay cache a database of its own: another number at the end of the "
        "URL, or better another server.",
        check="jti_replay.E025",
    )


def _addresses(params: Mapping[str, Any]) -> Iterable[Address]:
    location = params.get("LOCATION", "")
    options = params.get("OPTIONS") or {}
    # django-redis takes a list, Django's own cache a list or a str with commas, and those that
    # are no Redis may have a path.
    if not isinstance(location, list | tuple):
        location = str(location).replace(";", ",").split(",")
    for url in location:
        try:
            parsed: dict[str, Any] = cast("Any", parse_url)(url.strip())
        except ValueError:  # Not a Redis.
            continue
        host = parsed.get("path") or parsed.get("host", "localhost")
        yield (
            "127.0.0.1" if host == "localhost" else host,
            parsed.get("port", 6379),
            int(parsed.get("db", options.get("db", 0))),
            str(options.get("SENTINELS", "")),
        )
