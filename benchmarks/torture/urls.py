"""The URLs of the tortured site: the example project's exchange, and those that misbehave."""

from django.urls import path
from exchange.views.bearer import exchange

from . import views

urlpatterns = [
    path("exchange", exchange),
    path("misbehaving/exchange", views.exchange),
    path("misbehaving/aexchange", views.aexchange),
]
