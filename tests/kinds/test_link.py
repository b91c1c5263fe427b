"""One-time links: made, followed, used once, and refused with a page."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import NoReverseMatch, clear_url_caches, path

from jti_replay import replay_cache
from jti_replay.decorators import reserve_jti
from jti_replay.links import make_link, make_token
from tests.models import Work
from tests.tokens.tokens import CACHES, SECRET

REASON = re.compile(r"<h1>(.*?)</h1>")


class Page:
    """The view that a link leads to, sync or async, and what it was given."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answer: Callable[[Any], HttpResponse] = lambda request: HttpResponse("page")

    def view(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self.requests.append(request)
        return self.answer(request)


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    def configure(**changes: Any) -> None:
        profiles = {"invite": {"KIND": "link"} | changes, "other": {"KIND": "link"}}
        settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": profiles}

    configure()
    return configure


@pytest.fixture(params=["sync", "async"])
def page(
    request: pytest.FixtureRequest, settings: Any, configure: Callable[..., None]
) -> Iterator[Page]:
    page = Page()

    def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return page.view(request, **kwargs)

    async def aview(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return page.view(request, **kwargs)

    guarded = reserve_jti("invite", atomic=False)(view if request.param == "sync" else aview)
    urlconf: Any = ModuleType("urls_of_test_link")
    sys.modules[urlconf.__name__] = urlconf
    urlconf.urlpatterns = [
        path("redeem", guarded, name="redeem"),
        path("redeem/<str:token>/", guarded, name="redeem-by-path"),
        path("team/<int:team>/", guarded, name="join"),
    ]
    settings.ROOT_URLCONF = urlconf.__name__
    clear_url_caches()
    yield page
    del sys.modules[urlconf.__name__]
    clear_url_caches()


def refused(response: Any, status: int, reason: str) -> bool:
    """Return whether an answer is the page of a reason."""
    titles = {
        "missing": "The link is incomplete",
        "invalid": "The link is not valid",
        "expired": "The link has expired",
        "used": "The link has been used",
        "unavailable": "The link cannot be checked now",
    }
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Content-Type"].startswith("text/html")
    found = REASON.search(response.content.decode())
    return response.status_code == status and found is not None and found[1] == titles[reason]


def test_following_a_link_uses_nothing_up(page: Page) -> None:
    """Mail scanners follow links before people do."""
    url = f"/redeem?token={make_token('invite', {'sub': 'u1'})}"
    for response in (Client().get(url), Client().head(url), Client().get(url)):
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert [request.jti_reservation for request in page.requests] == [None] * 3
    assert page.requests[0].jwt_claims["sub"] == "u1"
    assert replay_cache.count() == 0


@pytest.mark.parametrize("place", ["form", "query", "path", "all"])
def test_a_link_works_once(page: Page, place: str) -> None:
    """The second POST is 410; a GET still shows the page."""
    token = make_token("invite")
    url = {"query": f"/redeem?token={token}", "form": "/redeem"}.get(
        place, f"/redeem/{token}/{'?token=' + token if place == 'all' else ''}"
    )
    form = {"token": token} if place in ("form", "all") else {}
    assert Client().post(url, form).status_code == 200
    assert page.requests[0].jti_reservation.namespace == "link:invite"
    assert refused(Client().post(url, form), 410, "used")
    assert len(page.requests) == 1
    if place != "form":
        assert Client().get(url).status_code == 200


def test_several_tokens_are_refused(page: Page) -> None:
    """The page could show one and use the other."""
    one, two = make_token("invite"), make_token("invite")
    for url, form in (
        (f"/redeem?token={one}", {"token": two}),
        (f"/redeem/{one}/", {"token": two}),
        (f"/redeem/{one}/?token={two}", {}),
        (f"/redeem?token={one}&token={two}", {}),
    ):
        assert refused(Client().post(url, form), 400, "invalid")
    assert (page.requests, replay_cache.count()) == ([], 0)


def test_links_that_do_not_work_say_why(page: Page) -> None:
    """400 for what is no link of ours, 410 for one that is over."""
    with time_machine.travel(time.time() - 7200):
        old = make_token("invite")
    mangled = make_token("invite")[:-4] + "AAAA"
    foreign = jwt.encode({"aud": "invite", "exp": time.time() + 60, "jti": "x"}, SECRET)
    for method in ("get", "post"):
        send = getattr(Client(), method)
        assert refused(send("/redeem"), 400, "missing")
        assert refused(send("/redeem?token="), 400, "missing")
        assert refused(send(f"/redeem?token={old}"), 410, "expired")
        assert refused(send(f"/redeem?token={mangled}"), 400, "invalid")
        assert refused(send(f"/redeem?token={foreign}"), 400, "invalid")
        assert refused(send(f"/redeem?token={make_token('other')}"), 400, "invalid")
        assert refused(send("/redeem?token=x.y.z"), 400, "invalid")
    assert (page.requests, replay_cache.count()) == ([], 0)


def test_options_goes_to_the_view(page: Page) -> None:
    """It is answered unjudged, as by any view."""
    assert Client().options("/redeem").status_code == 200
    assert not hasattr(page.requests[0], "jwt_claims")


def test_a_full_store_is_a_page_too(page: Page, settings: Any) -> None:
    """503, and when to come again."""
    settings.JTI_REPLAY = {
        "CACHES": {"default": CACHES["default"] | {"OPTIONS": {"max_entries": 1}}},
        "PROFILES": {"invite": {"KIND": "link"}},
    }
    assert replay_cache.reserve("other", time.time() + 60)
    response = Client().post("/redeem", {"token": make_token("invite")})
    assert refused(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "5"


def test_a_view_may_set_its_own_referrer_policy(page: Page) -> None:
    """With no-referrer a browser sends ``Origin: null``, which fails Django's CSRF check."""
    page.answer = lambda request: HttpResponse(headers={"Referrer-Policy": "same-origin"})
    response = Client().get(f"/redeem?token={make_token('invite')}")
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_the_page_is_the_projects_own(page: Page, settings: Any, tmp_path: Any) -> None:
    """It finds the template first, and learns the reason."""
    folder = tmp_path / "jti_replay"
    folder.mkdir()
    (folder / "link_refused.html").write_text("{{ request.path }}: {{ reason }}")
    backend = "django.template.backends.django.DjangoTemplates"
    processors = ["django.template.context_processors.request"]
    for options in (
        {"DIRS": [tmp_path], "OPTIONS": {"context_processors": processors}},
        {"APP_DIRS": True},
    ):
        settings.TEMPLATES = [{"BACKEND": backend, **options}]
        content = Client().get("/redeem").content.decode()
        own = content == "/redeem: missing"
        assert own == ("DIRS" in options)
        assert own or "The link is incomplete" in content


@pytest.mark.django_db(transaction=True)
def test_a_link_that_failed_works_again(configure: Callable[..., None]) -> None:
    """As everything here does: the work was rolled back, and the jti with it."""
    runs = []

    @reserve_jti("invite")
    def view(request: HttpRequest) -> HttpResponse:
        Work.objects.create(name="work")
        runs.append(request)
        if len(runs) == 1:
            raise LookupError
        return HttpResponse()

    form = {"token": make_token("invite")}
    with pytest.raises(LookupError):
        view(RequestFactory().post("/", form))
    statuses = [view(RequestFactory().post("/", form)).status_code for _ in range(2)]
    assert statuses == [200, 410]
    assert Work.objects.count() == 1


def test_make_link_gives_the_whole_url(page: Page) -> None:
    """The token is in the URL argument where there is one, and in the query otherwise."""
    request = RequestFactory().get("/")
    link = make_link(request, "redeem", "invite", {"sub": "u1"}, lifetime=60)
    assert link.startswith("http://testserver/redeem?token=")
    by_path = make_link(request, "redeem-by-path", "invite")
    assert by_path.startswith("http://testserver/redeem/ey")
    team = make_link(request, "join", "invite", kwargs={"team": 7})
    assert urlsplit(team).path == "/team/7/"
    for url in (link, by_path, team):
        assert Client().post(url.removeprefix("http://testserver")).status_code == 200
    (token,) = parse_qs(urlsplit(link).query)["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("u1", "invite")
    assert claims["exp"] - claims["iat"] == 60
    with pytest.raises(NoReverseMatch):
        make_link(request, "nowhere", "invite")


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "exp", "jti"])
def test_claims_of_the_link_itself_are_refused(
    configure: Callable[..., None], name: str
) -> None:
    """A caller that set them would mean something else."""
    with pytest.raises(ValueError, match=name):
        make_token("invite", {name: "x"})


def test_the_lifetime_is_one_that_the_profile_accepts(
    configure: Callable[..., None],
) -> None:
    """In seconds or as a timedelta; MAX_LIFETIME by default."""
    configure(MAX_LIFETIME=86400)

    def lifetime(**kwargs: Any) -> int:
        claims = jwt.decode(make_token("invite", **kwargs), options={"verify_signature": False})
        return int(claims["exp"] - claims["iat"])

    assert lifetime() == 86400
    assert lifetime(lifetime=60) == 60
    assert lifetime(lifetime=timedelta(hours=1)) == 3600
    for wrong in (0, -1, 86401, float("nan"), timedelta(days=2)):
        with pytest.raises(ValueError, match="MAX_LIFETIME"):
            make_token("invite", lifetime=wrong)


def test_links_outlive_a_change_of_secret_key(page: Page, settings: Any) -> None:
    """SECRET_KEY_FALLBACKS are accepted, and keys that are gone are not."""
    token = make_token("invite")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key"
    assert refused(Client().get(f"/redeem?token={token}"), 400, "invalid")
    settings.SECRET_KEY_FALLBACKS = [old]
    assert Client().get(f"/redeem?token={token}").status_code == 200
    assert Client().get(f"/redeem?token={make_token('invite')}").status_code == 200


def test_a_profile_may_have_a_key_of_its_own(
    page: Page, configure: Callable[..., None]
) -> None:
    """A secret signs; a function or a public key cannot."""
    configure(KEY=SECRET)
    assert Client().get(f"/redeem?token={make_token('invite')}").status_code == 200
    configure(KEY=f"{__name__}.find_key")
    with pytest.raises(ImproperlyConfigured, match="cannot sign"):
        make_token("invite")


def find_key(header: Any, claims: Any) -> str:
    return SECRET


def test_a_profile_of_another_kind_makes_no_links(settings: Any) -> None:
    """Nor does one that is not there."""
    bearer = {"KEY": SECRET, "ALGORITHMS": ["HS256"]}
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": bearer}}
    for name in ("default", "absent"):
        with pytest.raises(ImproperlyConfigured, match=name):
            make_token(name)


def test_the_parameter_can_be_another_one(page: Page, configure: Callable[..., None]) -> None:
    """Such as a project's own links have."""
    configure(OPTIONS={"parameter": "code"})
    link = make_link(RequestFactory().get("/"), "redeem", "invite")
    assert "?code=" in link
    assert Client().post(link.removeprefix("http://testserver")).status_code == 200


async def test_an_async_client_is_served_alike(page: Page) -> None:
    """On a real event loop."""
    url = f"/redeem?token={make_token('invite')}"
    assert (await AsyncClient().post(url)).status_code == 200
    assert refused(await AsyncClient().post(url), 410, "used")
