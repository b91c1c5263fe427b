from __future__ import annotations

import itertools
import time
from typing import Any

import jwt

SECRET = "a secret of the tests, of 32 bytes or more"
ISSUER = "https://issuer.example"
PROFILE = {"KEY": SECRET, "ALGORITHMS": ["HS256"], "ISSUER": ISSUER}

_numbers = itertools.count()


def new_token(**claims: Any) -> str:
    """Return a good token that has not been used."""
    known = {"iss": ISSUER, "exp": time.time() + 60, "jti": f"token {next(_numbers)}"}
    return jwt.encode(known | claims, SECRET, "HS256")


def bearer(token: str) -> dict[str, str]:
    """Return the headers by which a token is sent."""
    return {"Authorization": f"Bearer {token}"}
