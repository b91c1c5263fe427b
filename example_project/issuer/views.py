"""Where the issuer publishes its keys (RFC 7517 5)."""

from django.http import HttpRequest, JsonResponse

from .keys import published_key


def jwks(request: HttpRequest) -> JsonResponse:
    """Answer with the one public key."""
    return JsonResponse({"keys": [published_key()]})
