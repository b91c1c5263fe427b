"""The URI of a request, as servers and proxies hand it over, beside that of its proof."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory, override_settings

from jti_replay.kinds.dpop_target import names_target
from jti_replay.kinds.uris import normalized_origin, normalized_uri

SITE = "https://api.example.com"


def wsgi(path: str, **environ: Any) -> Any:
    """Return a request whose path a WSGI server has decoded."""
    return RequestFactory().get(path, **environ)


def asgi(path: str, raw: bytes | None = None, root_path: str = "") -> Any:
    """Return a request of an ASGI server."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": root_path,
        "query_string": b"",
        "headers": [(b"host", b"api.example.com")],
    }
    if raw is not None:
        scope["raw_path"] = raw
    return ASGIRequest(scope, BytesIO())


def is_named(path: str, request: Any) -> bool:
    return names_target(normalized_uri(f"{SITE}{path}"), request, [SITE])


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("HTTPS://API.Example.COM:443", f"{SITE}/"),
        ("https://api.example.com:", f"{SITE}/"),
        ("https://api.example.com:0443/", f"{SITE}/"),
        ("https://api.example.com?a=b", f"{SITE}/"),
        ("https://api.example.com/#a?b", f"{SITE}/"),
        ("http://api.example.com:80/", "http://api.example.com/"),
        ("http://api.example.com:443/", "http://api.example.com:443/"),
        ("https://%41pi.example.com/", f"{SITE}/"),
        ("https://[2001:DB8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        (f"{SITE}/%7Ea/%7e/%2f/%c3%bc", f"{SITE}/~a/~/%2F/%C3%BC"),
        (f"{SITE}/a/b/../../c/./d", f"{SITE}/c/d"),
        (f"{SITE}/a/b/..", f"{SITE}/a/"),
        (f"{SITE}/a/.", f"{SITE}/a/"),
        (f"{SITE}/../../a", f"{SITE}/a"),
        (f"{SITE}/a//../b", f"{SITE}/a/b"),
        (f"{SITE}//a//b/", f"{SITE}//a//b/"),
        (f"{SITE}/%2e%2E/a/...", f"{SITE}/a/..."),
        (f"{SITE}/a;b=c@d:e!$&'()*+,=", f"{SITE}/a;b=c@d:e!$&'()*+,="),
    ],
)
def test_d10_a_uri_has_a_normal_form(uri: str, normal: str) -> None:
    """RFC 3986 6.2.2 and 6.2.3. It is its own normal form."""
    assert normalized_uri(uri) == normal
    assert normalized_uri(normal) == normal


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/a",
        "//api.example.com/a",
        "api.example.com/a",
        "ftp://api.example.com/a",
        "https:/api.example.com/a",
        "https:///a",
        "https://:443/a",
        "https://me@api.example.com/",
        "https://api.example.com:x/",
        "https://api.example.com:123456/",
        "https://[::1/",
        "https://::1/",
        f"{SITE}/%",
        f"{SITE}/%4",
        f"{SITE}/%4g",
        f"{SITE}/a b",
        f"{SITE}/a\n",
        f"\t{SITE}/a",
        f"{SITE}/\\a",
        f"{SITE}/ü",
        f"{SITE}/<a>",
    ],
)
def test_d9_what_is_no_whole_uri_is_refused(uri: str) -> None:
    """Readers that strip or repair it would see another one."""
    with pytest.raises(ValueError, match=r"^(It|A percent)"):
        normalized_uri(uri)


@pytest.mark.parametrize("text", [SITE, "HTTPS://api.example.com:443", "http://[::1]:8000"])
def test_an_origin_is_a_scheme_and_host(text: str) -> None:
    """RFC 6454 4, brought into one form as well."""
    assert normalized_uri(f"{text}/a") == f"{normalized_origin(text)}/a"
    for rest in ("/", "/a", "?a", "#a"):
        with pytest.raises(ValueError, match="no scheme and host"):
            normalized_origin(f"{text}{rest}")


RAW = {
    "asgi": lambda raw: asgi("/decoded", raw.encode()),
    "gunicorn": lambda raw: wsgi("/decoded", RAW_URI=f"{raw}?query"),
    "uwsgi": lambda raw: wsgi("/decoded", REQUEST_URI=f"{raw}?query"),
    "absolute-form": lambda raw: wsgi("/decoded", RAW_URI=f"http://other.example{raw}?query"),
}


@pytest.mark.parametrize("make", RAW.values(), ids=RAW)
def test_the_path_is_as_it_was_sent_if_the_server_tells(make: Any) -> None:
    """What Django has decoded cannot be told apart any more."""
    request = make("/a%2Fb%20c/%7Ed/./e")
    assert is_named("/a%2fb%20c/~d/e", request)
    assert not is_named("/a/b%20c/~d/e", request)
    assert not is_named("/decoded", request)
    assert is_named("/%C3%BC%3C", make("/%c3%bc<"))
    assert not is_named("/a", make("/a%4"))


def test_a_request_line_may_have_no_path() -> None:
    """To a proxy, it may be a whole URI without one."""
    assert is_named("/", wsgi("/decoded", RAW_URI="http://other.example?query"))


@pytest.mark.parametrize(
    "request_",
    [wsgi("/a b/c/ü"), asgi("/a b/c/ü")],
    ids=["wsgi", "asgi"],
)
def test_a_decoded_path_is_compared_decoded(request_: Any) -> None:
    """Of servers that do not tell the path as it was sent, such as Django's own."""
    assert is_named("/a%20b/c/%C3%BC", request_)
    assert is_named("/a%20b%2Fc/%C3%BC", request_)
    assert not is_named("/a%20b/C/%C3%BC", request_)


@override_settings(FORCE_SCRIPT_NAME="/api v1")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: asgi("/things", b"/things"), id="asgi-stripped"),
        pytest.param(lambda: asgi("/things"), id="asgi-stripped-decoded"),
        pytest.param(lambda: asgi("/api v1/things", b"/api%20v1/things"), id="asgi-whole"),
        pytest.param(lambda: wsgi("/things", RAW_URI="/things"), id="gunicorn-stripped"),
        pytest.param(lambda: wsgi("/things"), id="wsgi-stripped-decoded"),
        pytest.param(
            lambda: wsgi("/things", SCRIPT_NAME="/api v1", REQUEST_URI="/api%20v1/things?a"),
            id="mod-wsgi-whole",
        ),
    ],
)
def test_a_prefix_that_a_proxy_took_is_put_back(make: Any) -> None:
    """FORCE_SCRIPT_NAME says so; some servers hand the whole path over all the same."""
    assert is_named("/api%20v1/things", make())
    assert not is_named("/things", make())
    assert not is_named("/api%20v1/api%20v1/things", make())


def test_a_prefix_of_the_server_counts() -> None:
    """ASGI's root_path, where the path has it."""
    assert is_named("/api/things", asgi("/api/things", b"/api/things", root_path="/api"))


def test_without_an_origin_it_is_that_of_the_request(settings: Any) -> None:
    """As Django tells it, so behind a proxy by its settings."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.USE_X_FORWARDED_HOST = True
    plain = wsgi("/a", HTTP_HOST="api.example.com:8000")
    assert names_target("http://api.example.com:8000/a", plain, [])
    assert not names_target("https://api.example.com:8000/a", plain, [])
    proxied = wsgi(
        "/a",
        HTTP_HOST="inner:8000",
        HTTP_X_FORWARDED_PROTO="https",
        HTTP_X_FORWARDED_HOST="API.example.com",
    )
    assert names_target(f"{SITE}/a", proxied, [])
    assert not names_target("http://inner:8000/a", proxied, [])


def test_a_host_that_django_does_not_allow_is_refused(settings: Any) -> None:
    """By Django, with 400: nothing is known of such a request."""
    settings.ALLOWED_HOSTS = ["api.example.com"]
    with pytest.raises(DisallowedHost):
        names_target("http://other.example/a", wsgi("/a", HTTP_HOST="other.example"), [])


def test_several_origins_can_be_named() -> None:
    """And no other one, whatever the request says."""
    request = wsgi("/a", HTTP_HOST="third.example")
    origins = ["https://one.example", "https://two.example:8443"]
    for origin in origins:
        assert names_target(f"{origin}/a", request, origins)
    assert not names_target("http://third.example/a", request, origins)
