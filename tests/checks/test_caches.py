"""What the system checks say of JTI_REPLAY itself, and of its CACHES."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage

from jti_replay.backends.memory import InMemoryCache
from jti_replay.conf.rules import unknown_key

from .configurations import MEMORY, REDIS, cache, found, ids, profile

Check = Callable[..., list[CheckMessage]]


class OwnCache(InMemoryCache):
    """A replay cache of the project."""


WRONG_TYPES = [None, "text", 7, True, ["list"], ("tuple",), {"set"}, b"bytes"]


def test_an_absent_setting_is_good(settings: Any) -> None:
    if hasattr(settings, "JTI_REPLAY"):
        del settings.JTI_REPLAY
    assert found() == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"PROFILES": {}},
        {"CACHES": {"default": {"BACKEND": MEMORY}}},
        {"CACHES": {"default": cache(), "other": cache(TTL=0, LOCATION="", OPTIONS={})}},
        {"CACHES": {"default": cache(TTL=0.5)}},
        {"CACHES": {"default": cache()}, "PROFILES": {"default": profile(), "ci": profile()}},
    ],
)
def test_a_good_setting_is_good(check: Check, value: Any) -> None:
    assert check(value) == []


@pytest.mark.parametrize("value", WRONG_TYPES)
def test_the_setting_must_be_a_dict(check: Check, value: Any) -> None:
    [message] = check(value)
    assert ids([message]) == ["E001"]
    assert message.msg == f"JTI_REPLAY must be a dict, not {type(value).__name__}."


@pytest.mark.parametrize("value", WRONG_TYPES)
def test_caches_must_be_a_dict(check: Check, value: Any) -> None:
    [message] = check({"CACHES": value})
    assert ids([message]) == ["E001"]
    assert message.msg == f'JTI_REPLAY["CACHES"] must be a dict, not {type(value).__name__}.'


@pytest.mark.parametrize("value", WRONG_TYPES)
def test_a_cache_must_be_a_dict(check: Check, value: Any) -> None:
    [message] = check({"CACHES": {"default": cache(), "other": value}})
    assert ids([message]) == ["E001"]
    assert "JTI_REPLAY[\"CACHES\"]['other'] must be a dict" in message.msg


@pytest.mark.parametrize("alias", [7, None, ("a", "b"), b"default"])
def test_an_alias_must_be_a_str(check: Check, alias: Any) -> None:
    messages = check({"CACHES": {"default": cache(), alias: cache()}})
    assert ids(messages) == ["E001"]
    assert repr(alias) in messages[0].msg


@pytest.mark.parametrize("options", WRONG_TYPES)
def test_options_must_be_a_dict(check_cache: Check, options: Any) -> None:
    assert ids(check_cache(OPTIONS=options)) == ["E001"]


@pytest.mark.parametrize("ttl", [None, "300", True, [300], {}, b"300"])
def test_ttl_must_be_a_number(check_cache: Check, ttl: Any) -> None:
    assert ids(check_cache(TTL=ttl)) == ["E001"]


@pytest.mark.parametrize("location", [None, 7, True, ["default"], {}])
def test_location_must_be_a_str(check_cache: Check, location: Any) -> None:
    assert ids(check_cache(LOCATION=location)) == ["E001"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("CACHE", "CACHES"),
        ("caches", "CACHES"),
        ("PROFILE", "PROFILES"),
        ("PROFLIES", "PROFILES"),
    ],
)
def test_an_unknown_part_is_named_with_the_nearest(
    check: Check, key: str, nearest: str
) -> None:
    [message] = check({key: {}})
    assert ids([message]) == ["E002"]
    assert message.msg == f"JTI_REPLAY has an unknown key {key!r}."
    assert message.hint == f"Did you mean {nearest!r}?"


@pytest.mark.parametrize("key", ["X", "", 7, None, ("a",), "\ud800"])
def test_an_unknown_part_like_no_other_is_named_with_all(check: Check, key: Any) -> None:
    [message] = check({key: {}})
    assert ids([message]) == ["E002"]
    assert message.hint == "Known here: CACHES, PROFILES."


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("TLT", "TTL"),
        ("ttl", "TTL"),
        ("BACKENDS", "BACKEND"),
        ("location", "LOCATION"),
        ("OPTION", "OPTIONS"),
    ],
)
def test_an_unknown_key_of_a_cache_is_named_with_the_nearest(
    check_cache: Check, key: str, nearest: str
) -> None:
    [message] = check_cache(**{key: 1})
    assert ids([message]) == ["E002"]
    assert message.hint == f"Did you mean {nearest!r}?"


@pytest.mark.parametrize("key", ["max_entires", "MAX_ENTRIES", "maxentries", "max_entrie"])
def test_an_unknown_option_is_named_with_the_nearest(check_cache: Check, key: str) -> None:
    [message] = check_cache(OPTIONS={key: 1})
    assert ids([message]) == ["E002"]
    assert message.hint == "Did you mean 'max_entries'?"


def test_an_option_of_another_backend_is_unknown(check: Check, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": ""}}
    messages = check({"CACHES": {"default": {"BACKEND": REDIS, "OPTIONS": {"max_entries": 1}}}})
    assert ids(messages) == ["E002"]


def test_where_nothing_can_be_set_the_hint_says_so() -> None:
    assert unknown_key("here", "x", ()).hint == "Nothing can be set here."


@pytest.mark.parametrize("caches", [{}, {"shared": cache()}, {"Default": cache()}])
def test_there_must_be_a_default_cache(check: Check, caches: Any) -> None:
    [message] = check({"CACHES": caches})
    assert ids([message]) == ["E003"]


@pytest.mark.parametrize(
    "backend",
    [
        ...,
        None,
        7,
        "",
        ".",
        ".relative",
        "..relative",
        "\0.x",
        "InMemoryCache",
        "jti_replay.backends.memory.InMemoryCash",
        "jti_replay.backends.memcached.MemcachedCache",
        "jti_replay.backends.memory",
        "jti_replay.replay_cache",
        "django.core.cache.backends.locmem.LocMemCache",
        "tests.tokens.broken_module.Cache",
        object,
        ["list"],
    ],
)
def test_backend_must_name_a_replay_cache(check_cache: Check, backend: Any) -> None:
    [message] = check_cache(BACKEND=backend)
    if isinstance(backend, str):
        assert repr(backend) in message.msg
    assert ids([message]) == ["E004"]
    assert MEMORY in str(message.hint)
    assert REDIS in str(message.hint)


def test_the_class_of_a_backend_may_be_in_the_project(check: Check) -> None:
    assert check({"CACHES": {"default": {"BACKEND": f"{__name__}.OwnCache"}}}) == []


@pytest.mark.parametrize(
    "ttl", [-1, -0.001, float("nan"), float("inf"), -float("inf"), 1e300, 10**400, 10**10 + 1]
)
def test_ttl_must_be_a_duration(check_cache: Check, ttl: Any) -> None:
    [message] = check_cache(TTL=ttl)
    assert ids([message]) == ["E007"]
    assert message.hint == 'Set JTI_REPLAY["CACHES"][\'default\']["TTL"] to 0 or more.'


@pytest.mark.parametrize("max_entries", [0, -1, "1000", None, 1e6, True, [], float("inf")])
def test_max_entries_must_be_a_positive_int(check_cache: Check, max_entries: Any) -> None:
    assert ids(check_cache(OPTIONS={"max_entries": max_entries})) == ["E014"]


# Redis.


@pytest.fixture
def check_redis(check: Check, settings: Any) -> Check:
    """Give a function that checks a Redis cache. No Redis is there, and none is asked."""
    settings.CACHES = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://[::1]:1"},
        "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    }
    return lambda **params: check({"CACHES": {"default": {"BACKEND": REDIS} | params}})


def test_a_redis_cache_is_good(check_redis: Check) -> None:
    assert check_redis() == []
    assert check_redis(LOCATION="default", OPTIONS={"prefix": "site:", "timeout": 2}) == []


@pytest.mark.parametrize("location", ["missing", "memory"])
def test_a_redis_cache_needs_an_alias_of_django_redis(
    check_redis: Check, location: str
) -> None:
    [message] = check_redis(LOCATION=location)
    assert ids([message]) == ["E005"]
    assert repr(location) in message.msg


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"prefix": 7}, "E001"),
        ({"prefix": None}, "E001"),
        ({"timeout": "1"}, "E001"),
        ({"timeout": None}, "E001"),
        ({"timeout": -1}, "E007"),
        ({"timeout": 0}, "E014"),
        ({"timeuot": 1}, "E002"),
    ],
)
def test_the_options_of_a_redis_cache(check_redis: Check, options: Any, expected: str) -> None:
    assert ids(check_redis(OPTIONS=options)) == [expected]


def test_each_mistake_is_named(check: Check) -> None:
    messages = check(
        {
            "CACHES": {"shared": {"TTL": -1, "LOCATION": 7, "X": 1}},
            "PROFILES": {"ci": {"LEEWAY": -1}},
            "OTHER": 1,
        }
    )
    expected = ["E001", "E002", "E002", "E003", "E004", "E007", "E007", "E008"]
    assert sorted(ids(messages)) == [*expected, "E009", "E012"]
