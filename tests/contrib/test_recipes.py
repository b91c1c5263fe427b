"""The recipes of docs/how-to/recipes.md: Celery by its in-memory broker, others by hand."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from celery._state import _set_current_app, set_default_app
from celery.contrib.testing.worker import start_worker
from django.core.exceptions import SuspiciousOperation
from django.db import connections, transaction

import jti_replay
from jti_replay import TokenInvalid, replay_cache
from tests.docs.pages import all_blocks
from tests.models import Work
from tests.tokens.tokens import CACHES, PROFILE, signed

PAGE = "docs/how-to/recipes.md"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": PROFILE}}


def block(beginning: str) -> str:
    """Return the block of the page that begins so."""
    [code] = [one.code for one in all_blocks(PAGE) if one.code.startswith(beginning)]
    return code


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of tasks of the page, and a worker that waits for them."""
    (tmp_path / "recipe_tasks.py").write_text(block("# shop/tasks.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    app = celery.Celery(
        "shop", broker="memory://", backend="cache+memory://", set_as_current=False
    )
    # The handlers of the tests stay.
    app.conf.update(worker_hijack_root_logger=False, worker_redirect_stdouts=False)
    app.set_default()
    module = importlib.import_module("recipe_tasks")
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield module
    app.close()
    # Or tasks of later tests would be looked for in it.
    set_default_app(None)
    _set_current_app(None)
    del sys.modules["recipe_tasks"]


def result_of(sent: Any) -> Any:
    return sent.get(timeout=30, disable_sync_subtasks=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_celery_task_uses_its_token_up_once(
    tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is sent again with the same token, and does its work then."""

    class Claims(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "sub" and failures:
                raise OSError(failures.pop())
            return super().__getitem__(name)

    @contextmanager
    def closing() -> Iterator[None]:
        with transaction.atomic():
            yield
        connections.close_all()  # As Celery does for Django between tasks.

    failures = ["The bank is closed."]
    monkeypatch.setattr(tasks, "transaction", SimpleNamespace(atomic=closing))
    verify = tasks.verify_token
    monkeypatch.setattr(tasks, "verify_token", lambda token: Claims(verify(token)))
    token = signed(sub="ann")
    with pytest.raises(OSError, match="bank"):
        result_of(tasks.settle.delay(token, 5))
    assert replay_cache.count() == 0
    assert result_of(tasks.settle.delay(token, 5)) == "ann pays 5"
    assert result_of(tasks.settle.delay(token, 5)) == "replayed"
    with pytest.raises(TokenInvalid):
        result_of(tasks.settle.delay("no.jwt", 5))


def names_of(code: str, **names: Any) -> dict[str, Any]:
    """Run a recipe whose package is not installed, with stand-ins for its names."""
    known: dict[str, Any] = {**vars(jti_replay), "LEEWAY": 30, "transaction": transaction}
    known |= names
    exec(textwrap.dedent(code), known)
    return known


async def test_a_websocket_is_accepted_once() -> None:
    """The consumer of the page closes the second one."""

    class Consumer:
        async def accept(self) -> None:
            said.append("accepted")

        async def close(self, code: int) -> None:
            said.append(str(code))

    said: list[str] = []
    recipe = names_of(block("class Deployments"), AsyncJsonWebsocketConsumer=Consumer)
    consumer = recipe["Deployments"]()
    consumer.scope = {"headers": [(b"authorization", f"Bearer {signed()}".encode())]}
    await consumer.connect()
    await consumer.connect()
    consumer.scope = {"headers": []}
    await consumer.connect()
    assert said == ["accepted", "4401", "4401"]


class Aborted(Exception):
    pass


def test_a_grpc_call_is_answered_once() -> None:
    """A failure of the service gives the jti back."""

    class Context:
        def __init__(self, token: str) -> None:
            self._token = token

        def invocation_metadata(self) -> Any:
            return [("authorization", f"Bearer {self._token}")]

        def abort(self, code: str, text: str) -> None:
            raise Aborted(code)

    def deploy(claims: Any) -> str:
        Work.objects.create(name=claims["jti"])
        if failures:
            raise failures.pop()
        return "deployed"

    failures: list[Exception] = [ValueError()]
    codes = SimpleNamespace(UNAUTHENTICATED="unauthenticated", UNAVAILABLE="unavailable")
    call: Callable[..., Any] = names_of(
        block("def Deploy"), grpc=SimpleNamespace(StatusCode=codes)
    )["Deploy"]
    service, context = SimpleNamespace(deploy=deploy), Context(signed())
    with pytest.raises(ValueError):  # noqa: PT011
        call(service, None, context)
    assert call(service, None, context) == "deployed"
    with pytest.raises(Aborted, match="unauthenticated"):
        call(service, None, context)
    with pytest.raises(Aborted, match="unauthenticated"):
        call(service, None, Context("no.jwt"))
    assert Work.objects.count() == 1


def test_an_id_token_logs_in_once() -> None:
    """The backend of the page raises where the jti has been seen."""

    class OIDCAuthenticationBackend:
        def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
            return jti_replay.verify_token(token)

    names = {
        "OIDCAuthenticationBackend": OIDCAuthenticationBackend,
        "SuspiciousOperation": SuspiciousOperation,
    }
    backend, token = names_of(block("class Backend"), **names)["Backend"](), signed()
    assert backend.verify_token(token, nonce="n")["jti"]
    with pytest.raises(SuspiciousOperation):
        backend.verify_token(token, nonce="n")
