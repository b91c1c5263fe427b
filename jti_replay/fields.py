"""The type of a column that holds a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from jti_replay.reservation.digests import DIGEST_SIZE

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _BinaryField = models.BinaryField[Any, Any]
else:
    _BinaryField = models.BinaryField


class Digest(bytes):
    """A digest that is shown in hexadecimal, also where a primary key is put into a page."""

    def __str__(self) -> str:
        return self.hex()


class DigestField(_BinaryField):
    """
    Digests, which are shown and looked for in hexadecimal.

    Their size is fixed. MySQL cannot index Django's BinaryField, which is a blob there.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column."""
        if connection.vendor == "mysql":
            return f"binary({DIGEST_SIZE})"
        return super().db_type(connection)

    def from_db_value(self, value: Any, *args: Any) -> Digest:
        """Return the digest as it is read."""
        return Digest(value)

    def to_python(self, value: Any) -> Digest:
        """Return a digest that may be written in hexadecimal."""
        try:
            return Digest(bytes.fromhex(value) if isinstance(value, str) else value)
        except ValueError as error:
            raise ValidationError(f"{value!r} is not hexadecimal.") from error

    def get_prep_value(self, value: Any) -> bytes:
        """Return what a query looks for."""
        return bytes(self.to_python(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Return what a fixture holds."""
        return str(self.to_python(self.value_from_object(obj)))
