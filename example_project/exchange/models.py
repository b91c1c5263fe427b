"""What the exchange writes down."""

from django.db import models


class AuditRow(models.Model):
    """That a credential was given, when, to whom, and for which token."""

    at = models.DateTimeField(auto_now_add=True)
    subject = models.TextField()
    jti = models.TextField()

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.subject} {self.jti}"
