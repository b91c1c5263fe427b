"""The tokens of the issuer, such as a CI system gives to each of its jobs."""

import time
from uuid import uuid4

import jwt
from django.conf import settings

from .keys import key_id, signing_key


def mint(subject: str, lifetime: int) -> str:
    """Return a new token for the exchange that lives for so many seconds."""
    key = signing_key()
    now = int(time.time())
    claims = {
        "iss": settings.EXAMPLE_URL,
        "aud": f"{settings.EXAMPLE_URL}/exchange",
        "sub": subject,
        "iat": now,
        "exp": now + lifetime,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id(key.public_key())})
