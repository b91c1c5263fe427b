"""The pages, and the endpoint of each kind of token."""

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path
from exchange.views import (
    audit,
    bearer,
    client_assertion,
    dpop,
    jwt_bearer_grant,
    link,
    logout_token,
    security_event,
)
from issuer.views import jwks

urlpatterns = [
    path(".well-known/jwks.json", jwks),
    path("exchange", bearer.exchange),
    path("clients/token", client_assertion.token),
    path("grants/token", jwt_bearer_grant.token),
    path("dpop/token", dpop.token),
    path("dpop/things", dpop.things),
    path("logout", logout_token.logout),
    path("events", security_event.receive),
    path("invitation", link.accept, name="invitation"),
    path("audit", audit.rows),
    path("admin/", admin.site.urls),
    # A site of its own lets its web server do this.
    path("static/<path:path>", serve, {"insecure": True}),
    path("", include("pages.urls")),
]
