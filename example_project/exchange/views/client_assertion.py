"""A token endpoint whose clients authenticate with an assertion, in place of a secret."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from exchange.work import credential, work
from jti_replay.decorators import reserve_jti


@csrf_exempt
@reserve_jti("clients")
def token(request: HttpRequest) -> JsonResponse:
    """Give a credential to request.client_id."""
    work(request)
    return JsonResponse(credential())
