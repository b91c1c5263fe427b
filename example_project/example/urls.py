"""The issuer's keys, the exchange, and what the exchange has written down."""

from django.urls import path
from exchange.views import audit, exchange
from issuer.views import jwks

urlpatterns = [
    path(".well-known/jwks.json", jwks),
    path("exchange", exchange),
    path("audit", audit),
]
