"""Where a transmitter pushes what has happened to accounts."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from exchange.work import work
from jti_replay.decorators import reserve_jti


@csrf_exempt
@reserve_jti("events")
def receive(request: HttpRequest) -> HttpResponse:
    """Act on an event. A duplicate is answered 202 as well, and this does not run."""
    work(request)
    return HttpResponse(status=202)
