"""What the endpoints write down."""

from django.db import models


class AuditRow(models.Model):
    """A token that was taken: when, its subject and its jti."""

    at = models.DateTimeField(auto_now_add=True)
    subject = models.TextField()
    jti = models.TextField()

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.subject} {self.jti}"
