"""What operators see of the reservations in the database, and can give back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .digests import SHORT_DIGEST_LENGTH
from .expiry import moment
from .models import ReservedJTI

if TYPE_CHECKING:
    from datetime import datetime

    _ModelAdmin = admin.ModelAdmin[ReservedJTI]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(ReservedJTI)
class ReservedJTIAdmin(_ModelAdmin):
    """Shows reservations. They can be released, and not be made or changed."""

    list_display = ("short_digest", "namespace", "expires")
    list_filter = ("namespace",)
    search_fields = ("namespace",)
    ordering = ("expires_at",)
    fields = list_display
    readonly_fields = list_display
    actions = ("release",)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out Django's own deletion, which would be a second name for release."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if name != "delete_selected"
        }

    @admin.display(description=_("digest"), ordering="digest")
    def short_digest(self, reserved: ReservedJTI) -> str:
        """Return the digest by which logs and signals name the jti."""
        return str(reserved)[:SHORT_DIGEST_LENGTH]

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, reserved: ReservedJTI) -> datetime:
        """Return when the jti is forgotten."""
        return moment(reserved.expires_at / 1000)

    @admin.action(description=_("Release the selected jtis"), permissions=["delete"])
    def release(self, request: HttpRequest, queryset: QuerySet[ReservedJTI]) -> None:
        """Give jtis back, so that their tokens are accepted again."""
        released, _by_model = queryset.delete()
        message = ngettext("Released %d jti.", "Released %d jtis.", released) % released
        self.message_user(request, message, messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a token reserves a jti."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing about a reservation can be changed."""
        return False
