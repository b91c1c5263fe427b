"""A refusal inside Django REST framework, when its class is asked more than once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from jti_replay.contrib.rest_framework import JTIAuthentication, Refused
from tests.tokens.tokens import CACHES, PROFILE


def test_a_refusal_is_given_again(settings: Any) -> None:
    """A class that is asked twice about a request refuses it alike, and judges it once."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}
    request = Request(RequestFactory().post("/"))
    refusals = []
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            JTIAuthentication().authenticate(request)
        refusals.append(caught.value)
    assert refusals[0] is refusals[1]
