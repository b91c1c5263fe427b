"""The checks that Django runs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from jti_replay import conf

from . import caches, deployment, profiles
from .mappings import check_mapping


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Refuse every setting of this app that cannot work."""
    messages = check_mapping(
        conf.SETTING, getattr(settings, conf.SETTING, {}), ("CACHES", "PROFILES")
    )
    if not isinstance(getattr(settings, conf.SETTING, {}), dict):
        return messages
    for section, check_section, check_each in (
        (conf.caches(), caches.check_section, caches.check_cache),
        (conf.profiles(), profiles.check_section, profiles.check_profile),
    ):
        messages += check_section(section)
        if isinstance(section, dict):
            for name, params in section.items():
                messages += check_each(name, params)
    return messages


def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn of what works, but is not safe enough to be deployed."""
    return deployment.warnings(conf.caches(), conf.profiles())
