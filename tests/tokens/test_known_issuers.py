"""The profiles of docs/how-to/issuers.md, with tokens in the shape of each issuer's."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from tests.backends.redis.certificates import write_certificates

from .answers import assert_inside, assert_invalid
from .issuer import Issuer
from .keypairs import keypair
from .tokens import CACHES

Knock = Callable[..., Any]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "issuers.md"
SETTINGS = re.compile(r"```python\n# (?:In a pod: )?settings.py\n(.*?)```", re.DOTALL)


def documented() -> dict[str, dict[str, Any]]:
    """Return the profiles of the page, by name."""
    profiles: dict[str, dict[str, Any]] = {}
    for code in SETTINGS.findall(PAGE.read_text()):
        settings: dict[str, Any] = {}
        exec(code, settings)
        profiles |= settings["JTI_REPLAY"]["PROFILES"]
    return profiles


TENANT = "8b1f0000-0000-4000-8000-000000000002"

SERVICE = "https://deploy.example.com"
AUTH0 = "https://shop.eu.auth0.com/"

SHAPES: dict[str, dict[str, Any]] = {
    # The claims beside iss, aud and iat. Times are in seconds from now.
    "github": {"exp": 300, "nbf": -600, "jti": True, "sub": "repo:shop/site:ref:refs/heads/x"},
    "gitlab": {"exp": 7200, "nbf": -5, "jti": True, "project_path": "shop/site"},
    "circleci": {"exp": 3600, "sub": "org/3f5c/project/1/user/2"},
    "google": {"exp": 3600, "azp": "1", "email": "ci@shop.iam.gserviceaccount.com"},
    "entra": {"exp": 5100, "nbf": 0, "uti": "n1x", "ver": "2.0", "tid": TENANT},
    "keycloak": {"exp": 300, "jti": True, "typ": "Bearer", "aud": ["deploy", "account"]},
    "auth0": {"exp": 86400, "gty": "client-credentials", "aud": [SERVICE, f"{AUTH0}userinfo"]},
    "kubernetes": {"exp": 600, "nbf": 0, "jti": True, "aud": [SERVICE]},
    "internal": {"exp": 240, "jti": True},
}
WITHOUT_JTI = [name for name, claims in SHAPES.items() if "jti" not in claims]


def claims_of(name: str, profile: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": profile["ISSUER"], "aud": profile["AUDIENCE"], "iat": now} | SHAPES[name]
    for time_claim in ("exp", "nbf"):
        if time_claim in claims:
            claims[time_claim] += now
    if claims.get("jti"):
        claims["jti"] = str(uuid.uuid4())
    return claims


def test_each_issuer_of_the_page_is_tested() -> None:
    assert documented().keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_a_documented_profile_takes_the_tokens_of_its_issuer(
    knock: Knock, settings: Any, issuer: Issuer, tmp_path: Path, name: str
) -> None:
    """Once. Only where its keys come from is replaced."""
    profile = documented()[name]
    algorithm = profile["ALGORITHMS"][0]
    pair = keypair(algorithm)
    issuer.keys = [pair.jwk(alg=None) if name == "entra" else pair.jwk()]
    options = profile.pop("JWKS_OPTIONS", {})
    if options:
        write_certificates(tmp_path)
        options["cafile"] = str(tmp_path / "ca.pem")
        options["headers"] = {"Authorization": "Bearer pod"}
    settings.JTI_REPLAY = {
        "CACHES": CACHES,
        "PROFILES": {"default": profile | ({"JWKS_OPTIONS": options} if options else {})},
    }
    assert not [message for message in run_checks() if "jti_replay" in str(message.id)]
    settings.JTI_REPLAY = {
        "CACHES": CACHES,
        "PROFILES": {"default": profile | {"JWKS_URL": issuer.url}},
    }
    header = {"kid": pair.kid, "typ": profile.get("TYP", "JWT")}
    token = pair.sign(claims=claims_of(name, profile), header=header)
    assert_inside(knock(token))
    assert_invalid(knock(token), "The token has already been used.")


@pytest.mark.parametrize(
    "name", [name for name, claims in SHAPES.items() if "jti" not in claims]
)
def test_what_its_tokens_lack_is_said(
    knock: Knock, settings: Any, issuer: Issuer, name: str
) -> None:
    """Without JTI "digest", the log leads to it."""
    profile = documented()[name] | {"JWKS_URL": issuer.url}
    del profile["JTI"]
    pair = keypair("RS256")
    issuer.keys = [pair.jwk()]
    settings.JTI_REPLAY = {"CACHES": CACHES, "PROFILES": {"default": profile}}
    token = pair.sign(claims=claims_of(name, profile))
    assert_invalid(knock(token), "The token has no JWT ID (jti).")
