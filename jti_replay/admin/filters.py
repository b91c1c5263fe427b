"""By what operators narrow the list of reservations down."""

from __future__ import annotations

from contextlib import suppress
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BigIntegerField, ExpressionWrapper, F, Q, Value
from django.utils.translation import gettext_lazy as _

from jti_replay import conf
from jti_replay.backends.database.namespaces import to_column
from jti_replay.caches import replay_caches
from jti_replay.kinds.bearer import OTHER_PREFIXES
from jti_replay.profiles import Profile, get_profile
from jti_replay.reservation.digests import DIGEST_SIZE, SHORT_DIGEST_LENGTH

from .shown import shown_cache

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from jti_replay.models import ReservedJTI

MOST_NAMESPACES = 20
"""The number of namespaces above which there is no filter: DPoP has one for each client."""

DIGITS = 2 * DIGEST_SIZE
HEXADECIMAL = frozenset("0123456789abcdef")


class NamespaceFilter(SimpleListFilter):
    """Shows what is reserved in one namespace: of an issuer, or of a kind and a profile."""

    title = _("namespace")
    parameter_name = "namespace"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the namespaces of the live reservations, if there are few."""
        rows = model_admin.get_queryset(request).order_by("namespace")
        found = rows.values_list("namespace", flat=True).distinct()[: MOST_NAMESPACES + 1]
        names = [name for name in found if name]
        return [(name, name) for name in names] if len(names) <= MOST_NAMESPACES else []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ReservedJTI]
    ) -> QuerySet[ReservedJTI]:
        """Return those of the namespace."""
        name = self.value()
        return queryset.filter(namespace=name) if name else queryset


class ProfileFilter(SimpleListFilter):
    """
    Shows what a profile may have reserved. The table does not name profiles: those whose
    tokens share a namespace are shown alike.
    """

    title = _("profile")
    parameter_name = "profile"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the profiles of the cache."""
        return [(name, name) for name in _profiles()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ReservedJTI]
    ) -> QuerySet[ReservedJTI]:
        """Return those in the namespaces of the profile."""
        profile = _profiles().get(self.value() or "")
        if profile is None:
            return queryset
        prefix = profile.kind.namespace_prefix
        if prefix.endswith(":"):
            return queryset.filter(namespace__startswith=to_column(prefix))
        if prefix:  # That of links is all of it.
            return queryset.filter(namespace=to_column(prefix))
        issuers = profile.rules.issuers
        if issuers is None or not issuers.names:
            of_other_kinds = (Q(namespace__startswith=other) for other in OTHER_PREFIXES)
            return queryset.exclude(reduce(or_, of_other_kinds))
        names = [profile.kind.namespace({"iss": name}) for name in issuers.names]
        return queryset.filter(namespace__in=map(to_column, names))


def _profiles() -> dict[str, Profile]:
    """Return the profiles whose jtis the shown cache keeps, but for those that cannot work."""
    shown, cache = {}, shown_cache()
    for name, _params in conf.entries(conf.profiles()):
        with suppress(ImproperlyConfigured):
            profile = get_profile(name)
            if replay_caches[profile.cache] is cache:
                shown[name] = profile
    return shown


class ExpiryFilter(SimpleListFilter):
    """Shows what expires within a time, by the clock of the database."""

    title = _("expiry")
    parameter_name = "expires_within"
    choices_in_seconds = (
        ("60", _("Within a minute")),
        ("300", _("Within 5 minutes")),
        ("3600", _("Within an hour")),
        ("86400", _("Within a day")),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        """Return the times, in seconds."""
        return self.choices_in_seconds

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ReservedJTI]
    ) -> QuerySet[ReservedJTI]:
        """Return those that expire in time. The query knows the present as ``now``."""
        if self.value() not in dict(self.choices_in_seconds):
            return queryset
        milliseconds = Value(int(self.value() or 0) * 1000)
        end = ExpressionWrapper(F("now") + milliseconds, output_field=BigIntegerField())
        return queryset.filter(expires_at__lte=end)


def digest_range(text: str) -> tuple[str, str] | None:
    """Return the first and the last digest that a digest of a log line stands for."""
    digits = text.strip().lower()
    if SHORT_DIGEST_LENGTH <= len(digits) <= DIGITS and HEXADECIMAL.issuperset(digits):
        return digits.ljust(DIGITS, "0"), digits.ljust(DIGITS, "f")
    return None
