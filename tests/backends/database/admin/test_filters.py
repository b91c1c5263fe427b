"""By what operators find a reservation among others in the admin."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jti_replay import replay_cache
from tests.backends.database.admin.site import LIST, NAMES, key, shown, sign_in

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_the_list_is_filtered_by_namespace(location: str) -> None:
    """The namespaces of the live reservations are offered."""
    for jti, namespace in zip("abc", NAMES, strict=True):
        assert replay_cache.reserve(jti, namespace=namespace)
    assert replay_cache.reserve("d")
    client = sign_in("view")
    assert "?namespace=link%3Ainvite" in client.get(LIST).content.decode()
    assert shown(client, "abc") == "abc"
    assert shown(client, "abc", namespace="link:invite") == "b"
    assert shown(client, "abc", namespace="of none") == ""
    assert shown(client, "abc", q="LINK:") == "b"


def test_many_namespaces_are_not_offered(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each DPoP client has one of its own. They can be searched for."""
    monkeypatch.setattr("jti_replay.admin.filters.MOST_NAMESPACES", 2)
    for jti, namespace in zip("abc", NAMES, strict=True):
        assert replay_cache.reserve(jti, namespace=namespace)
    client = sign_in("view")
    assert "?namespace=" not in client.get(LIST).content.decode()
    assert shown(client, "abc", q="issuer") == "a"


def test_the_list_is_filtered_by_profile(location: str, settings: Any) -> None:
    """By the namespaces that its tokens can have, in the cache that is shown."""
    common = {"ALGORITHMS": ["HS256"], "KEY": "k" * 32, "AUDIENCE": "us"}
    memory = {"BACKEND": "jti_replay.backends.memory.InMemoryCache"}
    settings.JTI_REPLAY = {
        "CACHES": settings.JTI_REPLAY["CACHES"] | {"memory": memory},
        "PROFILES": {
            "named": common | {"ISSUER": ["https://a.example", "link:b"]},
            "any": common | {"ISSUER": "tests.tokens.issuer_functions.everybody"},
            "invite": {"KIND": "link"},
            "events": common | {"KIND": "security_event", "ISSUER": "https://a.example"},
            "elsewhere": common | {"ISSUER": "https://a.example", "CACHE": "memory"},
            "broken": {"KIND": "link", "KEY": 7},
        },
    }
    namespaces = {
        "a": "https://a.example",
        "b": "bearer:link:b",
        "c": "https://c.example",
        "d": "link:invite",
        "e": "security_event:events:https://a.example",
        "f": "dpop:key:https://us.example",
        "g": "link:invite-others",
    }
    for jti, namespace in namespaces.items():
        assert replay_cache.reserve(jti, namespace=namespace)
    client = sign_in("view")

    def of(profile: str) -> str:
        page = client.get(LIST, {"profile": profile}).content.decode()
        return "".join(j for j, name in namespaces.items() if key(j, name)[:16] in page)

    assert (of("named"), of("invite"), of("events")) == ("ab", "d", "e")
    assert of("any") == "abc"
    assert of("elsewhere") == of("nonsense") == "abcdefg"
    page = client.get(LIST).content.decode()
    assert "?profile=named" in page
    assert "?profile=elsewhere" not in page
    assert "?profile=broken" not in page


def test_the_list_is_filtered_by_expiry(location: str) -> None:
    """By the clock of the database, within a time."""
    now = time.time()
    for jti, seconds in (("a", 400), ("b", 4000), ("c", 100_000)):
        assert replay_cache.reserve(jti, now + seconds, namespace="issuer")
    client = sign_in("view")
    assert shown(client, "abc", expires_within="60") == ""
    assert shown(client, "abc", expires_within="3600") == "a"
    assert shown(client, "abc", expires_within="86400") == "ab"
    assert shown(client, "abc", expires_within="nonsense") == "abc"


def test_a_digest_of_a_log_line_is_found(location: str) -> None:
    """Whole, or as short as logs and signals have it."""
    for jti in "abc":
        assert replay_cache.reserve(jti, namespace="issuer")
    client = sign_in("view")
    assert shown(client, "abc", q=key("b")[:16]) == "b"
    assert shown(client, "abc", q=f" {key('b').upper()} ") == "b"
    assert shown(client, "abc", q="0" * 16) == ""
    assert shown(client, "abc", q=key("b")[:15]) == ""
