"""A view of REST framework, for the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from jti_replay.contrib.rest_framework import JTIAuthentication, TokenUser

Serve = Callable[[Any], Client]


class Exchange(APIView):
    authentication_classes: Any = [JTIAuthentication]
    permission_classes: Any = [IsAuthenticated]

    def get(self, request: Any) -> Response:
        return Response({"sub": request.user.pk, "jti": request.auth["jti"]})

    def post(self, request: Any) -> Response:
        assert request.jti_reservation.jti == request.auth["jti"]
        return Response({"sub": request.user.pk})


def variant(**attributes: Any) -> Any:
    """Return the view with other attributes."""
    return type("Variant", (Exchange,), attributes).as_view()


class Elsewhere(BaseAuthentication):
    """Another package that authenticates by the same token."""

    def authenticate(self, request: Any) -> Any:
        return TokenUser({"sub": "u"}), None
