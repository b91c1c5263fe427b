"""The pages, a new request for each of them, and the stream of events."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST
from issuer.tokens import REQUESTS

from jti_replay import replay_caches
from jti_replay.links import make_link
from jti_replay.profiles import get_profile

from .board import board
from .stories import BY_SLUG, Story


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show which kinds there are."""
    return render(request, "pages/index.html")


@require_GET
def story(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the page of a kind."""
    if slug not in BY_SLUG:
        raise Http404(f"There is no kind {slug!r}.")
    shown = BY_SLUG[slug]
    context = {
        "story": shown,
        "cache": _cache_of(shown),
        "answers": {str(status): text for status, text in shown.answers.items()},
    }
    return render(request, "pages/story.html", context)


@require_POST
def mint(request: HttpRequest, slug: str) -> JsonResponse:
    """Return a new token and the request that carries it: method, path, headers and body."""
    if slug == "link":
        return JsonResponse(_link_request(request))
    if slug not in REQUESTS:
        raise Http404(f"No token of the kind {slug!r} is minted here.")
    return JsonResponse({"method": "POST", **REQUESTS[slug]()})


@require_GET
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send what happens, as it happens (server-sent events)."""
    return StreamingHttpResponse(
        board.stream(),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


def _link_request(request: HttpRequest) -> dict[str, Any]:
    link = urlsplit(make_link(request, "invitation", "invitation", {"sub": "mona"}))
    token = parse_qs(link.query)["token"][0]
    path = f"{link.path}?{link.query}"
    return {"method": "POST", "token": token, "path": path, "headers": {}, "body": ""}


def _cache_of(shown: Story) -> dict[str, str]:
    alias = get_profile(shown.profile).cache
    return {"alias": alias, "name": type(replay_caches[alias]).__name__}
