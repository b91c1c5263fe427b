from __future__ import annotations

from django.db import models


class Work(models.Model):
    """What a token paid for."""

    name = models.CharField(max_length=100, unique=True)


class Step(models.Model):
    """Work whose constraint is judged at COMMIT only."""

    work = models.ForeignKey(Work, on_delete=models.DO_NOTHING)
