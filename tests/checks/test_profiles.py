"""What the system checks say of the PROFILES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage

from tests.tokens import issuer_functions
from tests.tokens.keypairs import keypair

from .configurations import SECRET, cache, ids, profile

Check = Callable[..., list[CheckMessage]]


URL = "https://issuer.example/.well-known/jwks"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ISSUER": ["https://a.example", "https://b.example"]},
        {"AUDIENCE": ("https://a.example",)},
        {"ISSUER": ..., "AUDIENCE": ...},
        {"LEEWAY": 0, "MAX_LIFETIME": 1},
        {"LEEWAY": 1.5, "MAX_LIFETIME": 10**10},
        {"CACHE": "default"},
        {"KEY": SECRET.encode()},
        {"KEY": b"a.dotted.path.that.is.a.secret.in.fact"},
        {"KEY": "tests.tokens.key_functions.secret", "ALGORITHMS": ["RS256", "HS256"]},
        {"KEY": lambda header, claims: SECRET},
        {"KEY": keypair("RS256").pem(), "ALGORITHMS": ["RS256", "PS512"]},
        {"KEY": keypair("EdDSA").pem(), "ALGORITHMS": ("EdDSA",)},
        {"KEY": ..., "JWKS_URL": URL, "ALGORITHMS": ["RS256", "ES256"]},
        {"KEY": ..., "ALGORITHMS": ["RS256"]},
        {"KEY": ..., "ALGORITHMS": ["Ed25519"]},
        {"KEY": keypair("EdDSA").pem(), "ALGORITHMS": ["Ed25519"]},
        {"ISSUER": "accounts.google.com"},
        {"ISSUER": lambda iss: True},
        {"ISSUER": "tests.tokens.issuer_functions.customers"},
        {"TYP": "JWT"},
        {"TYP": ["JWT", "job+jwt"]},
        {"JTI": "required"},
        {"JTI": "digest"},
    ],
)
def test_a_good_profile_is_good(check_profile: Check, changes: dict[str, Any]) -> None:
    assert check_profile(**changes) == []


@pytest.mark.parametrize("value", [None, "text", 7, True, ["default"], {"set"}])
def test_profiles_must_be_a_dict(check: Check, value: Any) -> None:
    [message] = check({"PROFILES": value})
    assert ids([message]) == ["E001"]
    assert message.msg == f'JTI_REPLAY["PROFILES"] must be a dict, not {type(value).__name__}.'


@pytest.mark.parametrize("value", [None, "text", 7, True, ["default"], {"set"}])
def test_a_profile_must_be_a_dict(check: Check, value: Any) -> None:
    assert ids(check({"PROFILES": {"default": value}})) == ["E001"]


@pytest.mark.parametrize("name", [7, None, ("a",)])
def test_a_name_must_be_a_str(check: Check, name: Any) -> None:
    assert ids(check({"PROFILES": {name: profile()}})) == ["E001"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("ALGORITMS", "ALGORITHMS"),
        ("ALGORITHM", "ALGORITHMS"),
        ("algorithms", "ALGORITHMS"),
        ("AUDIENCES", "AUDIENCE"),
        ("ISSUERS", "ISSUER"),
        ("LEEWEY", "LEEWAY"),
        ("MAX_LIFE_TIME", "MAX_LIFETIME"),
        ("JWKS_URI", "JWKS_URL"),
        ("CACHES", "CACHE"),
        ("KEYS", "KEY"),
        ("JWKS_OPTION", "JWKS_OPTIONS"),
        ("TYPE", "TYP"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(
    check_profile: Check, key: str, nearest: str
) -> None:
    [message] = check_profile(**{key: 1})
    assert ids([message]) == ["E002"]
    assert message.hint == f"Did you mean {nearest!r}?"


@pytest.mark.parametrize("key", ["ISSUER", "AUDIENCE", "TYP"])
@pytest.mark.parametrize("value", [None, 7, True, {"a"}, {"a": 1}, [7], [None], ["a", b"b"]])
def test_issuer_and_audience_must_be_names(check_profile: Check, key: str, value: Any) -> None:
    [message] = check_profile(**{key: value})
    assert ids([message]) == ["E001"]
    assert key in message.msg


@pytest.mark.parametrize("key", ["ISSUER", "AUDIENCE", "TYP"])
@pytest.mark.parametrize("value", ["", [], (), [""], ["a", ""]])
def test_issuer_and_audience_must_not_be_empty(
    check_profile: Check, key: str, value: Any
) -> None:
    [message] = check_profile(**{key: value})
    assert ids([message]) == ["E015"]
    assert key in message.msg


@pytest.mark.parametrize("key", ["LEEWAY", "MAX_LIFETIME"])
@pytest.mark.parametrize("value", [None, "30", True, [30], {}])
def test_durations_must_be_numbers(check_profile: Check, key: str, value: Any) -> None:
    [message] = check_profile(**{key: value})
    assert ids([message]) == ["E001"]
    assert key in message.msg


@pytest.mark.parametrize("key", ["LEEWAY", "MAX_LIFETIME"])
@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("inf"), 1e300, 10**400])
def test_durations_must_be_possible(check_profile: Check, key: str, value: Any) -> None:
    [message] = check_profile(**{key: value})
    assert ids([message]) == ["E007"]
    assert key in message.msg


@pytest.mark.parametrize("value", [0, 0.0, -0.0])
def test_no_token_lives_no_time(check_profile: Check, value: float) -> None:
    [message] = check_profile(MAX_LIFETIME=value)
    assert ids([message]) == ["E007"]
    assert "MAX_LIFETIME" in message.msg


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("tests.tokens.issuer_functions.asynchronous", "async"),
        ("tests.tokens.issuer_functions.async_customers", "async"),
        (issuer_functions.asynchronous, "async"),
        (issuer_functions.AsyncCustomers(), "async"),
        ("tests.tokens.issuer_functions.NOT_CALLABLE", "cannot be called"),
        ("tests.tokens.broken_module.function", "this module is broken"),
    ],
)
def test_issuer_must_name_a_sync_function(check_profile: Check, value: Any, says: str) -> None:
    [message] = check_profile(ISSUER=value)
    assert ids([message]) == ["E028"]
    assert says in message.msg


def test_an_issuer_that_needs_what_is_missing_is_no_name(
    check_profile: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module is there, and another one is not."""
    (tmp_path / "shop_issuers.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    [message] = check_profile(ISSUER="shop_issuers.accepts")
    assert ids([message]) == ["E028"]
    assert "no_such_module_anywhere" in message.msg


@pytest.mark.parametrize(
    "value",
    ["tests.tokens.issuer_functions.custumers", "tests.tokens.issuer_functions:customers"],
)
def test_a_mistaken_path_of_an_issuer_function_is_warned_of(
    check_profile: Check, value: str
) -> None:
    [message] = check_profile(ISSUER=value)
    assert ids([message]) == ["W020"]
    assert value in message.msg


@pytest.mark.parametrize("value", ["accounts.google.com", "no.such.module", "google", "a b.c"])
def test_a_name_of_an_issuer_may_look_like_a_path(check_profile: Check, value: str) -> None:
    assert check_profile(ISSUER=value) == []


@pytest.mark.parametrize("value", [None, "", "Digest", "ignored", True, ["digest"]])
def test_jti_is_required_or_digest(check_profile: Check, value: Any) -> None:
    [message] = check_profile(JTI=value)
    assert ids([message]) == ["E030"]


@pytest.mark.parametrize(
    "value",
    [
        ...,
        None,
        [],
        (),
        "",
        0,
        "HS256",
        "RS256",
        "none",
        ["none"],
        ["None"],
        ["HS256", "NONE"],
        ["HS257"],
        ["hs256"],
        ["HS256", "RS"],
        [7],
        [None],
        [["HS256"]],
    ],
)
def test_algorithms_must_be_a_list_of_known_ones(check_profile: Check, value: Any) -> None:
    [message] = check_profile(ALGORITHMS=value)
    assert ids([message]) == ["E008"]
    assert "RS256" in str(message.hint)
    assert "none" not in str(message.hint)


@pytest.mark.parametrize("value", [7, True, {"HS256"}, {"HS256": 1}, b"HS256", object()])
def test_algorithms_must_be_a_list(check_profile: Check, value: Any) -> None:
    [message] = check_profile(ALGORITHMS=value)
    assert ids([message]) == ["E001"]
    assert "ALGORITHMS" in message.msg


@pytest.mark.parametrize("alias", ["nowhere", "", "Default", "shared"])
def test_the_cache_must_exist(check_profile: Check, alias: str) -> None:
    [message] = check_profile(CACHE=alias)
    assert ids([message]) == ["E012"]
    assert "'default'" in str(message.hint)


def test_the_cache_may_be_any(check: Check) -> None:
    caches = {"default": cache(), "other": cache()}
    assert check({"CACHES": caches, "PROFILES": {"default": profile(CACHE="other")}}) == []


@pytest.mark.parametrize("alias", [None, 7, True, ["default"], {"default": 1}])
def test_cache_must_be_a_str(check_profile: Check, alias: Any) -> None:
    assert ids(check_profile(CACHE=alias)) == ["E001"]


def test_without_any_cache_that_is_named_too(check: Check) -> None:
    messages = check({"CACHES": {}, "PROFILES": {"default": profile()}})
    assert ids(messages) == ["E003", "E012"]
    assert "none" in str(messages[1].hint)


def test_caches_of_a_wrong_type_are_named_once(check: Check) -> None:
    assert ids(check({"CACHES": None, "PROFILES": {"default": profile()}})) == ["E001"]
