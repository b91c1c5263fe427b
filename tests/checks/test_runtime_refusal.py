"""What a check refuses does not work at run time either, and no setting breaks a check."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jti_replay import conf, replay_caches
from jti_replay.conf.refusal import refuse_errors
from jti_replay.profiles import get_profile

from .configurations import MEMORY, REDIS, SECRET, found, ids


def test_errors_are_a_refusal_that_names_all_of_them() -> None:
    messages = [
        Error("One.", hint="Do this.", id="jti_replay.E001"),
        Warning("Two.", hint="Do that.", id="jti_replay.W001"),
        Error("Three.", id="jti_replay.E003"),
    ]
    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_errors(messages)
    assert str(caught.value) == "One. (jti_replay.E001) Do this. Three. (jti_replay.E003)"


def test_warnings_are_none() -> None:
    refuse_errors([Warning("Two.", hint="Do that.", id="jti_replay.W001")])
    refuse_errors([])


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            *(MEMORY, REDIS, SECRET, "HS256", "RS256", "none", "default", "shared"),
            *("https://issuer.example", "http://127.0.0.1:1", "no.such.path", ".a", "a.b.c"),
            *(10**400, -(10**400), 1e300, object(), len, dict, "\ud800", "\0"),
        ]
    )
)
hashable = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary()
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.sets(hashable, max_size=2)
        | st.dictionaries(hashable, inner, max_size=3)
    ),
    max_leaves=6,
)


def mappings(*keys: str, values: Any = anything) -> Any:
    return st.dictionaries(st.sampled_from(keys) | hashable, values, max_size=6)


aliases = st.sampled_from(["default", "shared"]) | hashable
caches = st.dictionaries(
    aliases,
    anything
    | mappings("BACKEND", "LOCATION", "TTL", "OPTIONS")
    | st.fixed_dictionaries(
        {"BACKEND": st.sampled_from([MEMORY, REDIS])},
        optional={
            "OPTIONS": mappings("max_entries", "prefix", "timeout") | anything,
            "TTL": anything,
            "LOCATION": anything,
        },
    ),
    max_size=3,
)
profiles = st.dictionaries(
    aliases,
    anything
    | mappings(
        *("ISSUER", "AUDIENCE", "ALGORITHMS", "JWKS_URL", "KEY", "LEEWAY"),
        *("MAX_LIFETIME", "CACHE", "JWKS_OPTIONS", "TYP", "JTI"),
    )
    | st.fixed_dictionaries(
        {"ALGORITHMS": st.just(["HS256"]) | st.just(["RS256"])},
        optional={
            "KEY": anything,
            "JWKS_URL": anything,
            "ISSUER": anything,
            "JWKS_OPTIONS": anything
            | mappings("headers", "cafile", "timeout", "lifespan", "max_stale", "allow_http"),
            "CACHE": anything,
        },
    ),
    max_size=3,
)
setting = (
    anything
    | mappings("CACHES", "PROFILES")
    | st.fixed_dictionaries({}, optional={"CACHES": caches, "PROFILES": profiles})
)


@hypothesis_settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(setting)
@example({"PROFILES": {"default": {"CACHE": []}}})
@example({"CACHES": {"default": {"BACKEND": ".a"}}})
@example({"CACHES": {"default": {"BACKEND": MEMORY, "TTL": 10**400}}})
@example({"CACHES": {"default": {"BACKEND": REDIS, "OPTIONS": {"timeout": "x", "prefix": 7}}}})
@example({"CACHES": {"default": {"BACKEND": MEMORY, "OPTIONS": None}}})
@example({"PROFILES": {"default": {"ALGORITHMS": [[]], "KEY": object()}}})
@example({"PROFILES": {"default": {"ALGORITHMS": ["RS256"], "JWKS_URL": "http://[::1"}}})
def test_no_setting_breaks_a_check_and_what_it_passes_works(value: Any) -> None:
    with override_settings(JTI_REPLAY=value):
        messages = found(deploy=True)
        if [message for message in ids(messages) if message.startswith("E")]:
            return
        for alias in conf.caches():
            assert replay_caches[alias].alias == alias
        for name in conf.profiles():
            assert get_profile(name).name == name


@hypothesis_settings(max_examples=200, deadline=None, derandomize=True)
@given(setting)
def test_what_it_refuses_is_refused_at_run_time_as_no_surprise(value: Any) -> None:
    """The views count on ImproperlyConfigured, and answer 503."""
    with override_settings(JTI_REPLAY=value):
        for use in (lambda: replay_caches["default"], lambda: get_profile("default")):
            try:
                use()
            except ImproperlyConfigured:
                pass
