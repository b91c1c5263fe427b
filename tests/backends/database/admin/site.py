"""Operators of a site with Django's admin, and what they see of reservations."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from jti_replay.models import ReservedJTI
from jti_replay.reservation.digests import jti_digest

LIST = "/admin/jti_replay/reservedjti/"

NAMES = ("issuer", "link:invite", "\u00fcber")


def sign_in(*permissions: str) -> Client:
    """Return a client of an operator who may do so much with reservations."""
    user = User.objects.create_user("operator", is_staff=True)
    ContentType.objects.clear_cache()  # A flush took what it remembers.
    content_type = ContentType.objects.get_for_model(ReservedJTI)
    for name in permissions:
        permission, _ = Permission.objects.get_or_create(
            codename=f"{name}_reservedjti", content_type=content_type
        )
        user.user_permissions.add(permission)
    client = Client()
    client.force_login(user)
    return client


def key(jti: str, namespace: str = "issuer") -> str:
    return jti_digest(namespace, jti).hex()


def order(*keys: str, confirmed: bool = True) -> dict[str, Any]:
    """Return the form that releases jtis, as the list or the page that asks again sends it."""
    form: dict[str, Any] = {"action": "release", "_selected_action": list(keys)}
    return form | {"post": "yes"} if confirmed else form


def shown(client: Client, jtis: str, **parameters: str) -> str:
    """Return which of these jtis the list shows."""
    text = client.get(LIST, parameters).content.decode()
    return "".join(jti for jti in jtis if any(f"/{key(jti, n)}/" in text for n in NAMES))
