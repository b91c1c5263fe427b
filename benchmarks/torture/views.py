"""The views of a site that misbehaves inside its requests."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from exchange.work import WorkFailed

from jti_replay import release_on_rollback
from jti_replay.decorators import reserve_jti

from . import misbehaviours, worker_notes


@reserve_jti
def exchange(request: HttpRequest) -> JsonResponse:
    """Do the work of a token in the decorator's transaction."""
    return _work(request)


@reserve_jti
async def aexchange(request: HttpRequest) -> JsonResponse:
    """Do the work of a token in a transaction of the view's own."""
    worker_notes.view_entered(request)
    return await sync_to_async(_work_in_transaction)(request)


def _work_in_transaction(request: Any) -> JsonResponse:
    with transaction.atomic():
        release_on_rollback(request.jti_reservation)
        return _work(request)


def _work(request: HttpRequest) -> JsonResponse:
    misbehaviours.work(request, settings.TORTURE_FAULT)
    if request.POST.get("fail") == "1":
        raise WorkFailed("fail=1 was sent")
    return JsonResponse({})
