"""The bounds on what a token, or a server of keys, can make a site do."""

from __future__ import annotations

import pytest

from jti_replay.tokens import discovery, fetch, header_key, jwks, key_set


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(fetch.LIMIT, 1_048_576, id="bytes of an answer"),
        pytest.param(header_key.MOST_BITS, 4096, id="bits of an RSA key in a header"),
        pytest.param(key_set.MOST_TRIED, 8, id="keys that are tried for a token"),
        pytest.param(key_set.MOST_NAMED, 20, id="keys that a log line names"),
        pytest.param(discovery.MOST_ISSUERS, 100, id="issuers whose keys are held"),
        pytest.param(discovery.MOST_FETCHES, 20, id="fetches at once"),
        pytest.param(jwks.PATIENCE, 1, id="seconds for a fetch with keys in hand"),
        pytest.param(jwks.MARGIN, 0.1, id="seconds beyond a fetch"),
    ],
)
def test_a_limit_has_its_value(limit: float, expected: float) -> None:
    """Other tests set smaller ones."""
    assert limit == expected
