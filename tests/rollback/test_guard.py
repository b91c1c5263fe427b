"""What the decorator does about transactions, and what it does without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.dummy.base import DatabaseWrapper as DummyDatabaseWrapper
from django.http import HttpResponse
from django.test import Client
from django.utils.connection import ConnectionDoesNotExist

from jti_replay import release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.rollback.transactions import NO_DATABASE
from tests.models import Work
from tests.rollback.tokens import SECRET, bearer, new_token

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


class WorkFailed(Exception):
    pass


def store_and_fail(using: str, **options: Any) -> Callable[..., Any]:
    """Return a decorated view that stores some work and then fails."""

    @reserve_jti(using=using, **options)
    def view(request: Any) -> NoReturn:
        Work.objects.using(using).create(name="work")
        raise WorkFailed

    return view


def test_without_a_block_the_work_stays_and_the_token_is_used_up(
    using: str, serve: Callable[[Any], Client]
) -> None:
    client = serve(store_and_fail(using, atomic=False))
    headers = bearer(new_token())
    assert client.post("/", headers=headers).status_code == 500
    assert Work.objects.using(using).exists()
    assert client.post("/", headers=headers).status_code == 401


def test_without_a_block_of_its_own_it_still_binds_to_that_of_the_request(
    using: str, serve: Callable[[Any], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections[using].settings_dict, "ATOMIC_REQUESTS", True)
    client = serve(store_and_fail(using, atomic=False))
    headers = bearer(new_token())
    for _ in range(2):
        assert client.post("/", headers=headers).status_code == 500
        assert not Work.objects.using(using).exists()


def test_release_on_error_releases_where_no_transaction_tells(
    using: str, serve: Callable[[Any], Client]
) -> None:
    released = []

    @reserve_jti(using=using, atomic=False, release_on_error=True)
    def view(request: Any) -> NoReturn:
        released.append(request.jti_reservation)
        raise WorkFailed

    headers = bearer(new_token())
    for _ in range(2):
        assert isinstance(serve(view).post("/", headers=headers).exc_info[1], WorkFailed)
    assert len(released) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_release_on_error_is_about_exceptions_and_not_about_interrupts(
    error: Any, serve: Callable[[Any], Client], transactional_db: None
) -> None:
    @reserve_jti(atomic=False, release_on_error=True)
    def view(request: Any) -> NoReturn:
        raise error

    headers = bearer(new_token())
    with pytest.raises(error):
        serve(view).post("/", headers=headers)
    assert serve(view).post("/", headers=headers).status_code == 401


@pytest.mark.parametrize("release_on_error", [False, True])
def test_an_exception_that_is_caught_in_a_block_around(
    using: str, serve: Callable[[Any], Client], release_on_error: bool
) -> None:
    """The work stays with its token, or both go if an exception means that nothing was done."""
    guarded = store_and_fail(using, release_on_error=release_on_error)

    def view(request: Any) -> HttpResponse:
        with transaction.atomic(using):
            with pytest.raises(WorkFailed):
                guarded(request)
            return HttpResponse()

    headers = bearer(new_token())
    assert serve(view).post("/", headers=headers).status_code == 200
    assert Work.objects.using(using).exists() is not release_on_error
    assert guarded_status(serve, using, headers) == (200 if release_on_error else 401)


@pytest.mark.parametrize("release_on_error", [False, True])
def test_an_exception_under_a_block_of_a_middleware(
    using: str, serve: Callable[[Any], Client], settings: Any, release_on_error: bool
) -> None:
    """Django turns it into a response within the block, which commits if it is let."""
    settings.MIDDLEWARE = [f"{__name__}.in_block_of_{using}"]
    client = serve(store_and_fail(using, release_on_error=release_on_error))
    headers = bearer(new_token())
    assert client.post("/", headers=headers).status_code == 500
    assert Work.objects.using(using).exists() is not release_on_error
    assert guarded_status(serve, using, headers) == (200 if release_on_error else 401)


def _middleware(using: str) -> Callable[..., Any]:
    def in_block(get_response: Callable[..., Any]) -> Callable[..., Any]:
        def respond(request: Any) -> Any:
            with transaction.atomic(using):
                return get_response(request)

        return respond

    return in_block


in_block_of_default, in_block_of_memory, in_block_of_postgres = map(
    _middleware, ("default", "memory", "postgres")
)


def guarded_status(serve: Callable[[Any], Client], using: str, headers: dict[str, str]) -> int:
    """Return the answer to one more use of a token."""
    view = reserve_jti(using=using)(lambda request: HttpResponse())
    return serve(view).post("/", headers=headers).status_code


def test_the_view_may_release_the_token_itself(
    using: str, serve: Callable[[Any], Client]
) -> None:
    @reserve_jti(using=using)
    def view(request: Any) -> HttpResponse:
        return HttpResponse(str(request.jti_reservation.release()))

    headers = bearer(new_token())
    for _ in range(2):
        assert serve(view).post("/", headers=headers).content == b"True"


def test_a_bind_that_fails_releases_the_token_and_the_view_does_not_run(
    serve: Callable[[Any], Client], transactional_db: None
) -> None:
    @reserve_jti(using="nowhere", atomic=False)
    def view(request: Any) -> NoReturn:
        pytest.fail("the view must not run")

    headers = bearer(new_token())
    for _ in range(2):
        response = serve(view).post("/", headers=headers)
        assert response.status_code == 500
        assert isinstance(response.exc_info[1], ConnectionDoesNotExist)
        assert replay_cache.count() == 0


def test_the_block_is_open_before_the_jti_is_reserved(
    using: str, serve: Callable[[Any], Client]
) -> None:
    from jti_replay.signals import jti_reserved
    from tests.rollback.signals import connected

    open_blocks = []

    def receiver(**kwargs: Any) -> None:
        open_blocks.append(connections[using].in_atomic_block)

    with connected(jti_reserved, receiver):
        serve(store_and_fail(using)).post("/", headers=bearer(new_token()))
    assert open_blocks == [True]


def test_a_replay_and_a_bad_token_end_the_block_too(
    using: str, serve: Callable[[Any], Client]
) -> None:
    token = new_token()
    assert replay_cache.count() == 0
    for answer in (200, 401):
        assert guarded_status(serve, using, bearer(token)) == answer
        assert connections[using].get_autocommit()
    assert guarded_status(serve, using, bearer("bad")) == 401
    assert connections[using].get_autocommit()


@pytest.mark.parametrize("wrong", [None, "a jti", True])
def test_only_a_reservation_can_be_bound(wrong: Any, transactional_db: None) -> None:
    with pytest.raises(TypeError, match="must be a Reservation"), transaction.atomic():
        release_on_rollback(wrong)


def test_a_database_that_does_not_exist_cannot_be_bound_to(transactional_db: None) -> None:
    reservation = replay_cache.reserve("a")
    assert reservation
    with pytest.raises(ConnectionDoesNotExist):
        release_on_rollback(reservation, "nowhere")


def test_a_database_that_is_none_asks_for_no_block(
    serve: Callable[[Any], Client], transactional_db: None
) -> None:
    settings_dict = connections["default"].settings_dict | {"ENGINE": NO_DATABASE}
    connections["none"] = DummyDatabaseWrapper(settings_dict, "none")
    try:
        headers = bearer(new_token())
        assert [guarded_status(serve, "none", headers) for _ in range(2)] == [200, 401]
    finally:
        del connections["none"]


def test_without_its_profile_a_request_raises_and_reserves_nothing(
    serve: Callable[[Any], Client], transactional_db: None
) -> None:
    view = reserve_jti("absent")(lambda request: HttpResponse())
    response = serve(view).post("/", headers=bearer(new_token()))
    assert isinstance(response.exc_info[1], ImproperlyConfigured)
    assert replay_cache.count() == 0


WITHOUT_DATABASE = """
import sys
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={},
    INSTALLED_APPS=["jti_replay"],
    JTI_REPLAY={"PROFILES": {"default": {"KEY": sys.argv[1], "ALGORITHMS": ["HS256"]}}},
    ROOT_URLCONF=__name__,
)
django.setup()
from jti_replay import release_on_rollback, replay_cache
from jti_replay.decorators import reserve_jti

@reserve_jti
def view(request):
    if request.method == "POST":
        raise ValueError
    return HttpResponse()

@reserve_jti(release_on_error=True)
def releasing(request):
    return view.__wrapped__(request)

urlpatterns = [path("view", view), path("releasing", releasing)]
from django.test import Client
client, failing = (
    Client(raise_request_exception=False, headers={"Authorization": "Bearer " + token})
    for token in sys.argv[2:]
)
print([client.get("/view").status_code for _ in range(2)])
print([failing.post("/releasing").status_code for _ in range(2)])
print([failing.post("/view").status_code for _ in range(2)])
print(release_on_rollback(replay_cache.reserve("a")))
"""


def test_a_project_without_a_database_works_too() -> None:
    command = [
        *(sys.executable, "-W", "error", "-c"),
        *(WITHOUT_DATABASE, SECRET, new_token(), new_token()),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[200, 401]", "[500, 500]", "[500, 401]", "False"]


def test_a_block_of_others_decides_about_an_exception_that_became_an_answer(
    using: str, serve: Callable[[Any], Client]
) -> None:
    """As REST framework makes one. The work of the block may be committed."""

    class Failed(HttpResponse):
        exception = True

    @reserve_jti(using=using, atomic=False, release_on_error=True)
    def view(request: Any) -> HttpResponse:
        return Failed(status=500)

    with transaction.atomic(using):
        serve(view).post("/", headers=bearer(new_token()))
        assert replay_cache.count() == 1
    assert replay_cache.count() == 1


def test_a_commit_has_nothing_to_log(
    using: str, serve: Callable[[Any], Client], caplog: pytest.LogCaptureFixture
) -> None:
    assert guarded_status(serve, using, bearer(new_token())) == 200
    assert caplog.records == []
