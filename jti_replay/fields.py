"""The type of a column that holds a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from .digests import DIGEST_SIZE

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _BinaryField = models.BinaryField[Any, Any]
else:
    _BinaryField = models.BinaryField


class DigestField(_BinaryField):
    """Bytes of a fixed size. MySQL cannot index Django's BinaryField, which is a blob there."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column."""
        if connection.vendor == "mysql":
            return f"binary({DIGEST_SIZE})"
        return super().db_type(connection)
