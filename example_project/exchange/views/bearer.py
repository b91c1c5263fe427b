"""A token exchange: a token of a CI job comes in, a short-lived credential goes out, once."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from exchange.work import credential, work
from jti_replay.decorators import reserve_jti


@csrf_exempt  # The token says who sends this, not a cookie.
@require_POST  # Above the next one, so that a GET by mistake does not use the token up.
@reserve_jti
def exchange(request: HttpRequest) -> JsonResponse:
    """Give a credential for a token."""
    work(request)
    return JsonResponse(credential())
