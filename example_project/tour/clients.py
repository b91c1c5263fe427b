"""New requests of each kind, as their clients send them."""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from issuer.tokens import REQUESTS
from jwt.algorithms import ECAlgorithm

from jti_replay.links import make_token

from .site import Answer, Site


@dataclass(frozen=True)
class Request:
    """A request that can be sent any number of times."""

    path: str
    method: str = "POST"
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)

    def send(self, site: Site) -> Answer:
        """Send it."""
        return site.send(self.method, self.path, self.body, self.headers)

    def failing(self) -> "Request":
        """Return the same request, whose work fails."""
        separator = "&" if "?" in self.path else "?"
        return replace(self, path=f"{self.path}{separator}fail=1")


def minted(kind: str) -> Callable[[], Request]:
    """Return a function that makes requests of a kind that the issuer mints."""
    return lambda: Request(**REQUESTS[kind]())


class Person:
    """Someone who has a link and a browser, which sends the form with its CSRF token."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def page(self) -> Request:
        """Return the request that a click on a new link sends, and that scanners send too."""
        token = make_token("invitation", {"sub": "mona"})
        return Request(f"/invitation?{urlencode({'token': token})}", "GET", token=token)

    def form(self, page: Request) -> Request:
        """Return the request that the form of the page sends."""
        cookie = page.send(self._site).headers["Set-Cookie"].partition(";")[0]
        headers = {"Cookie": cookie, "X-CSRFToken": cookie.partition("=")[2]}
        return replace(page, method="POST", headers=headers)


class DPoPClient:
    """A client with a key of its own, and an access token that is bound to it (RFC 9449)."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._access_token = ""

    def __call__(self) -> Request:
        """Return a request with a new proof."""
        if not self._access_token:
            proof = self._proof("POST", "/dpop/token")
            answer = self._site.send("POST", "/dpop/token", headers={"DPoP": proof})
            self._access_token = answer.body["access_token"]
        digest = hashlib.sha256(self._access_token.encode()).digest()
        ath = urlsafe_b64encode(digest).decode().rstrip("=")
        proof = self._proof("GET", "/dpop/things", ath=ath)
        headers = {"Authorization": f"DPoP {self._access_token}", "DPoP": proof}
        return Request("/dpop/things", "GET", headers=headers, token=proof)

    def _proof(self, method: str, path: str, **claims: Any) -> str:
        jwk = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        claims |= {"jti": str(uuid4()), "htm": method, "htu": f"{self._site.url}{path}"}
        claims["iat"] = int(time.time())
        return jwt.encode(claims, self._key, "ES256", {"typ": "dpop+jwt", "jwk": jwk})
