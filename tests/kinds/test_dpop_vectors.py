"""The figures of RFC 9449, with the clock set to when they were made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from jti_replay.kinds.thumbprint import sha256_base64url, thumbprint

from .dpop_client import RESOURCE, TOKEN_ENDPOINT, request
from .sending import Site, said

KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
}
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
ATH = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgt"
    "MzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VO"
    "SmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
FIGURE_5 = (
    f"{HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2Vy"
    "dmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8"
    "igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
FIGURE_7 = (
    f"{HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2Vy"
    "dmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk9"
    "0e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA"
)
FIGURE_13 = (
    f"{HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNv"
    "dXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8"
    "ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRi"
    "mPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)


def test_the_key_has_the_thumbprint_of_the_rfc() -> None:
    """RFC 7638. Members that do not make the key do not count, nor does their order."""
    assert thumbprint(KEY) == JKT
    assert thumbprint({"use": "sig", "kid": "a", **dict(reversed(KEY.items()))}) == JKT


def test_the_figure_of_rfc_7638() -> None:
    """Section 3.1: an RSA key."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSo"
        "c_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YG"
        "jQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt"
        "-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDK"
        "gw"
    )
    key = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_figure_of_rfc_8037() -> None:
    """Appendix A.3: an Ed25519 key."""
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_access_token_has_the_hash_of_the_rfc() -> None:
    """Figures 12 and 13."""
    assert sha256_base64url(ACCESS_TOKEN) == ATH


def at_token_endpoint(text: str, now: int, site: Site) -> tuple[int, str | None]:
    with time_machine.travel(now, tick=False):
        return said(site.send(request(text, method="POST", path="/token")))


def test_the_proofs_of_figures_5_and_7_pass_once(dpop_site: Callable[..., Site]) -> None:
    """They share key, URI and jti: the second is new when the first is forgotten."""
    endpoint = {"origin": "https://server.example.com", "at": "token_endpoint"}
    site = dpop_site(TOKEN_ENDPOINT, OPTIONS=endpoint)
    passes, replayed = (200, None), (400, "invalid_dpop_proof")
    assert at_token_endpoint(FIGURE_5, 1562262616, site) == passes
    assert at_token_endpoint(FIGURE_5, 1562262616 + 300, site) == replayed
    assert at_token_endpoint(FIGURE_7, 1562265296, site) == passes
    assert at_token_endpoint(FIGURE_7, 1562265296, site) == replayed
    assert {each.dpop_jkt for each in site.requests} == {JKT}

    long = dpop_site(TOKEN_ENDPOINT, OPTIONS=endpoint, MAX_AGE=3600)
    assert at_token_endpoint(FIGURE_5, 1562262616, long) == passes
    assert at_token_endpoint(FIGURE_7, 1562265296, long) == replayed


def known(token: str, request: Any) -> dict[str, Any] | None:
    return {"cnf": {"jkt": JKT}} if token == ACCESS_TOKEN else None


def test_the_proof_of_figure_13_passes_once(dpop_site: Callable[..., Site]) -> None:
    """With the access token that it is for."""
    site = dpop_site(
        RESOURCE, OPTIONS={"origin": "https://resource.example.org", "access_token": known}
    )
    sent = request(FIGURE_13, ACCESS_TOKEN, path="/protectedresource")
    with time_machine.travel(1562262618, tick=False):
        assert said(site.send(sent)) == (200, None)
        assert said(site.send(sent)) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("text", [FIGURE_5, FIGURE_7, FIGURE_13])
def test_the_figures_are_too_old_by_now(dpop_site: Callable[..., Site], text: str) -> None:
    """Nothing but the clock makes them pass."""
    site = dpop_site(
        TOKEN_ENDPOINT,
        OPTIONS={
            "origin": ["https://server.example.com", "https://resource.example.org"],
            "at": "token_endpoint",
        },
    )
    response = site.send(request(text, method="POST", path="/token"))
    assert said(response) == (400, "invalid_dpop_proof")
    assert "too old" in response.content.decode()
