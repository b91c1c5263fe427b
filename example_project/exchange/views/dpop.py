"""Access tokens that are of no use without the key of their client."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from issuer.tokens import mint_access_token

from exchange.work import credential, work
from jti_replay.decorators import reserve_jti


@csrf_exempt
@require_POST
@reserve_jti("dpop-token")
def token(request: HttpRequest) -> JsonResponse:
    """Give an access token that is bound to the key of the proof."""
    answer = credential("DPoP")
    return JsonResponse(answer | {"access_token": mint_access_token(request.dpop_jkt)})


@csrf_exempt
@reserve_jti("dpop")
def things(request: HttpRequest) -> JsonResponse:
    """Serve the user whom the access token names. Each proof is good for one request."""
    work(request)
    return JsonResponse({"hello": request.access_token_claims["sub"]})
