"""
One-time links: an invitation, a confirmation, a download.

- Where: the URL argument, the form field or the query parameter ``token`` (the option
  ``parameter`` names another one). The same token may stand in several of them.
- What it must hold: the profile's name as ``aud``. :func:`jti_replay.links.make_token` signs
  it, with a key derived from ``SECRET_KEY`` unless the profile has a ``KEY``.
- GET and HEAD verify and reserve nothing, because mail scanners follow links before people
  do. Any other method reserves. OPTIONS goes to the view.
- Namespace: the profile.
- Answers: a page from the template ``jti_replay/link_refused.html``, which a project can
  override: 400, or 410 for a link that has expired or has been used.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.http import HttpResponse
from django.template import Engine, RequestContext, TemplateDoesNotExist, loader
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from jti_replay.exceptions import RequestInvalid, TokenInvalid, TokenMissing
from jti_replay.tokens.claims import EXPIRED
from jti_replay.tokens.key_set import KeySet

from .answers import unavailable
from .base import BaseKind
from .forms import form_with

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

    from jti_replay.exceptions import TokenError

DEFAULT_PARAMETER = "token"
TEMPLATE = "jti_replay/link_refused.html"

TEXTS = {
    "missing": (_("The link is incomplete"), _("Copy the whole link from your message.")),
    "invalid": (_("The link is not valid"), _("Ask for a new one.")),
    "expired": (_("The link has expired"), _("Ask for a new one.")),
    "used": (_("The link has been used"), _("It works once. Ask for a new one.")),
    "unavailable": (_("The link cannot be checked now"), _("Try again in a moment.")),
}


class Link(BaseKind):
    """A link that does something once."""

    reading_methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    unjudged_methods: ClassVar[tuple[str, ...]] = ("OPTIONS",)
    shapes_answers: ClassVar[bool] = True
    known_options: ClassVar[frozenset[str]] = frozenset({"parameter"})
    unused_settings: ClassVar[frozenset[str]] = frozenset({"AUDIENCE", "ISSUER", "JWKS_URL"})
    recommended_settings: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def default_settings(cls, profile: str) -> Mapping[str, Any]:
        """Return the settings of links that this project signs for itself."""
        return {
            "ALGORITHMS": ["HS256"],
            "AUDIENCE": profile,
            "KEY": partial(_derived_keys, profile),
        }

    @cached_property
    def parameter(self) -> str:
        """The name of the URL argument, form field and query parameter."""
        name: str = self.options.get("parameter", DEFAULT_PARAMETER)
        return name

    @classmethod
    def check_options(cls, where: str, options: Mapping[str, Any]) -> Iterable[CheckMessage]:
        """Refuse a parameter that cannot be one."""
        parameter = options.get("parameter", DEFAULT_PARAMETER)
        if not isinstance(parameter, str) or not parameter.isidentifier():
            yield Error(
                f'{where}["parameter"] is not the name of a URL argument.',
                hint="Set it to a name such as 'token'.",
                id="jti_replay.E014",
            )

    def find(self, request: HttpRequest) -> str:
        """Return the token, wherever it stands."""
        name = self.parameter
        match = request.resolver_match
        found = [
            *([match.kwargs[name]] if match and name in match.kwargs else ()),
            # To parse an empty query takes longer than to verify a token.
            *(request.GET.getlist(name) if request.META.get("QUERY_STRING") else ()),
            *(request.POST.getlist(name) if request.method == "POST" else ()),
        ]
        tokens = set(filter(None, found))
        if not tokens:
            raise TokenMissing("The link has no token.")
        if len(tokens) > 1:
            raise RequestInvalid("The request has several tokens. Send one.")
        return str(tokens.pop())

    @cached_property
    def namespace_prefix(self) -> str:
        """What all namespaces begin with."""
        return f"link:{self.profile}"

    def namespace(self, claims: Mapping[str, Any]) -> str:
        """Return the profile."""
        return self.namespace_prefix

    def carry(self, token: str) -> dict[str, Any]:
        """Return the form."""
        return form_with(**{self.parameter: token})

    def refuse(self, request: HttpRequest, error: TokenError) -> HttpResponse:
        """Return a page that says why the link does not work."""
        if isinstance(error, TokenMissing):
            return _page(request, 400, "missing")
        if isinstance(error, TokenInvalid) and str(error) == EXPIRED:
            return _page(request, 410, "expired")
        return _page(request, 400, "invalid")

    def replayed(self, request: HttpRequest) -> HttpResponse:
        """Return a page that says that the link has been used."""
        return _page(request, 410, "used")

    def unavailable(self, request: HttpRequest, error: Exception) -> HttpResponse:
        """Return a page, and when to come again."""
        response = _page(request, 503, "unavailable")
        response["Retry-After"] = unavailable(error)["Retry-After"]
        return response

    def finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return an answer that no cache keeps, and whose URL no other site learns."""
        response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response


def derived_key(profile: str, secret: str | bytes) -> bytes:
    """Return the key of a profile's links, 32 bytes, derived from a ``SECRET_KEY``."""
    return salted_hmac(
        "jti_replay.kinds.link", profile, secret=secret, algorithm="sha256"
    ).digest()


def key_id(key: bytes) -> str:
    """Return the ``kid`` by which a derived key is found among those of older secrets."""
    return sha256(b"jti_replay.kinds.link" + key).hexdigest()[:16]


def _derived_keys(profile: str, header: Any, claims: Any) -> KeySet:
    return _key_set(profile, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache
def _key_set(profile: str, *secrets: str | bytes) -> KeySet:
    # To derive and read the keys takes longer than to verify a link.
    return KeySet([_jwk(derived_key(profile, secret)) for secret in secrets], secrets=True)


def _jwk(key: bytes) -> dict[str, str]:
    return {
        "kty": "oct",
        "kid": key_id(key),
        "k": base64.urlsafe_b64encode(key).decode().rstrip("="),
    }


def _page(request: HttpRequest, status: int, reason: str) -> HttpResponse:
    title, message = TEXTS[reason]
    context = {"reason": reason, "title": title, "message": message}
    try:
        content = loader.render_to_string(TEMPLATE, context, request)
    except TemplateDoesNotExist:  # The project does not look for templates in its apps.
        engine = Engine(dirs=[str(Path(__file__).parent.parent / "templates")])
        content = engine.get_template(TEMPLATE).render(RequestContext(request, context))
    return HttpResponse(content, status=status)
