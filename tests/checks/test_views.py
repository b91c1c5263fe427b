"""The checks of the views in the URLconf: do their profiles exist, and go together?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.http import HttpRequest, HttpResponse
from django.urls import clear_url_caches, include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from jti_replay.decorators import reserve_jti
from jti_replay.kinds import BaseKind
from tests.tokens.tokens import CACHES, PROFILE, SECRET

HUB = PROFILE | {"ISSUER": "https://hub.example"}
LAB = PROFILE | {"ISSUER": "https://lab.example"}


def redeem(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class Redeem(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


@pytest.fixture
def check(settings: Any) -> Iterator[Callable[..., list[CheckMessage]]]:
    """Give a function that serves a view and returns what our checks say."""
    urlconf = ModuleType("urls_of_test_views")
    sys.modules[urlconf.__name__] = urlconf

    def check(view: Any, **profiles: Any) -> list[CheckMessage]:
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles or {"hub": HUB}}
        inner: Any = ([path("", view), path("again", view)], "inner")
        urlconf.urlpatterns = [path("deep/", include(inner))]  # type: ignore[attr-defined]
        settings.ROOT_URLCONF = urlconf.__name__
        clear_url_caches()
        return [m for m in run_checks() if str(m.id).startswith("jti_replay")]

    yield check
    del sys.modules[urlconf.__name__]
    clear_url_caches()


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (reserve_jti("log-out")(redeem), "redeem"),
        (csrf_exempt(reserve_jti("log-out")(redeem)), "redeem"),
        (
            method_decorator(reserve_jti("log-out"), name="dispatch")(
                type("Whole", (Redeem,), {})
            ).as_view(),
            "Whole",
        ),
        (
            method_decorator(reserve_jti("log-out"), name="post")(
                type("Part", (Redeem,), {})
            ).as_view(),
            "Part",
        ),
        (reserve_jti("log-out")(Redeem.as_view()), "Redeem"),
    ],
)
def test_a_profile_that_is_not_there_is_named(
    check: Callable[..., list[CheckMessage]], view: Any, name: str
) -> None:
    """So is the view, once, however it is decorated and routed."""
    [message] = check(view)
    assert message.id == "jti_replay.E045"
    assert "'log-out'" in message.msg
    assert name in message.msg
    assert "'hub'" in (message.hint or "")


def test_profiles_that_do_not_go_together_are_named(
    check: Callable[..., list[CheckMessage]],
) -> None:
    """Their issuers must tell them apart."""
    view = reserve_jti(["hub", "lab"])(redeem)
    assert check(view, hub=HUB, lab=LAB) == []
    [message] = check(view, hub=HUB, lab=HUB)
    assert message.id == "jti_replay.E046"


def test_other_views_are_left_alone(
    check: Callable[..., list[CheckMessage]], settings: Any
) -> None:
    """So is a project without views, and one whose settings are refused already."""
    assert check(redeem) == []
    assert check(reserve_jti("hub")(redeem)) == []
    settings.JTI_REPLAY = {"PROFILES": 7}
    assert "jti_replay.E045" not in [m.id for m in run_checks()]
    settings.ROOT_URLCONF = None
    settings.JTI_REPLAY = {}
    assert [m for m in run_checks() if str(m.id).startswith("jti_replay")] == []


def test_what_is_no_pattern_is_left_to_django(settings: Any) -> None:
    """It has an error of its own for that."""
    settings.ROOT_URLCONF = ("redeem", path("", reserve_jti("log-out")(redeem)))
    clear_url_caches()
    assert {m.id for m in run_checks()} >= {"urls.E004", "jti_replay.E045"}


def test_an_unknown_kind_is_named(check: Callable[..., list[CheckMessage]]) -> None:
    """With the nearest one that there is."""
    for kind, hint in (
        ("bearr", "Did you mean 'bearer'?"),
        (7, "Use one of"),
        ("django.views.View", "jti_replay.kinds.BaseKind"),
        ("tests.tokens.broken_module.Kind", "Use one of"),
    ):
        [message] = check(redeem, hub=HUB | {"KIND": kind})
        assert message.id == "jti_replay.E047"
        assert hint in (message.hint or "")
    [message] = check(redeem, hub=HUB | {"OPTIONS": {"single_use_access_token": True}})
    assert message.id == "jti_replay.E002"


class Picky(BaseKind):
    required_settings = frozenset({"AUDIENCE"})
    unused_settings = frozenset({"ISSUER"})

    @classmethod
    def default_settings(cls, profile: str) -> dict[str, Any]:
        return {"ALGORITHMS": ["HS256"], "KEY": SECRET}


def test_what_a_kind_needs_and_does_not_use_is_named(
    check: Callable[..., list[CheckMessage]],
) -> None:
    """A kind may have defaults for the rest."""
    kind = {"KIND": f"{__name__}.Picky"}
    assert check(redeem, hub={**kind, "AUDIENCE": "https://site.example"}) == []
    messages = check(redeem, hub={**kind, "ISSUER": "https://hub.example"})
    assert [message.id for message in messages] == ["jti_replay.E048", "jti_replay.E049"]


@pytest.mark.parametrize(
    ("kind", "options", "id_"),
    [
        ("bearer", {"single_use_access_tokens": 1}, "jti_replay.E001"),
        ("client_assertion", {"string_audience": "yes"}, "jti_replay.E001"),
        ("security_event", {"lease": "long"}, "jti_replay.E001"),
        ("security_event", {"lease": -1}, "jti_replay.E007"),
        ("security_event", {"lease": 0}, "jti_replay.E014"),
        ("security_event", {"lease": 60}, None),
        ("link", {"parameter": 7}, "jti_replay.E014"),
        ("link", {"parameter": "a b"}, "jti_replay.E014"),
        ("link", {"parameter": "code"}, None),
    ],
)
def test_options_of_a_kind_are_judged(
    check: Callable[..., list[CheckMessage]], kind: str, options: Any, id_: str | None
) -> None:
    """By the kind itself."""
    profile = {} if kind == "link" else HUB
    messages = check(redeem, hub={**profile, "KIND": kind, "OPTIONS": options})
    assert [message.id for message in messages] == ([id_] if id_ else [])
