"""What is set up when Django starts."""

from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed

from . import conf
from .backends.checks import load_backend
from .checks import check_deployment, check_settings, check_stores


class JTIReplayConfig(AppConfig):
    """Registers the checks and the receivers of this app."""

    name = "jti_replay"
    verbose_name = "JWT replay protection"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register them."""
        from .rollback.receivers import release_rolled_back
        from .signals import transaction_rolled_back

        checks.register(check_settings)
        checks.register(check_deployment, deploy=True)
        checks.register(check_stores, checks.Tags.database)
        setting_changed.connect(follow_settings)
        transaction_rolled_back.connect(release_rolled_back)
        import_backends()


def import_backends() -> None:
    """
    Import the backends of the caches, so that the first request does not wait for it.

    Some import a client library, which takes half a second, and no ``timeout`` bounds that.
    """
    for _, params in conf.entries(conf.caches()):
        with suppress(ImportError):  # The checks say so, and each use of the cache.
            load_backend(params.get("BACKEND"))


def follow_settings(*, setting: str, **kwargs: Any) -> None:
    """Forget caches and profiles when a test changes their settings."""
    if setting in conf.FOLLOWED_SETTINGS:
        from .caches import replay_caches
        from .profiles import reset

        replay_caches.reset()
        reset()
