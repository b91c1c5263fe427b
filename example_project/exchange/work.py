"""The work that a token pays for: a row is written, once for each token."""

import secrets

from django.http import HttpRequest

from .models import AuditRow


class WorkFailed(Exception):
    """Raised when the request asks for it, in place of all that can go wrong."""


def work(request: HttpRequest) -> None:
    """
    Write down that a token was taken.

    The decorator has opened a transaction. If this raises, the row is rolled back and the
    token may be sent again; if not, the row stays and the token is used up.
    """
    claims = request.jwt_claims
    AuditRow.objects.create(subject=claims.get("sub", ""), jti=claims["jti"])
    if request.GET.get("fail") == "1" or request.POST.get("fail") == "1":
        raise WorkFailed("fail=1 was sent")


def credential(token_type: str = "Bearer") -> dict[str, str | int]:
    """Return the answer of a token endpoint. It opens nothing: this is an example."""
    access_token = secrets.token_urlsafe(32)
    return {"access_token": access_token, "token_type": token_type, "expires_in": 900}
