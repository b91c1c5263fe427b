"""A kind that does not provide what it must is told so."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from jti_replay.kinds import BaseKind
from jti_replay.kinds.bearer import Bearer


def test_without_find_there_is_no_token() -> None:
    """The subclass is at fault, not the client."""
    with pytest.raises(NotImplementedError, match="find"):
        BaseKind("ci", {}).find(RequestFactory().get("/"))


@pytest.mark.parametrize("cnf", [{}, {"x5t": "a"}, "text", None])
def test_a_confirmation_without_a_key_binds_nothing(cnf: object) -> None:
    """Only jkt makes a token one for DPoP (RFC 9449 7.2)."""
    Bearer("ci", {}).check({}, {"cnf": cnf}, RequestFactory().get("/"))
