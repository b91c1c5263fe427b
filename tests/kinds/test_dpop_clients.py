"""Proofs of independent libraries, and clients that send them over HTTP."""

from __future__ import annotations

import contextlib
import io
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.urls import path
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from requests_oauth2client import DPoPToken, OAuth2Client, PrivateKeyJwt

from jti_replay import replay_cache
from tests.docs.pages import blocks_of, text_of
from tests.tokens.tokens import CACHES

from .authorization_server import (
    CLIENT_KEY,
    at_resource,
    at_token_endpoint,
    clients,
    things,
    token,
)
from .dpop_client import ORIGIN, PATH, TOKEN_ENDPOINT, request
from .sending import Site, said
from .serving import serving

ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "PS256"]


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "jti": str(uuid.uuid4()),
        "htm": "GET",
        "htu": f"{ORIGIN}{PATH}",
        "iat": int(time.time()),
        **changes,
    }


def by_joserfc(algorithm: str) -> tuple[str, str]:
    """Return a proof, and the thumbprint of its key."""
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    key: Any
    if algorithm in curves:
        key = ECKey.generate_key(curves[algorithm])
    elif algorithm.startswith("Ed"):
        key = OKPKey.generate_key("Ed25519")
    else:
        key = RSAKey.generate_key(2048)
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=False)}
    registry = joserfc_jws.JWSRegistry(algorithms=[algorithm])
    payload = json.dumps(claims())
    text = joserfc_jws.serialize_compact(header, payload, key, registry=registry)
    return text, key.thumbprint()


def by_jwcrypto(algorithm: str) -> tuple[str, str]:
    """Return a proof, and the thumbprint of its key."""
    kinds: dict[str, dict[str, Any]] = {
        "ES256": {"kty": "EC", "crv": "P-256"},
        "ES384": {"kty": "EC", "crv": "P-384"},
        "ES512": {"kty": "EC", "crv": "P-521"},
        "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
        "RS256": {"kty": "RSA", "size": 2048},
        "PS256": {"kty": "RSA", "size": 2048},
    }
    key = JWK.generate(**kinds[algorithm])
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.export_public(as_dict=True)}
    made = JWS(json.dumps(claims()))
    made.add_signature(key, alg=algorithm, protected=json.dumps(header))
    return made.serialize(compact=True), key.thumbprint()


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        *((by_joserfc, name) for name in ALGORITHMS if name != "EdDSA"),
        *((by_jwcrypto, name) for name in ALGORITHMS if name != "Ed25519"),
    ],
)
def test_proofs_of_other_libraries_pass_once(
    dpop_site: Callable[..., Site], make: Callable[[str], tuple[str, str]], algorithm: str
) -> None:
    """The one knows Ed25519 by its new name, the other by its old one."""
    site = dpop_site(TOKEN_ENDPOINT, ALGORITHMS=ALGORITHMS)
    text, jkt = make(algorithm)
    assert said(site.send(request(text))) == (200, None)
    assert site.requests[0].dpop_jkt == jkt
    assert said(site.send(request(text))) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("nonces", [False, True])
def test_a_client_of_another_project_gets_through(settings: Any, *, nonces: bool) -> None:
    """It authenticates with an assertion, and retries with the nonces that it is given."""
    with serving(settings, [path("token", token), path("things", things)]) as origin:
        settings.JTI_REPLAY = {
            "CACHES": CACHES,
            "PROFILES": {
                "token": at_token_endpoint(origin, nonces=nonces),
                "clients": clients(origin),
                "api": at_resource(nonces=nonces),
            },
        }
        client = OAuth2Client(
            token_endpoint=f"{origin}/token",
            auth=PrivateKeyJwt(
                "client 1", CLIENT_KEY.export(as_dict=True), alg="ES256", aud=origin
            ),
            dpop_bound_access_tokens=True,
            testing=True,  # Plain http.
        )
        issued = client.client_credentials()
        assert isinstance(issued, DPoPToken)
        for _ in range(2):
            answer = requests.get(f"{origin}/things?a=b", auth=issued, timeout=5)
            assert (answer.status_code, answer.json()) == (200, {"hello": "client 1"})
        assert replay_cache.count() == 2 + 2
        stolen = {name: answer.request.headers[name] for name in ("Authorization", "DPoP")}
        again = requests.get(f"{origin}/things?a=b", headers=stolen, timeout=5)
        assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")
        alone = {"Authorization": stolen["Authorization"].replace("DPoP", "Bearer")}
        assert requests.get(f"{origin}/things", headers=alone, timeout=5).status_code == 401


@pytest.mark.usefixtures("transactional_db")
def test_what_the_docs_show_works(settings: Any) -> None:
    """Settings, views and client are pasted, and print what the page says."""
    document, here = "docs/how-to/dpop.md", "http://127.0.0.1:8000"
    configuration, *_ = blocks_of(document, "# settings.py")
    (urls,) = blocks_of(document, "# urls.py")
    (client,) = blocks_of(document, "# client.py")
    module: dict[str, Any] = {"__name__": "urls"}
    exec(urls, module)
    output = io.StringIO()
    with serving(settings, module["urlpatterns"]) as origin:
        names: dict[str, Any] = {}
        exec(configuration.replace(here, origin), names)
        settings.JTI_REPLAY = names["JTI_REPLAY"]
        with contextlib.redirect_stdout(output):
            exec(client.replace(here, origin), {})
    shown = text_of(document)
    assert f"```\n{output.getvalue()}```" in shown
