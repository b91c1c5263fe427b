"""
System checks: every setting that cannot work is refused with a stable id and a hint.

The same rules are applied when a cache or a profile is first used, because a server such as
gunicorn starts without running ``manage.py check``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from . import conf
from .admission.checks import check_views
from .backends import checks as caches
from .caches import replay_caches
from .conf.rules import check_mapping
from .doctor.examination import examine
from .profiles import checks as profiles

NOT_FOR = ("migrate", "test")
"""
Commands that run the checks of a database unasked. The one creates the table that a check
misses, and neither should need the servers of a site.
"""


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse every setting of this app that cannot work."""
    messages = check_mapping(
        conf.SETTING, getattr(settings, conf.SETTING, {}), ("CACHES", "PROFILES")
    )
    if not isinstance(getattr(settings, conf.SETTING, {}), dict):
        return messages
    check_cache: Callable[..., list[CheckMessage]] = partial(
        caches.check_cache, app_configs=app_configs, **kwargs
    )
    for section, check_section, check_each in (
        (conf.caches(), caches.check_section, check_cache),
        (conf.profiles(), profiles.check_section, profiles.check_profile),
    ):
        messages += check_section(section)
        if isinstance(section, dict):
            for name, params in section.items():
                messages += check_each(name, params)
    messages += check_views()
    return messages


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn of what works, but is not safe enough to be deployed."""
    return [*caches.deployment_warnings(), *profiles.deployment_warnings()]


def check_stores(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """
    Repeat what ``manage.py jti_replay doctor`` finds, for ``check --database``.

    Of the caches in databases only those are asked whose database is named. Asking takes time
    and a network, so it is opt-in.
    """
    if not databases or any(command in NOT_FOR for command in sys.argv[1:2]):
        return []
    try:
        configured = replay_caches.all()
    except ImproperlyConfigured:
        return []  # The other checks say what is wrong.
    found = examine(
        cache for cache in configured if cache.database is None or cache.database in databases
    )
    return [
        (Error if finding.level == "error" else Warning)(
            f"The replay cache {alias!r}, {finding.key}: {finding.text}",
            hint=finding.hint,
            id=finding.check,
        )
        for alias, findings in found.items()
        for finding in findings
        if finding.level != "ok"
    ]
