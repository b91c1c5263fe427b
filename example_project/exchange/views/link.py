"""An invitation, which a link in a mail leads to."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from exchange.work import work
from jti_replay.decorators import reserve_jti


@reserve_jti("invitation")
def accept(request: HttpRequest) -> HttpResponse:
    """Show a form to people and mail scanners, and accept when the form is sent."""
    if request.method == "POST":
        work(request)
        return render(request, "pages/accepted.html")
    return render(request, "pages/invitation.html", {"subject": request.jwt_claims["sub"]})
