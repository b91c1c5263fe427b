"""How published keys are fetched: headers, TLS, names and proxies."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import jti_replay
from jti_replay.tokens import deadlines
from jti_replay.tokens.deadlines import Deadline, connect
from tests.backends.redis.certificates import write_certificates
from tests.servers import free_port
from tests.stopwatch import takes_at_most
from tests.tokens.answers import (
    assert_inside,
    assert_unavailable,
)
from tests.tokens.clock import Clock
from tests.tokens.doors import knock as sync_knock
from tests.tokens.issuer import Issuer
from tests.tokens.keypairs import KeyPair

from .conftest import (
    error_in,
    fetching,
)

Knock = Callable[..., Any]
Configure = Callable[..., None]


def test_a_fetch_names_itself(knock: Knock, issuer: Issuer, first: KeyPair) -> None:
    """Firewalls refuse the name of urllib."""
    assert_inside(knock(first.sign()))
    [(_, headers)] = issuer.seen
    assert headers["User-Agent"] == f"django-jti-replay/{jti_replay.__version__}"
    assert "application/jwk-set+json" in headers["Accept"]


def test_headers_are_sent(
    knock: Knock, options: Configure, issuer: Issuer, first: KeyPair
) -> None:
    """One of its own replaces ours."""
    options(headers={"Authorization": "Bearer key", "user-agent": "curl"})
    assert_inside(knock(first.sign()))
    [(_, headers)] = issuer.seen
    assert (headers["Authorization"], headers["User-Agent"]) == ("Bearer key", "curl")


count = 0


def counted_headers() -> dict[str, str]:
    global count
    count += 1
    return {"X-Count": str(count)}


@pytest.mark.parametrize("function", [counted_headers, f"{__name__}.counted_headers"])
def test_a_function_is_asked_for_headers_at_each_fetch(
    knock: Knock,
    options: Configure,
    issuer: Issuer,
    first: KeyPair,
    clock: Clock,
    function: Any,
) -> None:
    """A token of a service account is a file that changes."""
    options(headers=function)
    for _ in range(2):
        assert_inside(knock(first.sign()))
        clock.pass_by(301)
    first_count, second_count = (int(headers["X-Count"]) for _, headers in issuer.seen)
    assert second_count == first_count + 1


def failing_headers() -> dict[str, str]:
    raise OSError("no such file")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (failing_headers, "OSError: no such file"),
        (lambda: None, ""),
        (lambda: "text", "are no dict but of type str"),
        (lambda: {"Authorization": b"Bearer hidden"}, "are no dict of str"),
        (lambda: {b"Authorization": "Bearer hidden"}, "are no dict of str"),
        (lambda: {"Authorization": "Bearer hidden\n"}, "cannot be sent: 'Authorization'"),
        (lambda: {"": "hidden"}, "cannot be sent: ''"),
    ],
)
def test_headers_that_cannot_be_had_are_answered_503(
    knock: Knock,
    options: Configure,
    issuer: Issuer,
    first: KeyPair,
    caplog: pytest.LogCaptureFixture,
    function: Any,
    says: str,
) -> None:
    """Their values are not logged."""
    options(headers=function)
    response = knock(first.sign())
    if not says:
        assert_inside(response)  # None is no header.
        return
    assert_unavailable(response)
    assert says in error_in(caplog)
    assert "hidden" not in caplog.text
    assert issuer.fetches == 0


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.fixture
def encrypted(certificates: Path, first: KeyPair) -> Iterator[Issuer]:
    with Issuer(certificates) as issuer:
        issuer.keys = [first.jwk()]
        yield issuer


def test_an_authority_of_ones_own_is_trusted(
    knock: Knock, options: Configure, encrypted: Issuer, first: KeyPair, certificates: Path
) -> None:
    options(encrypted.url, cafile=str(certificates / "ca.pem"))
    assert_inside(knock(first.sign()))


def test_another_authority_is_not_trusted(
    knock: Knock,
    options: Configure,
    encrypted: Issuer,
    first: KeyPair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options(encrypted.url)
    assert_unavailable(knock(first.sign()))
    assert "CERTIFICATE_VERIFY_FAILED" in error_in(caplog)
    assert encrypted.fetches == 0


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_slow_answer_over_tls_is_given_up(
    options: Configure, encrypted: Issuer, first: KeyPair, certificates: Path, answer: str
) -> None:
    options(encrypted.url, cafile=str(certificates / "ca.pem"), timeout=0.5)
    encrypted.answer = getattr(encrypted, answer)
    with takes_at_most(0.7, at_least=0.4):
        assert_unavailable(sync_knock(first.sign()))
    for thread in fetching():
        thread.join(5)
    assert not fetching()


def test_a_server_that_shakes_no_hands_is_given_up(
    options: Configure, first: KeyPair, certificates: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        options(url, cafile=str(certificates / "ca.pem"), timeout=0.5)
        with takes_at_most(0.7, at_least=0.4):
            assert_unavailable(sync_knock(first.sign()))


def test_a_handshake_has_all_the_time_that_is_left(
    options: Configure,
    encrypted: Issuer,
    first: KeyPair,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the time to connect is shared among addresses."""
    look_up, process = socket.getaddrinfo, encrypted.server.process_request

    def process_late(*args: Any) -> None:
        time.sleep(2.5)
        process(*args)

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: look_up(*args, **kw) * 4)
    monkeypatch.setattr(encrypted.server, "process_request", process_late)
    options(encrypted.url, cafile=str(certificates / "ca.pem"), timeout=8)
    assert_inside(sync_knock(first.sign()))


def test_an_endless_name_lookup_holds_no_request(
    options: Configure, first: KeyPair, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup cannot be interrupted: there is at most one, in a thread of its own."""
    found = threading.Event()

    def look_up(*args: Any, **kwargs: Any) -> Any:
        found.wait(10)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    options("https://keys.example/jwks", timeout=0.3)
    with takes_at_most(0.6):
        assert_unavailable(sync_knock(first.sign()))
    clock.pass_by(60)
    with takes_at_most(0.3):
        for _ in range(3):
            assert_unavailable(sync_knock(first.sign()))
    [thread] = fetching()
    found.set()
    thread.join(5)
    assert not thread.is_alive()


def test_an_address_that_is_dead_leaves_time_for_the_next(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two addresses each gets half of the time."""
    real = socket.getaddrinfo("127.0.0.1", issuer.port, type=socket.SOCK_STREAM)
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    queued = socket.create_connection(full.getsockname())
    dead = socket.getaddrinfo(*full.getsockname(), type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: dead + real)
    with full, queued, connect(Deadline(2), ("keys.example", 443)) as connected:
        assert connected.getpeername() == ("127.0.0.1", issuer.port)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [])
    with pytest.raises(OSError, match="no address"):
        connect(Deadline(2), ("keys.example", 443))


def test_the_last_address_gets_all_the_time_that_is_left(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo("127.0.0.1", issuer.port, type=socket.SOCK_STREAM)
    closed = socket.getaddrinfo("127.0.0.1", free_port(), type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: closed + real)
    with connect(Deadline(900), ("keys.example", 443)) as connected:
        assert connected.gettimeout() == pytest.approx(900, abs=100)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: closed)
    with pytest.raises(ConnectionRefusedError):
        connect(Deadline(900), ("keys.example", 443))


def test_a_deadline_is_over_when_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket would take no time at all for one that does not block."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1000.0)
    monkeypatch.setattr(deadlines, "time", clock)
    deadline = Deadline(5)
    clock.now = 1004.5
    assert deadline.left() == 0.5
    for clock.now in (1005.0, 1005.5):
        with pytest.raises(TimeoutError):
            deadline.left()


def test_a_proxy_of_the_environment_is_used(
    knock: Knock,
    options: Configure,
    issuer: Issuer,
    first: KeyPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But not to reach this machine."""
    monkeypatch.setenv("http_proxy", issuer.origin)
    monkeypatch.setenv("no_proxy", "")
    options("http://keys.example/jwks", allow_http=True)
    assert_inside(knock(first.sign()))
    assert issuer.seen[0][0] == "http://keys.example/jwks"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    options()
    assert_inside(knock(first.sign()))


def test_http_client_lets_its_socket_be_made_by_others() -> None:
    """The one private name of the standard library that is used."""
    assert http.client.HTTPConnection("x")._create_connection is socket.create_connection
