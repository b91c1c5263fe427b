"""The token exchange: a token comes in, a short-lived credential goes out, once."""

import secrets

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from jti_replay.decorators import reserve_jti

from .models import AuditRow


class WorkFailed(Exception):
    """Raised when the request asks for it, in place of all that can go wrong."""


@require_POST  # Outermost, so that a GET by mistake does not use the token up.
@reserve_jti
def exchange(request: HttpRequest) -> JsonResponse:
    """
    Give a credential for a token, and write that down.

    The decorator has opened a transaction. If this raises, the row is rolled back and the
    token may be sent again; if not, the row stays and the token is spent.
    """
    claims = request.jwt_claims
    AuditRow.objects.create(subject=claims.get("sub", ""), jti=claims["jti"])
    if request.POST.get("fail") == "1":
        raise WorkFailed("fail=1 was sent")
    credential = {
        "access_token": secrets.token_urlsafe(32),  # It opens nothing: this is an example.
        "token_type": "Bearer",
        "expires_in": 900,
    }
    return JsonResponse(credential, headers={"Cache-Control": "no-store"})


@require_GET
def audit(request: HttpRequest) -> JsonResponse:
    """Show what was written down, oldest first."""
    rows = AuditRow.objects.order_by("pk").values("at", "subject", "jti")
    return JsonResponse({"rows": list(rows)})
