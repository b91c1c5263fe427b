"""Whatever a stranger sends, the answer is 401, and nothing is reserved."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .answers import assert_nothing_reserved
from .doors import Inside, knock, knock_on_a_new_loop
from .issuer import Issuer
from .keypairs import keypair
from .tokens import assembled, base64url, good_claims

quickly = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
numbers = (
    st.floats()
    | st.integers(-(10**400), 10**400)
    | st.sampled_from([0, -1, 10**12, 10**308, 10**309, -(10**309), 1e300, -1e300])
)
segment = st.binary(max_size=60).map(base64url) | st.text(max_size=30)
header_bytes = st.binary(max_size=60) | anything.map(lambda v: json.dumps(v).encode())


def refuse(response: Any) -> None:
    assert response.status_code == 401, response.content
    assert_nothing_reserved()


@quickly
@given(st.text(max_size=200))
def test_any_header(value: str) -> None:
    refuse(knock(headers={"Authorization": value}))


@quickly
@given(st.text(max_size=200))
def test_any_text_for_a_token(token: str) -> None:
    refuse(knock(token))


@quickly
@given(st.binary(max_size=200))
def test_any_bytes_as_a_server_would_pass_them(value: bytes) -> None:
    refuse(knock(headers={"Authorization": b"Bearer ".decode() + value.decode("latin-1")}))


@quickly
@given(st.lists(segment, max_size=5))
def test_any_segments(segments: list[str]) -> None:
    refuse(knock(".".join(segments)))


@quickly
@given(header_bytes, st.binary(max_size=100))
def test_any_header_and_payload_under_a_right_signature(header: bytes, payload: bytes) -> None:
    refuse(knock(assembled(header, payload)))


@quickly
@given(anything)
def test_any_json_under_a_right_signature(payload: Any) -> None:
    refuse(knock(assembled(b'{"alg":"HS256"}', json.dumps(payload).encode())))


def judged(response: Any) -> None:
    """It was accepted, and then reserved; or refused, and then not."""
    if isinstance(response, Inside):
        assert response.reservation.release()
    else:
        assert response.status_code == 401, response.content
    assert_nothing_reserved()


@quickly
@given(st.sampled_from(["exp", "iat", "nbf", "jti", "iss", "aud", "sub"]), anything | numbers)
def test_any_value_of_a_claim_under_a_right_signature(name: str, value: Any) -> None:
    claims = json.dumps(good_claims() | {name: value}).encode()
    judged(knock(assembled(b'{"alg":"HS256"}', claims)))


@quickly
@given(numbers, numbers, numbers)
def test_any_times_under_a_right_signature(exp: Any, iat: Any, nbf: Any) -> None:
    claims = json.dumps(good_claims() | {"exp": exp, "iat": iat, "nbf": nbf}).encode()
    judged(knock(assembled(b'{"alg":"HS256"}', claims)))


@quickly
@given(
    st.dictionaries(
        st.sampled_from(
            ["typ", "cty", "kid", "crit", "b64", "jku", "jwk", "x5u", "x5c", "zip"]
        ),
        anything,
    )
)
def test_any_header_members_under_a_right_signature(members: dict[str, Any]) -> None:
    header = json.dumps({"alg": "HS256"} | members).encode()
    judged(knock(assembled(header, json.dumps(good_claims()).encode())))


def test_any_header_where_keys_are_published(configure: Any, issuer: Issuer) -> None:
    issuer.keys = [keypair().jwk()]
    configure(KEY=None, JWKS_URL=issuer.url, ALGORITHMS=["ES256"])

    @quickly
    @given(
        st.dictionaries(st.sampled_from(["alg", "kid", "crit", "jwk"]), anything)
        | st.fixed_dictionaries({"alg": st.just("ES256"), "kid": anything | st.just("first")}),
        segment,
    )
    def fuzz(header: dict[str, Any], signature: str) -> None:
        payload = base64url(json.dumps(good_claims()).encode())
        refuse(knock(f"{base64url(json.dumps(header).encode())}.{payload}.{signature}"))

    fuzz()
    assert issuer.fetches <= 2


@settings(quickly, max_examples=40)
@given(header_bytes, anything)
def test_any_token_sent_to_an_async_view(header: bytes, payload: Any) -> None:
    refuse(knock_on_a_new_loop(assembled(header, json.dumps(payload).encode())))


def claims_of(header: Any, claims: Any) -> Any:
    return claims["key"]


def test_any_token_shown_to_a_key_function(configure: Any) -> None:
    configure(KEY=claims_of)

    @quickly
    @given(header_bytes, anything)
    def fuzz(header: bytes, payload: Any) -> None:
        response = knock(assembled(header, json.dumps(payload).encode()))
        assert response.status_code in (401, 503)
        assert_nothing_reserved()

    fuzz()
