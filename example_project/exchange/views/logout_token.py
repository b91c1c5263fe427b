"""Where an OpenID provider says that a user has logged out."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from exchange.work import work
from jti_replay.decorators import reserve_jti


@csrf_exempt
@reserve_jti("logout")
def logout(request: HttpRequest) -> HttpResponse:
    """End the sessions of the user. If that fails, the provider can send the token again."""
    work(request)
    return HttpResponse()
