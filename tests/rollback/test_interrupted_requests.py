"""Requests that a signal handler interrupts, as the time limit of a worker does."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import Error, connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from jti_replay.decorators import reserve_jti
from tests.backends.memory.interrupting import Interrupter, Interruption, each_place, strike
from tests.models import Work
from tests.rollback.tokens import bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class Failed(Exception):
    """Raised by the view, so that its work is rolled back."""


# A finalizer may be what is interrupted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("using", ["default", "postgres"], indirect=True)
def test_work_and_jti_go_together_wherever_a_rollback_is_interrupted(using: str) -> None:
    """
    Nothing cuts off the release of what was rolled back.

    On SQLite Django commits if it cannot roll back. Then the jti stays reserved.
    """
    is_failing, number = True, 0

    @reserve_jti(using=using)
    def view(request: HttpRequest) -> HttpResponse:
        if is_failing:
            Work.objects.using(using).create(name=f"{number}")
            raise Failed
        return HttpResponse()

    def work(interrupter: Interrupter) -> None:
        nonlocal is_failing, number
        request = RequestFactory().post("/", headers=bearer(new_token()))
        is_failing, number = True, number + 1
        with suppress(Failed, Interruption, Error):  # A token may not have been judged.
            interrupter.run(lambda: view(request))
        connections[using].close()  # It may be left in the middle of its atomic block.
        del connections[using]
        is_failing = False
        is_released = view(request).status_code == 200
        is_stored = Work.objects.using(using).filter(name=f"{number}").exists()
        assert is_released is not is_stored

    assert each_place(work, strike) > 100
