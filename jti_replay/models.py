"""The tables of :class:`~jti_replay.backends.database.DatabaseCache`."""

from __future__ import annotations

from django.db import models

from .fields import DigestField


class ReservedJTI(models.Model):
    """
    A reserved jti. It expires at so many milliseconds since 1970, by the database's clock.

    It is on every database that is migrated, but a cache uses the one that its LOCATION
    names, whatever a router says.
    """

    digest = DigestField(primary_key=True, editable=False)
    namespace = models.CharField(max_length=255, editable=False)
    owner = models.BigIntegerField(editable=False)
    expires_at = models.BigIntegerField(db_index=True, editable=False)

    class Meta:
        """Names for the admin."""

        verbose_name = "reserved jti"
        verbose_name_plural = "reserved jtis"

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class MemoryStart(models.Model):
    """
    Since when no reserved jti is missing, in milliseconds since 1970 by the database's clock:
    one row, made by the migration. ``COLD_START`` goes by it.
    """

    complete_since = models.BigIntegerField(editable=False)

    def __str__(self) -> str:
        return f"{self.complete_since}"
