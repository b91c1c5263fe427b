from __future__ import annotations

from typing import Any

import pytest

from tests.rollback.conftest import serve, using  # noqa: F401
from tests.tokens.tokens import CACHES, PROFILE


@pytest.fixture
def rest_framework(settings: Any) -> None:
    """Settings of a site with REST framework."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE, "ci": PROFILE}}
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
