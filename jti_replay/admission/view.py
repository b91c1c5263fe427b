"""Run a view for a request whose token is good, in the transaction that its jti shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import Error, connections, transaction

from jti_replay.exceptions import CacheError, JTIReplayError, ReservationLost
from jti_replay.reservation.events import JTIEvent
from jti_replay.rollback import release_on_rollback
from jti_replay.rollback.transactions import is_open, is_wanted
from jti_replay.steps import Steps, arun, run

from .admit import Candidate, attach, judge, release_quietly, reserve
from .leases import Claim, claim, settle
from .refusals import finish, refuse
from .selection import pick, usable_together

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from jti_replay.kinds import BaseKind
    from jti_replay.profiles import Profile
    from jti_replay.reservation import Reservation


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
    ) -> Steps[HttpResponseBase]:
        profiles = usable_together(self.profiles)
        kind = profiles[0].kind
        if request.method in kind.unjudged_methods:
            return finish(kind, request, (yield view, view, ()))
        try:
            candidate = yield from self._judge(profiles, request)
        except JTIReplayError as error:
            return refuse(kind, request, error)
        kind = candidate.profile.kind
        if request.method in kind.reading_methods:
            attach(request, candidate, None)
            return finish(kind, request, (yield view, view, ()))
        in_transaction = is_sync and self.atomic and is_wanted(self.using)
        try:
            return (yield from self._run(view, request, candidate, in_transaction, is_sync))
        except ReservationLost as error:
            if not in_transaction:
                raise
            # COMMIT was refused, and the work of the view rolled back with its jti.
            self._event(candidate, request).send_failed("reserve", error)
            return refuse(kind, request, error)

    def _run(
        self,
        view: Callable[[], Any],
        request: HttpRequest,
        candidate: Candidate,
        in_transaction: bool,
        is_sync: bool,
    ) -> Steps[HttpResponseBase]:
        kind = candidate.profile.kind
        with ExitStack() as block:
            try:
                if in_transaction:
                    block.enter_context(self._transaction(candidate, request))
                reservation = yield from self._take(candidate, request, in_transaction)
            except JTIReplayError as error:
                return refuse(kind, request, error)
            bound = is_sync and self._bind(reservation)
            attach(request, candidate, reservation)
            try:
                response = yield view, view, ()
            except Exception:
                # A transaction knows better than the exception what was done.
                if not bound and (self.release_on_error or kind.releases_failures):
                    yield from release_quietly(reservation)
                raise
            failed = self._failed(kind, response)
            if failed:
                yield from self._undo(kind, reservation, in_transaction, bound)
        if isinstance(reservation, Claim) and not failed:
            settling = settle(candidate, reservation, request)
            if in_transaction or not bound:
                yield from settling
            elif connections[self.using].in_atomic_block:  # Else the end is not told.
                transaction.on_commit(partial(run, settling), self.using, robust=True)
        return finish(kind, request, response)

    def _judge(self, profiles: tuple[Profile, ...], request: HttpRequest) -> Steps[Candidate]:
        if len(profiles) == 1:
            return (yield from judge(profiles[0], request))
        token = profiles[0].kind.find(request)
        return (yield from judge(pick(profiles, token), request, token))

    def _take(
        self, candidate: Candidate, request: HttpRequest, in_transaction: bool
    ) -> Steps[Reservation]:
        lease = candidate.profile.kind.lease
        if lease is None:
            return (yield from reserve(candidate, request))
        if candidate.cache.joins(self.using) and (
            in_transaction or is_open(connections[self.using])
        ):
            # A duplicate waits for the outcome of this transaction.
            return (yield from reserve(candidate, request))
        return (yield from claim(candidate, request, lease))

    @contextmanager
    def _transaction(self, candidate: Candidate, request: HttpRequest) -> Iterator[None]:
        block = transaction.atomic(self.using)
        try:
            block.__enter__()
        except Error as failure:
            if candidate.cache.database != self.using:
                raise
            # It is the store that does not answer, or is locked.
            error = CacheError(f"{type(failure).__name__}: {failure}")
            self._event(candidate, request).send_failed("reserve", error)
            raise error from failure
        with ExitStack() as stack:
            stack.push(block)
            yield

    def _event(self, candidate: Candidate, request: HttpRequest) -> JTIEvent:
        return JTIEvent(
            candidate.cache,
            candidate.token.jti,
            candidate.namespace,
            request,
            candidate.profile.name,
        )

    def _bind(self, reservation: Reservation) -> bool:
        try:
            return release_on_rollback(reservation, self.using)
        except BaseException:
            # Nothing would ever release it, and the view will not run.
            with suppress(CacheError):
                reservation.release()
            raise

    def _failed(self, kind: BaseKind, response: Any) -> bool:
        # REST framework turns an exception into a response, and says so.
        if getattr(response, "exception", False):
            return True
        return kind.releases_failures and not 200 <= response.status_code < 300

    def _undo(
        self, kind: BaseKind, reservation: Reservation, in_transaction: bool, bound: bool
    ) -> Steps[None]:
        must_release = kind.releases_failures
        in_block = bound and connections[self.using].in_atomic_block
        if in_transaction or (must_release and in_block):
            transaction.set_rollback(True, self.using)
        elif must_release or (self.release_on_error and not bound):
            yield from release_quietly(reservation)
