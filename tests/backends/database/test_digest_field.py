"""The column of the digests: read, found and serialized as hexadecimal."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.serializers import deserialize, serialize
from django.urls import path

from jti_replay import replay_cache
from jti_replay.models import ReservedJTI
from jti_replay.reservation.digests import jti_digest
from tests.backends.database.conftest import UseCache

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _admin(settings: Any) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ]
    settings.STATIC_URL = "/static/"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ROOT_URLCONF = (path("admin/", admin.site.urls),)


def key(jti: str, namespace: str = "issuer") -> str:
    return jti_digest(namespace, jti).hex()


def test_a_digest_is_written_in_hexadecimal(
    transactional_db: None, use_cache: UseCache
) -> None:
    use_cache("default")
    assert replay_cache.reserve("a", namespace="issuer")
    row = ReservedJTI.objects.get(pk=key("a"))
    assert row == ReservedJTI.objects.get(pk=jti_digest("issuer", "a"))
    assert str(row) == str(row.pk) == key("a")
    text = serialize("json", [row])
    assert key("a") in text
    assert [each.object.pk for each in deserialize("json", text)] == [row.pk]
    with pytest.raises(ValidationError):
        ReservedJTI.objects.get(pk="no digest")
