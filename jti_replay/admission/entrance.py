"""
One admission a request: what several guards of one view, and integrations, share.

A decorator and an authentication class may guard the same view. The second one finds what the
first one has reserved, instead of refusing the token as a replay of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from jti_replay.exceptions import CacheError
from jti_replay.profiles import Profile
from jti_replay.reservation import Reservation
from jti_replay.rollback import release_on_rollback
from jti_replay.steps import Steps

from .admit import Candidate, attach, judge, reserve
from .selection import pick, usable_together

if TYPE_CHECKING:
    from django.http import HttpRequest

ATTRIBUTE = "_jti_admissions"
"""The attribute of a request that holds its admissions, by the name of their profile."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A token whose jti is reserved for a request."""

    candidate: Candidate
    reservation: Reservation


def admission_of(request: HttpRequest, profiles: Sequence[Profile]) -> Admission | None:
    """Return the admission that a request has by one of some profiles."""
    admissions: dict[str, Admission] | None = getattr(request, ATTRIBUTE, None)
    if not admissions:
        return None
    return next((admissions[p.name] for p in profiles if p.name in admissions), None)


def admissions_of(request: HttpRequest) -> list[Admission]:
    """Return the admissions that a request has."""
    admissions: dict[str, Admission] = getattr(request, ATTRIBUTE, {})
    return list(admissions.values())


def note(request: HttpRequest, admission: Admission) -> None:
    """Let the other guards of a view find an admission."""
    admissions = getattr(request, ATTRIBUTE, {})
    setattr(request, ATTRIBUTE, admissions | {admission.candidate.profile.name: admission})


def forget(request: HttpRequest, admission: Admission) -> None:
    """Let a request that is sent through the view again be judged again."""
    name = admission.candidate.profile.name
    admissions: dict[str, Admission] = getattr(request, ATTRIBUTE)
    setattr(request, ATTRIBUTE, {k: v for k, v in admissions.items() if k != name})


def judge_by(profiles: Sequence[Profile], request: HttpRequest) -> Steps[Candidate]:
    """Verify the token of a request by the one of some profiles that its issuer picks."""
    if len(profiles) == 1:
        return judge(profiles[0], request)
    token = profiles[0].kind.find(request)
    return judge(pick(profiles, token), request, token)


def bind(reservation: Reservation, using: str) -> None:
    """Bind a reservation to the open transaction, or release it if that fails."""
    try:
        release_on_rollback(reservation, using)
    except BaseException:
        # Nothing would ever release it, and the view will not run.
        with suppress(CacheError):
            reservation.release()
        raise


def profiles_for_integration(names: Sequence[str]) -> tuple[Profile, ...]:
    """
    Return the profiles that an integration is to use.

    Raises :exc:`~django.core.exceptions.ImproperlyConfigured` if they cannot work, or are of a
    kind that shapes the answer of its endpoint: that needs the decorator.
    """
    profiles = usable_together(names)
    kind = profiles[0].kind
    if kind.shapes_answers:
        raise ImproperlyConfigured(
            f"The profile {profiles[0].name!r} is of a kind whose endpoint has answers of its "
            "own. Use jti_replay.decorators.reserve_jti on the view."
        )
    return profiles


def admit_once(
    profiles: Sequence[Profile],
    request: HttpRequest,
    *,
    using: str | None,
    accept: Callable[[Candidate], Any] | None = None,
) -> Steps[Admission]:
    """
    Admit a request, or return the admission that it has already.

    ``accept`` is called with a good token before its jti is reserved, and may raise. ``using``
    is the database whose open transaction decides over the jti, or None. Raises what
    :func:`~jti_replay.admission.admit.judge` and :func:`~jti_replay.admission.admit.reserve`
    raise.
    """
    admission = admission_of(request, profiles)
    if admission is not None:
        if accept is not None:
            accept(admission.candidate)
        return admission
    candidate = yield from judge_by(profiles, request)
    if accept is not None:
        accept(candidate)
    reservation = yield from reserve(candidate, request)
    if using is not None:
        bind(reservation, using)
    admission = Admission(candidate, reservation)
    attach(request, candidate, reservation)
    note(request, admission)
    return admission
