"""The pages of the reserved jtis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from jti_replay.exceptions import CacheError
from jti_replay.models import ReservedJTI
from jti_replay.reservation.digests import short_digest
from jti_replay.reservation.retention import to_datetime

from .filters import ExpiryFilter, NamespaceFilter, ProfileFilter, digest_range
from .shown import shown_cache

if TYPE_CHECKING:
    from datetime import datetime

    _ModelAdmin = admin.ModelAdmin[ReservedJTI]
else:
    _ModelAdmin = admin.ModelAdmin

MOST_AT_ONCE = 500
"""The number of jtis that can be released at once: so many fit into a form of Django's."""


@admin.register(ReservedJTI)
class ReservedJTIAdmin(_ModelAdmin):
    """
    Shows the live reservations in the database of the first DatabaseCache. They can be
    released, and not be made or changed. A namespace is shown escaped, and cut after 255
    characters. A digest from a log line can be searched for.
    """

    list_display = ("short_digest", "namespace", "expires")
    list_filter = (ProfileFilter, NamespaceFilter, ExpiryFilter)
    search_fields = ("namespace",)
    search_help_text = _("A namespace, or a digest as logs and signals have it.")
    ordering = ("expires_at",)
    fields = list_display
    readonly_fields = list_display
    actions = ("release",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReservedJTI]:
        """Return what is live, in the database that keeps it, whatever a router says."""
        cache = shown_cache()
        if cache is None:
            return ReservedJTI.objects.none()
        now = RawSQL(cache.clock, (), output_field=BigIntegerField())  # noqa: S611  # Ours.
        rows = ReservedJTI.objects.using(cache.location)
        return rows.alias(now=now).filter(expires_at__gt=F("now"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ReservedJTI], search_term: str
    ) -> tuple[QuerySet[ReservedJTI], bool]:
        """Look for a digest, or for a part of a namespace."""
        digests = digest_range(search_term)
        if digests is None:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(digest__gte=digests[0], digest__lte=digests[1]), False

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Leave out Django's own deletion, which would be a second name for release."""
        # Django passes the location since 6.1.
        location = {"action_location": action_location} if action_location else {}
        actions: dict[str, Any] = super().get_actions(request, **location)
        return {name: action for name, action in actions.items() if name != "delete_selected"}

    @admin.display(description=_("digest"), ordering="digest")
    def short_digest(self, reserved: ReservedJTI) -> str:
        """Return the digest by which logs and signals name the jti."""
        return short_digest(reserved.digest)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, reserved: ReservedJTI) -> datetime:
        """Return when the jti is forgotten."""
        return to_datetime(reserved.expires_at / 1000)

    @admin.action(description=_("Release the selected jtis"), permissions=["delete"])
    def release(
        self, request: HttpRequest, queryset: QuerySet[ReservedJTI]
    ) -> HttpResponse | None:
        """Give jtis back, so that their tokens are accepted again, once that is confirmed."""
        selected = list(queryset[: MOST_AT_ONCE + 1])
        if len(selected) > MOST_AT_ONCE:
            message = _("Select at most %d jtis.") % MOST_AT_ONCE
            self.message_user(request, message, messages.ERROR)
        elif request.POST.get("post") != "yes":
            return self._confirmation(request, selected)
        else:
            self._release_all(request, selected)
        return None

    def _confirmation(
        self, request: HttpRequest, selected: list[ReservedJTI]
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Release jtis"),
            "opts": self.model._meta,
            "checkbox": ACTION_CHECKBOX_NAME,
            "selected": [(each.pk, self.short_digest(each), each) for each in selected],
        }
        return TemplateResponse(request, "jti_replay/release_confirmation.html", context)

    def _release_all(self, request: HttpRequest, selected: list[ReservedJTI]) -> None:
        released: list[ReservedJTI] = []
        try:
            released.extend(reserved for reserved in selected if _release(reserved))
        except CacheError as error:
            self.message_user(request, str(error), messages.ERROR)
        if released:
            self.log_deletions(request, released)  # type: ignore[arg-type]
            message = ngettext("Released %d jti.", "Released %d jtis.", len(released))
            self.message_user(request, message % len(released), messages.SUCCESS)

    def delete_model(self, request: HttpRequest, obj: ReservedJTI) -> None:
        """Release a jti, which to Django is its deletion."""
        _release(obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show why a jti could not be released."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except CacheError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Only a DatabaseCache has something to show."""
        return shown_cache() is not None and super().has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a token reserves a jti."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing about a reservation can be changed."""
        return False


def _release(reserved: ReservedJTI) -> bool:
    # Through the cache, which tells logs and signals of it.
    cache = shown_cache()
    return cache is not None and cache.release_digest(reserved.digest, reserved.namespace)
