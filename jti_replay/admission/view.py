"""Run a view for a request whose token is good, in the transaction that its jti shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import Error, connections, transaction

from jti_replay.exceptions import CacheError, JTIReplayError, ReservationLost
from jti_replay.reservation.events import JTIEvent
from jti_replay.rollback import release_on_rollback
from jti_replay.rollback.transactions import is_open, is_wanted
from jti_replay.steps import Steps, arun, run

from .admit import Candidate, attach, release_quietly, reserve
from .entrance import Admission, admission_of, forget, judge_by, note
from .leases import Claim, claim, settle
from .refusals import finish, refuse
from .selection import usable_together

if TYPE_CHECKING:
    from django.http import HttpRequest

    from jti_replay.reservation import Reservation


NO_TRANSACTION = nullcontext()


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets a request pass to a view if its token is good and has not been used."""

    profiles: tuple[str, ...]
    using: str
    atomic: bool
    release_on_error: bool

    def call(
        self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Any:
        """Verify, reserve and run a sync view, in one transaction where there is one."""
        return run(self._steps(partial(view, request, *args, **kwargs), request, is_sync=True))

    async def acall(
        self,
        view: Callable[..., Awaitable[Any]],
        request: HttpRequest,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Async version of :meth:`call`. Django's transactions are not for async code."""
        return await arun(
            self._steps(partial(view, request, *args, **kwargs), request, is_sync=False)
        )

    def _steps(
        self, view: Callable[[], Any], request: HttpRequest, *, is_sync: bool
    ) -> Steps[Any]:
        profiles = usable_together(self.profiles)
        kind = profiles[0].kind
        if request.method in kind.unjudged_methods:
            return finish(kind, request, (yield view, view, ()))
        admission = admission_of(request, profiles)
        if admission is None:
            try:
                candidate = yield from judge_by(profiles, request)
            except JTIReplayError as error:
                return refuse(kind, request, error)
        else:  # Another guard of this view has reserved the jti.
            candidate = admission.candidate
        kind = candidate.profile.kind
        if request.method in kind.reading_methods:
            attach(request, candidate, None)
            return finish(kind, request, (yield view, view, ()))
        passage = Passage(self, candidate, request, admission, is_sync=is_sync)
        try:
            return (yield from passage.steps(view))
        except ReservationLost as error:
            if not passage.in_transaction:
                raise
            # COMMIT was refused, and the work of the view rolled back with its jti.
            passage.tell_failure(error)
            return refuse(kind, request, error)


class Passage:
    """The way of one request through a view, after its token was found good."""

    __slots__ = (
        "_admission",
        "_candidate",
        "_guard",
        "_is_sync",
        "_kind",
        "_request",
        "_using",
        "in_transaction",
    )

    def __init__(
        self,
        guard: Guard,
        candidate: Candidate,
        request: HttpRequest,
        admission: Admission | None,
        *,
        is_sync: bool,
    ) -> None:
        self._guard = guard
        self._candidate = candidate
        self._request = request
        self._admission = admission
        self._is_sync = is_sync
        self._using = guard.using
        self._kind = candidate.profile.kind
        self.in_transaction = is_sync and guard.atomic and is_wanted(guard.using)

    def steps(self, view: Callable[[], Any]) -> Steps[Any]:
        """Reserve the jti, run the view, and do with the jti what became of the work."""
        kind, request = self._kind, self._request
        try:
            block = self._begun() if self.in_transaction else NO_TRANSACTION
        except CacheError as error:
            return refuse(kind, request, error)
        with block:
            try:
                if self._admission is None:
                    reservation = yield from self._reserving()
                else:
                    reservation = self._admission.reservation
            except JTIReplayError as error:
                return refuse(kind, request, error)
            try:
                bound = self._is_sync and release_on_rollback(reservation, self._using)
                attach(request, self._candidate, reservation)
                admission = Admission(self._candidate, reservation)
                note(request, admission)
                if isinstance(reservation, Claim) and bound:
                    self._settle_at_commit(reservation)
            except BaseException:
                # The view does not run.
                yield from release_quietly(reservation)
                raise
            try:
                response = yield view, view, ()
            except Exception:
                if self._guard.release_on_error or kind.releases_failures:
                    yield from self._undo_all(reservation, bound)
                raise
            finally:
                if self._admission is None:
                    forget(request, admission)
            failed = self._failed(response)
            if failed:
                yield from self._undo(reservation, bound)
            elif isinstance(reservation, Claim):
                reservation.taken = True
        if isinstance(reservation, Claim) and (self.in_transaction or not bound):
            yield from settle(self._candidate, reservation, request)
        return finish(kind, request, response)

    def tell_failure(self, error: CacheError) -> None:
        """Tell that the store failed to reserve the jti."""
        candidate = self._candidate
        JTIEvent(
            candidate.cache,
            candidate.token.jti,
            candidate.namespace,
            self._request,
            candidate.profile.name,
        ).send_failed("reserve", error)

    def _reserving(self) -> Steps[Reservation]:
        candidate, request, lease = self._candidate, self._request, self._kind.lease
        if lease is None:
            return reserve(candidate, request)
        if candidate.cache.joins(self._using) and is_open(connections[self._using]):
            # A duplicate waits for the outcome of this transaction.
            return reserve(candidate, request)
        return claim(candidate, request, lease)

    def _begun(self) -> AbstractContextManager[Any]:
        """Return what ends the transaction that has begun."""
        block, end = transaction.atomic(self._using), ExitStack()
        try:
            block.__enter__()
        except Error as failure:
            if self._candidate.cache.database != self._using:
                raise
            # It is the store that does not answer, or is locked.
            error = CacheError(f"{type(failure).__name__}: {failure}")
            self.tell_failure(error)
            raise error from failure
        end.push(block)
        return end

    def _failed(self, response: Any) -> bool:
        # REST framework turns an exception into a response, and says so.
        if getattr(response, "exception", False):
            return True
        return self._kind.releases_failures and not 200 <= _status(response) < 300

    def _undo_all(self, reservation: Reservation, bound: bool) -> Steps[None]:
        if not bound:
            yield from release_quietly(reservation)
        elif connections[self._using].in_atomic_block:
            # Under an atomic() of a middleware, Django turns the exception into a response.
            transaction.set_rollback(True, self._using)

    def _undo(self, reservation: Reservation, bound: bool) -> Steps[None]:
        must_release = self._kind.releases_failures
        in_block = bound and connections[self._using].in_atomic_block
        if self.in_transaction or (must_release and in_block):
            transaction.set_rollback(True, self._using)
        elif must_release or (self._guard.release_on_error and not bound):
            yield from release_quietly(reservation)

    def _settle_at_commit(self, claimed: Claim) -> None:
        # Before the view runs: a callback of the view's that raises drops those after it.
        connection = connections[self._using]
        # There nothing is committed, and callbacks are for the tests of the project to see.
        in_testcase = self.in_transaction and len(connection.atomic_blocks) > 1
        if connection.in_atomic_block and not in_testcase:
            settling = settle(self._candidate, claimed, self._request)
            transaction.on_commit(partial(run, settling), self._using, robust=True)


def _status(response: Any) -> int:
    """Return the status of a response, or of what django-ninja makes one of."""
    if isinstance(response, tuple) and len(response) == 2:
        response = response[0]
    status: int = (
        response if isinstance(response, int) else getattr(response, "status_code", 200)
    )
    return status
