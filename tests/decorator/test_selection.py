"""Several profiles on one view: the issuer of the token picks one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jti_replay import replay_cache
from jti_replay.kinds.bearer import Bearer
from tests.tokens.answers import (
    assert_inside,
    assert_invalid,
    assert_missing,
    assert_unavailable,
)
from tests.tokens.doors import knock as sync_knock
from tests.tokens.doors import knock_on_a_new_loop
from tests.tokens.tokens import CACHES, PROFILE, SECRET, signed

Knock = Callable[..., Any]
HUB, LAB = "https://hub.example", "https://lab.example"
OTHER_SECRET = SECRET + "-of-the-lab"
BOTH = ["hub", "lab"]


@pytest.fixture(params=["sync", "async"])
def knock(request: pytest.FixtureRequest) -> Knock:
    return sync_knock if request.param == "sync" else knock_on_a_new_loop


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    def configure(**named: Any) -> None:
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": named}

    return configure


HUB_PROFILE = PROFILE | {"ISSUER": HUB}
LAB_PROFILE = PROFILE | {"ISSUER": LAB, "KEY": OTHER_SECRET}


def is_lab(iss: str) -> bool:
    return iss == LAB


def is_any(iss: str) -> bool:
    return True


def is_of_lab(iss: str) -> bool:
    return iss.startswith(LAB)


def fails(iss: str) -> bool:
    raise LookupError("the directory is down")


def test_the_issuer_picks_the_profile(knock: Knock, configure: Callable[..., None]) -> None:
    """The reservation tells which profile judged the token."""
    configure(hub=HUB_PROFILE, lab=LAB_PROFILE)
    for iss, key, name in ((HUB, SECRET, "hub"), (LAB, OTHER_SECRET, "lab")):
        response = knock(signed(iss=iss, key=key), profile=BOTH)
        assert_inside(response)
        assert response.reservation.profile == name


def test_that_profile_alone_judges_it(knock: Knock, configure: Callable[..., None]) -> None:
    """A token that is signed with the key of another profile is refused."""
    configure(hub=HUB_PROFILE, lab=LAB_PROFILE)
    assert_invalid(
        knock(signed(iss=LAB, key=SECRET), profile=BOTH), "The signature of the token is wrong."
    )
    assert replay_cache.count() == 0


@pytest.mark.parametrize("iss", ["https://evil.example", "", None, 7, {"a": 1}])
def test_a_token_of_no_profile_is_refused(
    knock: Knock, configure: Callable[..., None], iss: Any
) -> None:
    """Its issuer is another one, is missing or is no string."""
    configure(hub=HUB_PROFILE, lab=LAB_PROFILE)
    assert_invalid(knock(signed(iss=iss), profile=BOTH), "The token is from another issuer.")
    assert_missing(knock(profile=BOTH))
    assert_invalid(knock("no.jwt", profile=BOTH), "The token is malformed.")
    assert replay_cache.count() == 0


def test_the_first_function_that_accepts_wins(
    knock: Knock, configure: Callable[..., None]
) -> None:
    """ISSUER functions are asked in the order of the profiles."""
    lab = LAB_PROFILE | {"ISSUER": is_lab}
    configure(lab=lab, any=HUB_PROFILE | {"ISSUER": is_any})
    for iss, key, name in ((HUB, SECRET, "any"), (LAB, OTHER_SECRET, "lab")):
        response = knock(signed(iss=iss, key=key), profile=["lab", "any"])
        assert response.reservation.profile == name


@pytest.mark.parametrize("iss", [None, 7, {"a": 1}])
def test_a_function_is_asked_about_names_alone(
    knock: Knock, configure: Callable[..., None], iss: Any
) -> None:
    """It could fail for anything else, and that would be a 503."""
    configure(hub=HUB_PROFILE, lab=LAB_PROFILE | {"ISSUER": is_of_lab})
    assert_invalid(knock(signed(iss=iss), profile=BOTH), "The token is from another issuer.")


def test_a_function_that_fails_is_503(knock: Knock, configure: Callable[..., None]) -> None:
    """Which profile judges the token cannot be told."""
    configure(hub=HUB_PROFILE, lab=LAB_PROFILE | {"ISSUER": fails})
    assert_unavailable(knock(signed(iss=LAB), profile=BOTH))


@pytest.mark.parametrize(
    ("hub", "lab", "says"),
    [
        (HUB_PROFILE, {k: v for k, v in LAB_PROFILE.items() if k != "ISSUER"}, "no ISSUER"),
        (HUB_PROFILE, LAB_PROFILE | {"ISSUER": [LAB, HUB]}, "both name the issuer"),
        (
            HUB_PROFILE,
            LAB_PROFILE | {"KIND": "tests.decorator.test_selection.OtherKind"},
            "different kinds",
        ),
    ],
)
def test_profiles_that_do_not_go_together_are_told(
    knock: Knock, configure: Callable[..., None], hub: Any, lab: Any, says: str
) -> None:
    """Each request raises ImproperlyConfigured, with a token or without."""
    configure(hub=hub, lab=lab)
    for arguments in ([signed(iss=HUB)], []):
        with pytest.raises(ImproperlyConfigured, match=says):
            knock(*arguments, profile=BOTH)


class OtherKind(Bearer):
    pass
