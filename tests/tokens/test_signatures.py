"""The keys that a signature is verified with."""

from __future__ import annotations

import pytest

from jti_replay.exceptions import TokenInvalid
from jti_replay.tokens.parsing import read_unverified
from jti_replay.tokens.signatures import check_signature

from .tokens import signed


def test_without_a_key_no_signature_is_good() -> None:
    """A source that gives none lets no token pass."""
    with pytest.raises(TokenInvalid, match="signed with an unknown key") as refusal:
        check_signature(read_unverified(signed()), [], ("HS256",))
    assert refusal.value.claim == "kid"
