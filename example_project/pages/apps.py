"""The pages of the example."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """Notes on the board what the signals of jti_replay tell."""

    name = "pages"

    def ready(self) -> None:
        from . import receivers

        receivers.connect()
