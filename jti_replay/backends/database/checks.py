"""System checks of the database that a cache uses."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import connections

from .statements import SUPPORTED, VENDORS


def check_database(alias: str, location: str, *, alone: bool) -> list[CheckMessage]:
    """
    Refuse a location that is no database or has no statements, and one that allows no private
    connection where everything goes over one (``alone``).
    """
    if location not in settings.DATABASES:
        return [
            Error(
                f"The replay cache {alias!r} is to use the database {location!r}, which "
                "settings.DATABASES does not name.",
                hint="Set LOCATION to an alias of settings.DATABASES.",
                id="jti_replay.E006",
            )
        ]
    if connections[location].vendor not in VENDORS:
        return [
            Error(
                f"The replay cache {alias!r} is to use the database {location!r}, whose "
                f"vendor is {connections[location].vendor!r}: there are no statements for it.",
                hint=f"Use {SUPPORTED}, or a RedisCache.",
                id="jti_replay.E039",
            )
        ]
    obstacle = _obstacle(connections[location]) if alone else ""
    if not obstacle:
        return []
    return [
        Error(
            f"The replay cache {alias!r} cannot have a private connection to the database "
            f"{location!r}, {obstacle}.",
            hint="Remove 'join': False.",
            id="jti_replay.E017",
        )
    ]


def _obstacle(connection: Any) -> str:
    if connection.vendor != "sqlite":
        return ""
    if connection.is_in_memory_db():
        return "which is in the memory of Django's connection"
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED"
    if mode.upper() != "DEFERRED":
        return f"which each transaction locks from its beginning (transaction_mode {mode})"
    return ""
