"""Where the issuer publishes its keys (RFC 7517 5)."""

from django.http import HttpRequest, JsonResponse
from jwt.algorithms import RSAAlgorithm

from .keys import key_id, signing_key


def jwks(request: HttpRequest) -> JsonResponse:
    """Answer with the one public key."""
    key = signing_key().public_key()
    jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    return JsonResponse({"keys": [jwk | {"kid": key_id(key), "use": "sig", "alg": "RS256"}]})
