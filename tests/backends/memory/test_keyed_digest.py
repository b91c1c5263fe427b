"""The digests of the cache in memory: with a key, and never one input for two pairs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from jti_replay.backends.memory import InMemoryCache, keyed_digest
from jti_replay.backends.memory.keyed_digest import (
    DIGEST_SIZE,
    MAX_NAMESPACES,
    Blake2Digest,
    KeyedDigest,
    SiphashDigest,
)


@pytest.fixture(params=[SiphashDigest, Blake2Digest])
def digest(request: pytest.FixtureRequest) -> KeyedDigest:
    made: KeyedDigest = request.param()
    return made


def test_equal_pairs_have_one_digest(digest: KeyedDigest) -> None:
    assert digest("issuer", "jti") == digest("issuer", "".join(["j", "ti"]))
    assert (digest("issuer", "jti") + 1).bit_length() <= 8 * DIGEST_SIZE


@pytest.mark.parametrize(
    "other",
    [
        ("issue", "rjti"),
        ("", "issuerjti"),
        ("6:issuer", "jti"),
        ("issuer", "JTI"),
        ("issuer", "jti\0"),
        ("issuer", "jti\ud800"),
    ],
)
def test_other_pairs_have_others(digest: KeyedDigest, other: tuple[str, str]) -> None:
    assert digest("issuer", "jti") != digest(*other)


def test_texts_of_equal_bytes_in_memory_are_told_apart(digest: KeyedDigest) -> None:
    # CPython hashes the characters as they lie there, one or two bytes each.
    assert digest("", "a\x01b\x01") != digest("", "\u0161\u0162")


def test_nobody_else_can_foresee_it(digest: KeyedDigest) -> None:
    assert digest("", "jti") != SiphashDigest()("", "jti")
    assert digest("", "jti") != Blake2Digest()("", "jti")


def test_any_number_of_namespaces_takes_bounded_room() -> None:
    digest = SiphashDigest()
    first = digest("0", "jti")
    assert len(digest.prefixes) == 1
    for number in range(MAX_NAMESPACES + 1):
        digest(str(number), "jti")
        assert len(digest.prefixes) <= MAX_NAMESPACES
    assert digest("0", "jti") == first


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (SimpleNamespace(width=64, algorithm="siphash13"), "SiphashDigest"),
        (SimpleNamespace(width=32, algorithm="siphash13"), "Blake2Digest"),
        (SimpleNamespace(width=64, algorithm="fnv"), "Blake2Digest"),
    ],
)
def test_a_weak_hash_of_python_is_not_used(
    info: SimpleNamespace, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "hash_info", info)
    assert type(keyed_digest.keyed_digest()).__name__ == expected


def test_a_cache_does_without_the_hash_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "hash_info", SimpleNamespace(width=32, algorithm="siphash13"))
    cache = InMemoryCache("default", {})
    reservation = cache.reserve("jti", namespace="issuer")
    assert reservation
    assert cache.reserve("jti", namespace="issuer") is None
    assert reservation.release()
