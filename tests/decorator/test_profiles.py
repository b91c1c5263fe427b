"""Which profile judges a token, and what happens if it cannot."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.urls import clear_url_caches, path

from jti_replay import profiles, replay_cache, replay_caches, signals
from jti_replay.backends.memory import InMemoryCache
from jti_replay.decorators import reserve_jti
from jti_replay.profiles import get_profile
from tests.tokens.answers import assert_inside, assert_invalid, assert_unavailable
from tests.tokens.doors import knock as sync_knock
from tests.tokens.doors import knock_on_a_new_loop, request_with, view
from tests.tokens.tokens import CACHES, ISSUER, PROFILE, signed

Knock = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def knock(request: pytest.FixtureRequest) -> Knock:
    return sync_knock if request.param == "sync" else knock_on_a_new_loop


def configure(settings: Any, **named: Any) -> None:
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"], "other": CACHES["default"]},
        "PROFILES": named,
    }


def test_each_profile_has_its_own_rules(knock: Knock, settings: Any) -> None:
    strict = PROFILE | {"MAX_LIFETIME": 10}
    configure(settings, default=PROFILE, strict=strict)
    assert_inside(knock(signed()))
    assert_invalid(knock(signed(), profile="strict"), "The token lives longer than 10 seconds.")


def test_profiles_on_different_caches_do_not_see_each_other(
    knock: Knock, settings: Any
) -> None:
    configure(settings, default=PROFILE, logout=PROFILE | {"CACHE": "other"})
    token = signed()
    assert_inside(knock(token))
    response = knock(token, profile="logout")
    assert_inside(response)
    assert response.reservation.alias == "other"
    assert (replay_cache.count(), replay_caches["other"].count()) == (1, 1)


def test_profiles_on_one_cache_do(knock: Knock, settings: Any) -> None:
    configure(settings, default=PROFILE, logout=PROFILE)
    token = signed()
    assert_inside(knock(token))
    assert_invalid(knock(token, profile="logout"))


def test_the_defaults_of_a_profile(settings: Any) -> None:
    configure(settings, default={"KEY": PROFILE["KEY"], "ALGORITHMS": ["HS256"]})
    profile = get_profile("default")
    assert (profile.name, profile.cache) == ("default", "default")
    rules = profile.rules
    assert (rules.leeway, rules.max_lifetime) == (30, 3600)
    assert (rules.issuers, rules.audiences) == (None, ())


def test_issuer_and_audience_may_be_one_or_several(settings: Any) -> None:
    several = PROFILE | {"ISSUER": ["a", "b"], "AUDIENCE": ("c", "d")}
    configure(settings, one=PROFILE, several=several)
    one, several = get_profile("one").rules, get_profile("several").rules
    assert (one.issuers.accepts(ISSUER), one.issuers.accepts("a")) == (True, False)
    assert [several.issuers.accepts(iss) for iss in ("a", "b", "c")] == [True, True, False]
    assert several.audiences == ("c", "d")


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "no profile named 'default'"),
        ({"other": PROFILE}, "no profile named 'default'"),
        ({"default": None}, "jti_replay.E001"),
        ({"default": PROFILE | {"ALGORITMS": ["HS256"]}}, "jti_replay.E002"),
        ({"default": PROFILE | {"LEEWAY": -1}}, "jti_replay.E007"),
        ({"default": PROFILE | {"ALGORITHMS": "HS256"}}, "jti_replay.E008"),
        ({"default": PROFILE | {"ALGORITHMS": ["none"]}}, "jti_replay.E008"),
        ({"default": {"ALGORITHMS": ["HS256"]}}, "jti_replay.E009"),
        ({"default": PROFILE | {"CACHE": "nowhere"}}, "jti_replay.E012"),
        ({"default": PROFILE | {"KEY": "short"}}, "jti_replay.E013"),
        ({"default": PROFILE | {"ISSUER": ""}}, "jti_replay.E015"),
        ({7: PROFILE, "default": PROFILE}, "jti_replay.E001"),
        ("text", "jti_replay.E001"),
        (None, "jti_replay.E001"),
    ],
)
def test_a_profile_that_cannot_work_is_told(
    knock: Knock, settings: Any, named: Any, says: str
) -> None:
    """Each request raises: a server starts without checks, and a 503 would be retried."""
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": named}
    for headers in ([signed()], []):
        with pytest.raises(ImproperlyConfigured, match=says):
            knock(*headers)
    assert replay_cache.count() == 0


@pytest.mark.parametrize(
    ("names", "id_"), [("ci", "jti_replay.E007"), (["default", "nowhere"], "jti_replay.E045")]
)
def test_check_tells_once_what_cannot_work(settings: Any, names: Any, id_: str) -> None:
    """The view that asks for a broken profile is not told of it as well."""
    broken = {"ci": PROFILE | {"LEEWAY": -1}} if names == "ci" else {}
    configure(settings, default=PROFILE, **broken)
    settings.ROOT_URLCONF = (path("", reserve_jti(names)(view)),)
    clear_url_caches()
    messages = [m.id for m in run_checks() if str(m.id).startswith("jti_replay")]
    clear_url_caches()
    assert messages == [id_]


@pytest.mark.parametrize("wrong", ["text", None, 7, ["default"]])
def test_a_setting_of_a_wrong_type_is_told(knock: Knock, settings: Any, wrong: Any) -> None:
    settings.JTI_REPLAY = wrong
    with pytest.raises(ImproperlyConfigured):
        knock(signed())


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"BACKEND": "no.such.Cache"},
        {"BACKEND": ".relative"},
        {"BACKEND": "tests.tokens.broken_module.Cache"},
        CACHES["default"] | {"TTL": -1},
        CACHES["default"] | {"TTL": 10**400},
        CACHES["default"] | {"OPTIONS": {"max_entries": 0}},
        None,
    ],
)
def test_a_cache_that_cannot_work_is_told(knock: Knock, settings: Any, params: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": {"default": params}, "PROFILES": {"default": PROFILE}}
    for headers in ([signed()], []):
        with pytest.raises(ImproperlyConfigured, match=r"jti_replay\.E"):
            knock(*headers)


def test_an_unknown_profile_is_told(knock: Knock) -> None:
    for headers in ([signed()], []):
        with pytest.raises(ImproperlyConfigured, match="no profile named 'nowhere'"):
            knock(*headers, profile="nowhere")
    assert replay_cache.count() == 0


@pytest.mark.parametrize("wrong", [7, None, [], ["default", 7], ("default", None), {"a": 1}])
def test_a_name_that_is_no_str_is_refused_when_it_is_made(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        reserve_jti(wrong)


def test_a_wrong_profile_leaves_the_others_alone(knock: Knock, settings: Any) -> None:
    configure(settings, default=PROFILE, wrong={})
    with pytest.raises(ImproperlyConfigured):
        knock(signed(), profile="wrong")
    assert_inside(knock(signed()))


def test_without_any_setting_there_is_a_cache_and_no_profile(
    knock: Knock, settings: Any
) -> None:
    del settings.JTI_REPLAY
    assert isinstance(replay_caches["default"], InMemoryCache)
    with pytest.raises(ImproperlyConfigured, match="no profile named 'default'"):
        knock(signed())


def test_a_changed_setting_is_followed(knock: Knock, settings: Any) -> None:
    configure(settings, default=PROFILE)
    assert_inside(knock(signed()))
    configure(settings, default=PROFILE | {"AUDIENCE": "https://another.example"})
    assert_invalid(knock(signed()), "The token is for another audience.")


def test_a_profile_is_built_once(settings: Any) -> None:
    """Even by many threads at once: each would fetch keys of its own."""

    class LetsOthersRun(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            time.sleep(0.001)
            return super().__getitem__(name)

    configure(settings, default=LetsOthersRun(PROFILE))
    barrier = threading.Barrier(8)

    def build(_: int) -> profiles.Profile:
        barrier.wait(5)
        return get_profile("default")

    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            profiles.reset()
            first, *others = pool.map(build, range(8))
            assert all(other is first for other in others)
    profiles.reset()
    assert get_profile("default") is not first


def test_get_profile_says_all_that_cannot_work(settings: Any) -> None:
    configure(settings, default={})
    with pytest.raises(ImproperlyConfigured, match=r"jti_replay\.E008.*jti_replay\.E009"):
        get_profile("default")


# Signals.


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        events.append(kwargs)

    connected = [
        signals.jti_reserved,
        signals.jti_replayed,
        signals.jti_released,
        signals.cache_failed,
    ]
    for signal in connected:
        signal.connect(receiver)
    yield events
    for signal in connected:
        signal.disconnect(receiver)


@pytest.mark.parametrize("is_async", [False, True])
def test_signals_name_the_request_and_the_profile(
    settings: Any, told: list[dict[str, Any]], is_async: bool
) -> None:
    configure(settings, ci=PROFILE)
    token = signed()
    requests = [request_with(token), request_with(token)]
    if is_async:

        @reserve_jti("ci")
        async def aview(request: HttpRequest) -> HttpResponse:
            return HttpResponse()

        for request in requests:
            asyncio.run(aview(request))
    else:

        @reserve_jti("ci", atomic=False)
        def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse()

        for request in requests:
            view(request)
    reserved, replayed = told
    assert reserved["signal"] is signals.jti_reserved
    assert replayed["signal"] is signals.jti_replayed
    for event, request in zip(told, requests, strict=True):
        assert event["request"] is request
        assert event["profile"] == "ci"
        assert event["sender"] is InMemoryCache
        assert (event["alias"], event["namespace"]) == ("default", ISSUER)
    assert reserved["reservation"] is requests[0].jti_reservation  # type: ignore[attr-defined]


@pytest.mark.usefixtures("store_is_down")
def test_a_failure_is_told_with_the_request_and_the_profile(
    knock: Knock, told: list[dict[str, Any]]
) -> None:
    assert_unavailable(knock(signed()))
    [event] = told
    assert event["signal"] is signals.cache_failed
    assert event["profile"] == "default"
    assert event["request"].META["HTTP_AUTHORIZATION"]


def test_a_refused_token_is_no_event(knock: Knock, told: list[dict[str, Any]]) -> None:
    assert_invalid(knock(signed(exp=1)))
    knock()
    assert told == []
