"""What operators see and do in Django's admin."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import transaction

from jti_replay import replay_cache
from jti_replay.models import ReservedJTI
from jti_replay.signals import cache_failed, jti_released
from tests.backends.database.admin.site import LIST, key, order, sign_in
from tests.backends.database.conftest import UseCache
from tests.rollback.signals import connected

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_live_reservations_are_shown_and_others_not(location: str) -> None:
    assert replay_cache.reserve("live", namespace="https://issuer.example")
    assert replay_cache.reserve("expired", namespace="issuer of the past")
    ReservedJTI.objects.using(location).filter(namespace__contains="past").update(expires_at=1)
    page = sign_in("view").get(LIST)
    assert page.status_code == 200
    text = page.content.decode()
    assert key("live", "https://issuer.example")[:16] in text
    assert "https://issuer.example" in text
    assert "issuer of the past" not in text
    assert "1 reserved jti" in text


def test_one_reservation_is_shown_and_cannot_be_changed(location: str) -> None:
    assert replay_cache.reserve("a", namespace="issuer")
    client = sign_in("view", "change", "add")
    page = client.get(f"{LIST}{key('a')}/change/")
    assert page.status_code == 200
    assert b"issuer" in page.content
    assert b'name="_save"' not in page.content
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get(f"{LIST}{key('b')}/change/").status_code == 302
    assert client.get(f"{LIST}no-digest/change/").status_code == 302


def test_a_release_is_told_and_logged(location: str) -> None:
    reservations = [replay_cache.reserve(jti, namespace="issuer") for jti in "abc"]
    told: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        told.append((kwargs["alias"], kwargs["namespace"], kwargs["digest"]))

    with connected(jti_released, receiver):
        page = sign_in("view", "delete").post(LIST, order(key("a"), key("b")), follow=True)
    assert "Released 2 jtis." in page.content.decode()
    assert sorted(told) == sorted(
        ("default", "issuer", each.digest) for each in reservations[:2] if each
    )
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(
        [key("a"), key("b")]
    )
    assert replay_cache.reserve("a", namespace="issuer")
    assert replay_cache.reserve("c", namespace="issuer") is None


def test_a_release_is_asked_about_first(location: str) -> None:
    """The page says what will be released, and its form does it."""
    for jti in "ab":
        assert replay_cache.reserve(jti, namespace="issuer")
    client = sign_in("view", "delete")
    page = client.post(LIST, order(key("a"), confirmed=False))
    assert page.status_code == 200
    text = page.content.decode()
    assert key("a")[:16] in text
    assert key("b")[:16] not in text
    assert LogEntry.objects.count() == 0
    assert replay_cache.reserve("a", namespace="issuer") is None
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', text))
    assert client.post(LIST, fields).status_code == 302
    assert replay_cache.reserve("a", namespace="issuer")


def test_too_many_are_not_released_at_once(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django takes no form of a thousand fields, and no one reads such a page."""
    monkeypatch.setattr("jti_replay.admin.reserved_jti.MOST_AT_ONCE", 1)
    for jti in "ab":
        assert replay_cache.reserve(jti, namespace="issuer")
    client = sign_in("view", "delete")
    for confirmed in (True, False):
        form = order(key("a"), key("b"), confirmed=confirmed)
        page = client.post(LIST, form, follow=True)
        assert "Select at most 1 jtis." in page.content.decode()
    assert replay_cache.reserve("a", namespace="issuer") is None


LONGEST = "i" * 254


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("https://\u00fcber.example/\\n\n\0\udc80",) * 2,
        (LONGEST, LONGEST),
        (f"{LONGEST}i", None),
        ("\u00fc" * 100, None),
    ],
    ids=["escaped", "longest", "too long", "too long when escaped"],
)
def test_the_signal_has_the_true_namespace_or_none(
    location: str, namespace: str, expected: str | None
) -> None:
    """Never the escaped and cut text that the table shows."""
    assert replay_cache.reserve("a", namespace=namespace)
    told: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        told.append((kwargs["namespace"], kwargs["digest"]))

    with connected(jti_released, receiver):
        sign_in("view", "delete").post(LIST, order(key("a", namespace)))
    assert told == [(expected, key("a", namespace)[:16])]


def test_a_deletion_is_a_release_too(location: str) -> None:
    assert replay_cache.reserve("a", namespace="issuer")
    told: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["digest"])

    with connected(jti_released, receiver):
        page = sign_in("view", "delete").post(
            f"{LIST}{key('a')}/delete/", {"post": "yes"}, follow=True
        )
    assert page.status_code == 200
    assert told == [key("a")[:16]]
    assert replay_cache.reserve("a", namespace="issuer")


@pytest.mark.parametrize("permissions", [(), ("view",), ("view", "change", "add")])
def test_a_release_needs_the_permission_to_delete(
    location: str, permissions: tuple[str, ...]
) -> None:
    assert replay_cache.reserve("a", namespace="issuer")
    client = sign_in(*permissions)
    client.post(LIST, order(key("a")))
    client.post(f"{LIST}{key('a')}/delete/", {"post": "yes"})
    client.post(LIST, {"action": "delete_selected", "_selected_action": [key("a")]})
    assert replay_cache.reserve("a", namespace="issuer") is None
    assert b"Release" not in client.get(LIST).content
    assert client.get(LIST).status_code == (200 if permissions else 403)


def test_django_s_own_deletion_is_not_offered(location: str) -> None:
    assert replay_cache.reserve("a", namespace="issuer")
    page = sign_in("view", "delete").get(LIST)
    assert b"Release the selected jtis" in page.content
    assert b"delete_selected" not in page.content


@pytest.mark.parametrize("by", ["action", "deletion"])
def test_a_release_that_fails_is_shown(
    postgres: str, use_cache: UseCache, other_session: Any, by: str
) -> None:
    """With the reason, and without an entry in the log of the admin."""
    use_cache(postgres, timeout=0.2)
    assert replay_cache.reserve("a", namespace="issuer")
    client = sign_in("view", "delete")
    told: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs["digest"])

    with connected(cache_failed, receiver), transaction.atomic(postgres):
        other_session.set_autocommit(False)
        other_session.cursor().execute("SELECT 1 FROM jti_replay_reservedjti FOR UPDATE")
        if by == "action":
            page = client.post(LIST, order(key("a")))
        else:
            page = client.post(f"{LIST}{key('a')}/delete/", {"post": "yes"})
        other_session.rollback()
        transaction.set_rollback(True, using=postgres)
    assert page.status_code == 302
    shown = [str(message) for message in get_messages(page.wsgi_request)]
    assert len(shown) == 1
    assert "has not ended within 0.2 seconds" in shown[0]
    assert told == [key("a")[:16]]
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("value", [{}, {"CACHES": None}])
def test_without_such_a_cache_there_is_nothing_to_see(settings: Any, value: Any) -> None:
    settings.JTI_REPLAY = value
    client = sign_in("view", "delete")
    assert b"reservedjti" not in client.get("/admin/").content
    assert b"0 reserved jtis" in client.get(LIST).content


def test_the_index_names_it(location: str) -> None:
    assert b"reservedjti" in sign_in("view").get("/admin/").content


def test_the_app_works_without_the_admin() -> None:
    program = (
        "import django; from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['jti_replay']); django.setup();"
        "from django.core.management import call_command; call_command('check');"
        "import sys; sys.exit('django.contrib.admin' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
