"""The command that visits each kind of token."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tour.site import Site
from tour.transcript import Transcript
from tour.visits import Visits


class Command(BaseCommand):
    """Sends good requests, replays, failures and races to the running server."""

    help = "Visit each kind of token on the running server, and say what the answers mean."

    def handle(self, **options: Any) -> None:
        default = "Redis" if settings.REDIS_URL else "memory"
        transcript = Transcript(self.stdout.write, in_color=self.stdout.isatty())
        caches = f"jtis in {default}, those of events and links in the database"
        transcript.head(settings.EXAMPLE_URL, caches)
        Visits(Site(settings.EXAMPLE_URL), transcript).all()
        if not transcript.foot():
            raise CommandError("The server does not keep what is promised.")
