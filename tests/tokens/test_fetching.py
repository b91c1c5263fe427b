"""How published keys are fetched: over real HTTP and TLS, from servers of all kinds."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import jti_replay
from jti_replay.tokens import ages, fetch
from jti_replay.tokens.deadlines import Deadline, connect
from jti_replay.tokens.jwks import Held, RemoteKeys
from jti_replay.tokens.jwks_options import JwksOptions
from jti_replay.tokens.key_set import KeySet
from jti_replay.tokens.locations import JwksUrl
from jti_replay.tokens.parsing import read_unverified
from tests.backends.redis.certificates import write_certificates
from tests.stopwatch import takes_at_most

from .answers import assert_inside, assert_invalid, assert_unavailable
from .clock import Clock
from .doors import knock as sync_knock
from .issuer import Issuer, respond
from .keypairs import KeyPair, keypair

Knock = Callable[..., Any]
Publish = Callable[..., None]


@pytest.fixture
def first() -> KeyPair:
    return keypair("ES256", "first")


@pytest.fixture
def options(configure: Publish, issuer: Issuer) -> Publish:
    """Give a function that sets JWKS_OPTIONS of the profile."""

    def options(url: str | None = None, **options: Any) -> None:
        configure(
            KEY=None,
            JWKS_URL=url or issuer.url,
            ALGORITHMS=["ES256"],
            JWKS_OPTIONS=options or None,
        )

    return options


@pytest.fixture(autouse=True)
def _profile(options: Publish, issuer: Issuer, first: KeyPair) -> None:
    issuer.keys = [first.jwk()]
    options()


def error_in(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(r.getMessage() for r in caplog.records if r.levelname == "ERROR")


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "jti_replay.jwks"]


# Headers.


def test_a_fetch_names_itself(knock: Knock, issuer: Issuer, first: KeyPair) -> None:
    """Firewalls refuse the name of urllib."""
    assert_inside(knock(first.sign()))
    [(_, headers)] = issuer.seen
    assert headers["User-Agent"] == f"django-jti-replay/{jti_replay.__version__}"
    assert "application/jwk-set+json" in headers["Accept"]


def test_headers_are_sent(
    knock: Knock, options: Publish, issuer: Issuer, first: KeyPair
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
    knock: Knock, options: Publish, issuer: Issuer, first: KeyPair, clock: Clock, function: Any
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
        (lambda: {"Authorization": "Bearer hidden\n"}, "cannot be sent: 'Authorization'"),
        (lambda: {"": "hidden"}, "cannot be sent: ''"),
    ],
)
def test_headers_that_cannot_be_had_are_the_trouble_of_the_server(
    knock: Knock,
    options: Publish,
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
    knock: Knock, options: Publish, encrypted: Issuer, first: KeyPair, certificates: Path
) -> None:
    options(encrypted.url, cafile=str(certificates / "ca.pem"))
    assert_inside(knock(first.sign()))


def test_another_authority_is_not_trusted(
    knock: Knock,
    options: Publish,
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
    options: Publish, encrypted: Issuer, first: KeyPair, certificates: Path, answer: str
) -> None:
    options(encrypted.url, cafile=str(certificates / "ca.pem"), timeout=0.5)
    encrypted.answer = getattr(encrypted, answer)
    with takes_at_most(0.7, at_least=0.4):
        assert_unavailable(sync_knock(first.sign()))
    for thread in fetching():
        thread.join(5)
    assert not fetching()


def test_a_server_that_shakes_no_hands_is_given_up(
    options: Publish, first: KeyPair, certificates: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        options(url, cafile=str(certificates / "ca.pem"), timeout=0.5)
        with takes_at_most(0.7, at_least=0.4):
            assert_unavailable(sync_knock(first.sign()))


# Answers.


def compressed(body: bytes, encoding: str = "gzip") -> Callable[..., None]:
    return lambda handler: respond(handler, 200, body, **{"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_an_answer_that_is_compressed_unasked_is_read(
    knock: Knock, issuer: Issuer, first: KeyPair, encoding: str
) -> None:
    body = gzip.compress(json.dumps({"keys": issuer.keys}).encode())
    issuer.answer = compressed(body, encoding)
    assert_inside(knock(first.sign()))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (compressed(gzip.compress(b" " * 10_000_000)), "longer than 1048576 bytes"),
        (compressed(b"no gzip"), "error"),
        (compressed(b"", "br"), "'br'"),
        (lambda handler: respond(handler, 200, b" " * (fetch.LIMIT + 1)), "longer than"),
        (lambda handler: respond(handler, 404, b""), "status 404"),
        (lambda handler: respond(handler, 301, b"", Location="/"), "Redirects are not"),
        (lambda handler: handler.wfile.write(b"no HTTP\r\n\r\n"), "BadStatusLine"),
        (lambda handler: respond(handler, 200, b"{"), "no JSON"),
        (lambda handler: respond(handler, 200, b"[" * 100_000), "no JSON"),
    ],
)
def test_what_is_wrong_with_an_answer_is_logged(
    knock: Knock,
    issuer: Issuer,
    first: KeyPair,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    says: str,
) -> None:
    issuer.answer = answer
    assert_unavailable(knock(first.sign()))
    assert says in error_in(caplog)


def test_an_answer_of_just_the_limit_is_read(
    knock: Knock, issuer: Issuer, first: KeyPair
) -> None:
    body = json.dumps({"keys": issuer.keys}).encode().ljust(fetch.LIMIT)
    issuer.answer = lambda handler: respond(handler, 200, body)
    assert_inside(knock(first.sign()))


def test_an_endless_answer_is_cut_off(
    knock: Knock, issuer: Issuer, first: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    """After a mebibyte, long before the timeout."""
    cut_off = threading.Event()

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not issuer.closing.is_set():
                handler.wfile.write(b" " * 65536)
        except OSError:
            cut_off.set()

    issuer.answer = pour
    assert_unavailable(knock(first.sign()))
    assert cut_off.wait(5)
    assert "longer than" in error_in(caplog)


# Names and proxies.


def test_a_name_that_is_looked_up_for_ever_holds_nobody(
    options: Publish, first: KeyPair, clock: Clock, monkeypatch: pytest.MonkeyPatch
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


def test_a_proxy_of_the_environment_is_used(
    knock: Knock,
    options: Publish,
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


# Ages.


@pytest.mark.parametrize("ahead", ["monotonic_ahead", "wall_ahead"])
def test_the_older_age_of_two_clocks_counts(
    knock: Knock, issuer: Issuer, first: KeyPair, clock: Clock, ahead: str
) -> None:
    """A suspended machine's monotonic clock stands still."""
    assert_inside(knock(first.sign()))
    issuer.keys = [keypair("ES256", "second").jwk()]
    setattr(clock, ahead, 301)
    assert_invalid(knock(first.sign()))


def test_a_clock_that_is_set_back_makes_no_key_younger(clock: Clock) -> None:
    moment = ages.Moment.now()
    clock.pass_by(100)
    clock.wall_ahead -= 1_000
    assert moment.age == pytest.approx(100, abs=5)
    assert ages.LONG_AGO.age == float("inf")


def test_lifespan_is_for_how_long_keys_are_trusted(
    knock: Knock, options: Publish, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    options(lifespan=10)
    assert_inside(knock(first.sign()))
    issuer.go_down()
    clock.pass_by(9)
    assert_inside(knock(first.sign()))
    clock.pass_by(2)
    assert_unavailable(knock(first.sign()))


def test_stale_keys_serve_while_fetches_fail(
    knock: Knock,
    options: Publish,
    issuer: Issuer,
    first: KeyPair,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For max_stale after the lifespan, and not longer. The log says so."""
    options(lifespan=10, max_stale=20)
    assert_inside(knock(first.sign()))
    issuer.go_down()
    for _ in range(2):
        clock.pass_by(14)
        assert_inside(knock(first.sign()))
        for thread in fetching():
            thread.join(5)
    assert caplog.text.count("The keys in hand go on.") == 2
    clock.pass_by(3)
    assert_unavailable(knock(first.sign()))
    issuer.come_up()
    clock.pass_by(1)
    assert_inside(knock(first.sign()))


def test_stale_keys_hold_nobody_up(
    knock: Knock, options: Publish, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """The fetch runs behind, and a key that it brings not is refused."""
    options(lifespan=10, max_stale=20, timeout=3)
    assert_inside(knock(first.sign()))
    release = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer, issuer.keys = slowly, [keypair("ES256", "second").jwk()]
    clock.pass_by(15)
    with takes_at_most(1):
        for _ in range(3):
            assert_inside(knock(first.sign()))
    release.set()
    for thread in fetching():
        thread.join(5)
    assert_invalid(knock(first.sign()))


# Tokens whose key is made up.


def test_made_up_kids_hold_up_nobody_while_the_issuer_hangs(
    options: Publish, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """One fetch per cool-down: the first waits, the next ones do not, even as it fails."""
    options(timeout=0.5)
    assert_inside(sync_knock(first.sign()))
    issuer.answer = issuer.hang
    with takes_at_most(3):  # 20 waits would take 10 s.
        for number in range(20):
            assert_unavailable(sync_knock(first.sign(header={"kid": f"made up {number}"})))
            assert_inside(sync_knock(first.sign()))
            clock.pass_by(1)
    assert issuer.fetches == 2
    clock.pass_by(11)
    assert_unavailable(sync_knock(first.sign(header={"kid": "one more"})))
    assert issuer.fetches == 3


def test_a_fetch_that_takes_long_is_not_waited_for_by_all(
    options: Publish, issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    """While keys are in hand, others join it in its first second alone."""
    options(timeout=2)
    assert_inside(sync_knock(first.sign()))
    issuer.answer = issuer.hang
    beginner = threading.Thread(target=sync_knock, args=[first.sign(header={"kid": "a"})])
    beginner.start()
    while issuer.fetches < 2:
        issuer.asked.wait(0.01)
    clock.pass_by(1.1)
    with takes_at_most(0.5):
        assert_unavailable(sync_knock(first.sign(header={"kid": "b"})))
    beginner.join(5)


def test_a_rotated_key_is_found_by_all_who_name_it_at_once(
    issuer: Issuer, first: KeyPair
) -> None:
    """One fetch, which the others join."""
    assert_inside(sync_knock(first.sign()))
    second, release = keypair("ES256", "second"), threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)
        issuer.publish(handler)

    issuer.answer, issuer.keys = slowly, [second.jwk()]
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(sync_knock, second.sign()) for _ in range(5)]
        while issuer.fetches < 2:
            issuer.asked.wait(0.01)
        release.set()
        for response in waiting:
            assert_inside(response.result())
    assert issuer.fetches == 2


def test_a_thousand_unknown_kids_cause_one_fetch(
    issuer: Issuer, first: KeyPair, clock: Clock
) -> None:
    assert_inside(sync_knock(first.sign()))
    with takes_at_most(20):
        for number in range(1_000):
            assert_invalid(sync_knock(first.sign(header={"kid": str(number)})))
    assert issuer.fetches == 2


def test_a_fetch_that_ends_at_this_moment_is_not_repeated(
    issuer: Issuer, first: KeyPair
) -> None:
    """Between a look at the keys in hand and the decision to fetch others."""
    options = JwksOptions()
    remote = RemoteKeys(JwksUrl(issuer.url, options), options)

    class Ending:
        def __enter__(self) -> None:
            remote._held = Held(KeySet([first.jwk()]), ages.Moment.now())

        def __exit__(self, *args: object) -> None:
            pass

    remote._lock = Ending()  # type: ignore[assignment]
    assert remote.get(read_unverified(first.sign()))
    assert issuer.fetches == 0


def test_a_thread_that_cannot_start_is_the_trouble_of_the_server(
    knock: Knock, first: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr("jti_replay.tokens.jwks.threading.Thread.start", fail)
        assert_unavailable(sync_knock(first.sign()))
    assert_inside(knock(first.sign()))
