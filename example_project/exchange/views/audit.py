"""What was written down, for a look from outside."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from exchange.models import AuditRow


@require_GET
def rows(request: HttpRequest) -> JsonResponse:
    """Show what was written down, oldest first."""
    return JsonResponse(
        {"rows": list(AuditRow.objects.order_by("pk").values("at", "subject", "jti"))}
    )
