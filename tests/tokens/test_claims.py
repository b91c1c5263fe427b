"""What the claims of a token must say, to the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from .answers import assert_inside, assert_invalid, assert_nothing_reserved
from .tokens import AUDIENCE, ISSUER, assembled, good_claims, signed

Knock = Callable[..., Any]
Configure = Callable[..., None]

NOW = 1_900_000_000
LEEWAY = 30
MAX_LIFETIME = 3600

EXPIRED = "The token has expired."
NOT_YET = "The token is not valid yet."
TOO_LONG = "The token lives longer than 3600 seconds."


@pytest.fixture
def frozen() -> Any:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


# Required claims.


@pytest.mark.parametrize(
    ("claim", "description"),
    [
        ("exp", "The token has no expiry time (exp)."),
        ("jti", "The token has no JWT ID (jti)."),
        ("iss", "The token has no iss claim."),
        ("aud", "The token has no aud claim."),
    ],
)
def test_a_required_claim_is_missed(knock: Knock, claim: str, description: str) -> None:
    claims = good_claims()
    del claims[claim]
    assert_invalid(knock(signed(claims)), description)
    assert_nothing_reserved()


@pytest.mark.parametrize("claim", ["exp", "jti", "iss", "aud", "iat", "nbf"])
def test_null_is_no_value_of_a_claim(knock: Knock, claim: str) -> None:
    assert_invalid(knock(signed(good_claims() | {claim: None})))
    assert_nothing_reserved()


def test_a_profile_without_issuer_and_audience_needs_none(
    knock: Knock, configure: Configure
) -> None:
    configure(ISSUER=None, AUDIENCE=None)
    response = knock(signed(iss=None, aud=None))
    assert_inside(response)
    assert response.reservation.namespace == ""


def test_without_audience_in_the_profile_any_is_accepted(
    knock: Knock, configure: Configure
) -> None:
    configure(AUDIENCE=None)
    assert_inside(knock(signed(aud=["https://another.example"])))


# Issuer and audience.


@pytest.mark.parametrize(
    "iss", ["", "https://evil.example", ISSUER + "/", ISSUER[:-1], ISSUER.upper(), "https"]
)
def test_another_issuer_is_refused(knock: Knock, iss: str) -> None:
    assert_invalid(knock(signed(iss=iss)), "The token is from another issuer.")
    assert_nothing_reserved()


@pytest.mark.parametrize("iss", [1, True, [ISSUER], [], {ISSUER: 1}, 1.5])
def test_an_issuer_of_a_wrong_type_is_refused(
    knock: Knock, configure: Configure, iss: Any
) -> None:
    for accepted in (ISSUER, [ISSUER], None):
        configure(ISSUER=accepted)
        assert_invalid(knock(signed(iss=iss)))
        assert_nothing_reserved()


def test_each_of_several_issuers_is_accepted_whole(knock: Knock, configure: Configure) -> None:
    configure(ISSUER=["https://a.example", "https://b.example"])
    assert_inside(knock(signed(iss="https://a.example")))
    assert_inside(knock(signed(iss="https://b.example")))
    assert_invalid(knock(signed(iss="https://a.example, https://b.example")))
    assert_invalid(knock(signed(iss="https://")))


@pytest.mark.parametrize(
    "aud", ["https://evil.example", AUDIENCE + "/", AUDIENCE[:-1], ["a", "b"], [AUDIENCE[:-1]]]
)
def test_another_audience_is_refused(knock: Knock, aud: Any) -> None:
    assert_invalid(knock(signed(aud=aud)), "The token is for another audience.")
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "aud", ["", [], {}, 0, 1, True, {AUDIENCE: 1}, [AUDIENCE, 1], [[AUDIENCE]], [None]]
)
def test_an_audience_that_is_empty_or_of_a_wrong_type_is_refused(
    knock: Knock, aud: Any
) -> None:
    assert_invalid(knock(signed(aud=aud)))
    assert_nothing_reserved()


def test_one_of_several_audiences_is_enough(knock: Knock, configure: Configure) -> None:
    assert_inside(knock(signed(aud=["https://another.example", AUDIENCE])))
    configure(AUDIENCE=[AUDIENCE, "https://b.example"])
    assert_inside(knock(signed(aud="https://b.example")))


# The jti.


@pytest.mark.parametrize("jti", ["", 0, 1, 1.5, True, False, [], ["a"], {}, {"a": "b"}])
def test_a_jti_that_is_empty_or_no_str_is_refused(knock: Knock, jti: Any) -> None:
    assert_invalid(knock(signed(jti=jti)))
    assert_nothing_reserved()


@pytest.mark.parametrize(
    "jti", [" ", "\x00", "\ud800", "a\udfff", "\U0001f600", "x" * 1_000_000, "'; DROP TABLE"]
)
def test_any_other_jti_is_used_once(knock: Knock, jti: str) -> None:
    token = signed(jti=jti)
    response = knock(token)
    assert_inside(response)
    assert response.claims["jti"] == response.reservation.jti == jti
    assert_invalid(knock(token), "The token has already been used.")


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("\xe9", "e\u0301"), ("a", "a ")])
def test_jtis_are_not_normalised(knock: Knock, one: str, other: str) -> None:
    assert_inside(knock(signed(jti=one)))
    assert_inside(knock(signed(jti=other)))


def test_two_issuers_may_use_the_same_jti(knock: Knock, configure: Configure) -> None:
    configure(ISSUER=["https://a.example", "https://b.example"])
    first = knock(signed(jti="1", iss="https://a.example"))
    second = knock(signed(jti="1", iss="https://b.example"))
    assert first.reservation.namespace == "https://a.example"
    assert second.reservation.namespace == "https://b.example"
    assert_invalid(knock(signed(jti="1", iss="https://a.example")))
    assert_invalid(knock(signed(jti="1", iss="https://b.example")))


def test_a_second_token_with_the_same_jti_is_a_replay(knock: Knock) -> None:
    assert_inside(knock(signed(jti="1")))
    assert_invalid(knock(signed(jti="1", sub="another")), "The token has already been used.")


# The times, on a clock that stands still.


def case(name: str, accepted: bool, description: str = "", **claims: Any) -> Any:
    return pytest.param(claims, accepted, description, id=name)


@pytest.mark.parametrize(
    ("claims", "accepted", "description"),
    [
        case("exp in the future", True, exp=NOW + 1),
        case("just expired, within leeway", True, exp=NOW),
        case("last moment of the leeway", True, exp=NOW - LEEWAY + 1),
        case("last fraction of the leeway", True, exp=NOW - LEEWAY + 0.001),
        case("leeway over", False, EXPIRED, exp=NOW - LEEWAY),
        case("long expired", False, EXPIRED, exp=0),
        case("before 1970", False, EXPIRED, exp=-1),
        case("exp in a fraction of a second", True, exp=NOW + 0.5),
        case("iat now", True, iat=NOW, exp=NOW + 60),
        case("iat in the past", True, iat=NOW - 600, exp=NOW + 60),
        case("iat ahead by the leeway", True, iat=NOW + LEEWAY, exp=NOW + 60),
        case("iat ahead by more", False, NOT_YET, iat=NOW + LEEWAY + 0.001, exp=NOW + 60),
        case("nbf now", True, nbf=NOW, exp=NOW + 60),
        case("nbf ahead by the leeway", True, nbf=NOW + LEEWAY, exp=NOW + 60),
        case("nbf ahead by more", False, NOT_YET, nbf=NOW + LEEWAY + 0.001, exp=NOW + 60),
        case("nbf long ago", True, nbf=0, exp=NOW + 60),
        case("no iat, longest", True, exp=NOW + MAX_LIFETIME + LEEWAY),
        case("no iat, longer", False, TOO_LONG, exp=NOW + MAX_LIFETIME + LEEWAY + 0.001),
        case("with iat, longest", True, iat=NOW - 60, exp=NOW - 60 + MAX_LIFETIME),
        case("with iat, longer", False, TOO_LONG, iat=NOW - 60, exp=NOW - 59 + MAX_LIFETIME),
        case(
            "iat ahead, longest",
            True,
            iat=NOW + LEEWAY,
            exp=NOW + LEEWAY + MAX_LIFETIME,
        ),
        case("iat long ago, almost over", False, TOO_LONG, iat=NOW - 3600, exp=NOW + 1),
        case("iat in 1970", False, TOO_LONG, iat=0, exp=NOW + 60),
    ],
)
def test_times_to_the_second(
    knock: Knock, frozen: Any, claims: dict[str, Any], accepted: bool, description: str
) -> None:
    response = knock(signed(**claims))
    if accepted:
        assert_inside(response)
    else:
        assert_invalid(response, description)
        assert_nothing_reserved()


def test_leeway_and_lifetime_come_from_the_profile(
    knock: Knock, configure: Configure, frozen: Any
) -> None:
    configure(LEEWAY=0, MAX_LIFETIME=10)
    assert_inside(knock(signed(exp=NOW + 1)))
    assert_inside(knock(signed(exp=NOW + 10)))
    assert_invalid(knock(signed(exp=NOW)), EXPIRED)
    assert_invalid(knock(signed(exp=NOW + 11)), "The token lives longer than 10 seconds.")
    assert_invalid(knock(signed(exp=NOW + 5, nbf=NOW + 1)), NOT_YET)


def test_the_longest_leeway_and_lifetime_work(knock: Knock, configure: Configure) -> None:
    configure(LEEWAY=10**10, MAX_LIFETIME=10**10)
    assert_inside(knock(signed(exp=NOW + 10**10)))


@pytest.mark.parametrize("leeway", [0, 30, 45.5])
def test_a_jti_is_kept_for_as_long_as_its_token_is_accepted(
    knock: Knock, configure: Configure, frozen: Any, leeway: float
) -> None:
    configure(LEEWAY=leeway)
    token = signed(exp=NOW + 100)
    response = knock(token)
    # The cache adds a second of grace, and rounds up by less than one.
    kept = response.reservation.expires_at.timestamp() - (NOW + 100 + leeway)
    assert 1 <= kept < 2
    frozen.move_to(NOW + 100 + leeway - 0.001)
    assert_invalid(knock(token), "The token has already been used.")
    frozen.move_to(NOW + 100 + leeway)
    assert_invalid(knock(token), EXPIRED)


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        *('"1900000060"', "true", "false", "null", "[1900000060]", "{}", '""'),
        *("NaN", "Infinity", "-Infinity", "1e300", "1e400", "-1e400"),
        *("9" * 400, "9" * 5000, "253402300800"),
    ],
)
def test_a_time_must_be_a_finite_number_that_a_clock_can_show(
    knock: Knock, frozen: Any, claim: str, value: str
) -> None:
    members = {"jti": '"1"', "exp": str(NOW + 60), "iss": f'"{ISSUER}"', "aud": f'"{AUDIENCE}"'}
    members[claim] = value
    payload = ",".join(f'"{name}":{text}' for name, text in members.items())
    assert_invalid(knock(assembled(b'{"alg":"HS256"}', f"{{{payload}}}".encode())))
    assert_nothing_reserved()


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", [-(10**400), -1e300, -62135596801])
@pytest.mark.parametrize("exp", [NOW + 60, NOW + 60.5])
@pytest.mark.parametrize("leeway", [30, 0.5])
def test_a_time_before_the_first_year_is_refused(
    knock: Knock,
    configure: Configure,
    frozen: Any,
    claim: str,
    value: Any,
    exp: Any,
    leeway: Any,
) -> None:
    """A sum of a float and so large an int overflows."""
    configure(LEEWAY=leeway)
    assert_invalid(knock(signed(**{"exp": exp} | {claim: value})))
    assert_nothing_reserved()
