"""A page for each kind of token, and what their scripts ask for."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("stream", views.stream, name="stream"),
    path("mint/<slug:slug>", views.mint, name="mint"),
    path("<slug:slug>/", views.story, name="story"),
]
