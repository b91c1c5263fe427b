from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.urls import path

from tests.backends.database.conftest import UseCache


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


@pytest.fixture(params=["default", "postgres"])
def location(request: pytest.FixtureRequest, postgres: str, use_cache: UseCache) -> str:
    """The database that keeps the jtis, which need not be that of the admin."""
    use_cache(request.param)
    return str(request.param)
