"""A token endpoint that takes another server's word for a user."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from exchange.work import credential, work
from jti_replay.decorators import reserve_jti


@csrf_exempt
@reserve_jti("grants")
def token(request: HttpRequest) -> JsonResponse:
    """Give a credential for the user whom the grant names."""
    work(request)
    return JsonResponse(credential())
