"""``manage.py jti_replay release``: release a jti by its name."""

from __future__ import annotations

import argparse
import logging
from typing import Any, ClassVar

from django.core.management.base import CommandError

from jti_replay import conf
from jti_replay.reservation.digests import jti_digest, short_digest

from . import standard_input
from .operation import Operation, caches_named

logger = logging.getLogger("jti_replay")


class Release(Operation):
    """Lets the token of a jti pass once more."""

    summary: ClassVar[str] = (
        "Release a jti, so that its token is accepted again. The exit status is 1 if it was "
        "not reserved."
    )

    failure_note: ClassVar[str] = "The jti may still be reserved."

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        parser.add_argument(
            "--namespace", default="", help='The issuer (iss) of the token. "" by default.'
        )
        parser.add_argument(
            "--cache", default=conf.DEFAULT_ALIAS, help='The alias of its cache: "default".'
        )
        parser.add_argument("jti", help="The jti, or - to read it from standard input.")

    def handle(self, **options: Any) -> None:
        """Release it by its name, whichever reservation holds it."""
        [cache] = caches_named(options["cache"])
        namespace = options["namespace"]
        jti = standard_input.read("jti") if options["jti"] == "-" else options["jti"]
        if not jti:
            raise CommandError("The jti must not be empty.")
        freed = cache.release(jti, namespace=namespace)
        digest = short_digest(jti_digest(namespace, jti))
        if not freed:
            reason = f"No live entry {digest} of namespace {namespace!r} is in {cache.alias!r}."
            if not cache.is_shared:
                reason += " It is in the memory of each server process, out of reach from here."
            raise CommandError(reason)
        # The token will pass again: somebody may want to know why.
        logger.warning(
            "An operator released a jti: namespace=%r digest=%s cache=%r.",
            namespace,
            digest,
            cache.alias,
        )
        self.stdout.write(f"Released {digest} of namespace {namespace!r} in {cache.alias!r}.")
