"""The use of a token for some work, in each of the ways in which a project may do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from jti_replay import Reservation, release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti
from tests.models import Work
from tests.rollback.tokens import bearer, new_token

BY_HAND, AROUND = "by hand", "atomic() around"
WAYS = ("decorator", "ATOMIC_REQUESTS", BY_HAND)
DECORATOR_WAYS = ("decorator", "ATOMIC_REQUESTS", AROUND)


@dataclass(frozen=True)
class Ticket:
    """What pays for some work: a token in the arguments with which a client sends it."""

    sent: Mapping[str, Any]
    refusals: frozenset[int]
    """The statuses by which it is refused when it has been used, or may have been."""


Guard = Callable[[Callable[[Any], Any], str], Any]


def by_decorator(view: Callable[[Any], Any], using: str) -> Any:
    """Put a view behind the decorator."""
    return reserve_jti(using=using)(lambda request: view(request) or HttpResponse())


class Attempt:
    """
    One token and what was done with it on one database.

    By a guard, such as the decorator, with ATOMIC_REQUESTS, an atomic() block around it or
    neither, or by release_on_rollback() in an atomic() block.
    """

    def __init__(
        self,
        way: str,
        using: str,
        serve: Callable[[Any], Client],
        guard: Guard = by_decorator,
        ticket: Ticket | None = None,
    ) -> None:
        self.way = way
        self.using = using
        self._serve = serve
        self._guard = guard
        self._token = new_token()
        self._ticket = ticket or Ticket({"headers": bearer(self._token)}, frozenset({401}))
        self.reservation: Reservation | None = None

    def run(self, work: Callable[[Reservation], None]) -> BaseException | None:
        """Do some work that the token pays for. Return what was raised out of it all."""
        try:
            if self.way == BY_HAND:
                self._run_by_hand(work)
                return None
            return self._run_in_view(work)
        except BaseException as error:
            return error

    def was_released(self) -> bool:
        """Return whether the token is accepted again, and uses it up."""
        if self.way == BY_HAND:
            return replay_cache.reserve(self._token) is not None
        status = self.repeated()
        assert status in {200, *self._ticket.refusals}
        return status == 200

    def repeated(self) -> int:
        """Return the status of the answer to the same token, sent again."""
        return int(self._post(self._guard(lambda request: None, self.using)).status_code)

    def stored(self, name: str = "work") -> bool:
        """Return whether some work is in the database."""
        return Work.objects.using(self.using).filter(name=name).exists()

    def store(self, name: str = "work") -> None:
        """Put some work into the database."""
        Work.objects.using(self.using).create(name=name)

    def _run_by_hand(self, work: Callable[[Reservation], None]) -> None:
        with transaction.atomic(self.using):
            self.reservation = replay_cache.reserve(self._token)
            assert self.reservation
            assert release_on_rollback(self.reservation, self.using)
            work(self.reservation)

    def _run_in_view(self, work: Callable[[Reservation], None]) -> BaseException | None:
        def view(request: Any) -> None:
            self.reservation = request.jti_reservation
            work(request.jti_reservation)

        guarded = self._guard(view, self.using)

        def around(request: Any) -> Any:
            with transaction.atomic(self.using):
                return guarded(request)

        response = self._post(around if self.way == AROUND else guarded)
        if response.status_code == 200:
            return None
        assert response.status_code == 500
        error: BaseException | None = response.exc_info[1]
        return error

    def _post(self, view: Callable[[Any], Any]) -> Any:
        return self._serve(view).post("/", **self._ticket.sent)
