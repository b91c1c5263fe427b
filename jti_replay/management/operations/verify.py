"""``manage.py jti_replay verify``: what would become of a token, and why."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from jti_replay import KeysUnavailable, TokenError, conf, replay_caches
from jti_replay.doctor.cold_start import iso
from jti_replay.doctor.time_limit import LIMIT, within
from jti_replay.profiles.profile import Profile, get_profile
from jti_replay.profiles.verification import verify_by
from jti_replay.reservation.cold_start import earliest_use, refuse_cold_start
from jti_replay.reservation.digests import jti_digest, short_digest
from jti_replay.tokens.verification import VerifiedToken

from . import standard_input
from .operation import Operation

SHOWN = ("iss", "aud", "sub")


class Verify(Operation):
    """Verifies a token by each profile. Nothing is reserved, and the token is not shown."""

    summary: ClassVar[str] = (
        "Say which profile takes a token, and why the others do not. Nothing is reserved. The "
        "exit status is 1 if none takes it."
    )

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Describe its arguments."""
        parser.add_argument("--profile", help="The name of one profile. All by default.")
        parser.add_argument(
            "token",
            nargs="?",
            default="-",
            help="The token. Without it, or with -, it is read from standard input: better, "
            "for the shell keeps arguments.",
        )

    def handle(self, **options: Any) -> None:
        """Try one profile after the other."""
        profiles = _profiles_named(options["profile"])
        given = options["token"]
        token = (standard_input.read("token") if given == "-" else given).strip()
        judged = [self._judge_and_name_keys(token, profile) for profile in profiles]
        if not any(judged):
            raise CommandError("No profile takes it.")

    def _judge_and_name_keys(self, token: str, profile: Profile) -> bool:
        is_taken = self._judge(token, profile)
        if profile.rules.keys is not None and (unusable := profile.rules.keys.unusable):
            self.stdout.write(f"  {self.style.WARNING('unusable keys')}  {unusable}")
        return is_taken

    def _judge(self, token: str, profile: Profile) -> bool:
        try:
            verified = verify_by(profile, token)
        except KeysUnavailable as error:
            verdict = self.style.WARNING("cannot be told, answered 503")
            self.stdout.write(f"{profile.name}: {verdict}: {error}")
            return False
        except TokenError as error:
            verdict = self.style.ERROR("refused")
            self.stdout.write(f"{profile.name}: {verdict}: {error.explanation}")
            return False
        except ImproperlyConfigured as error:
            self.stdout.write(
                f"{profile.name}: {self.style.WARNING('cannot be told')}: {error}"
            )
            return False
        return self._judge_memory(verified, profile)

    def _judge_memory(self, token: VerifiedToken, profile: Profile) -> bool:
        cold = _cold_start(token.claims, profile)
        if cold is None:
            self.stdout.write(
                f"{profile.name}: {self.style.SUCCESS('accepted')}, unless it has been used."
            )
        else:
            verdict = self.style.WARNING("verified, but answered 503")
            self.stdout.write(f"{profile.name}: {verdict}: {cold}")
        for name, value in _described(token, profile).items():
            self.stdout.write(f"  {name:<8}  {value}")
        return cold is None


def _profiles_named(name: str | None) -> list[Profile]:
    names = conf.profiles() if name is None else [name]
    if not names:
        raise CommandError("JTI_REPLAY has no profile.")
    try:
        return [get_profile(each) for each in names]
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def _cold_start(claims: Mapping[str, Any], profile: Profile) -> Exception | None:
    """Return why the cache would not vouch for a token, or None if it would."""
    cache = replay_caches[profile.cache]
    if not (cache.refuses_cold_start and cache.is_shared):
        return None  # The memory of server processes cannot be asked from here.
    since = earliest_use(
        profile.kind.made_at(claims),
        now=time.time(),
        leeway=profile.rules.leeway,
        max_lifetime=profile.rules.max_lifetime or 0,
    )
    outcome = within(
        LIMIT, {"memory": lambda: refuse_cold_start(cache.complete_since(), since)}
    )
    return outcome["memory"]


def _described(token: VerifiedToken, profile: Profile) -> dict[str, str]:
    claims, kind, now = token.claims, profile.kind, time.time()
    last = kind.expires_at(claims)
    until = (
        "" if last is None else f", until {iso(last + profile.retention_margin)} at the least"
    )
    digest = short_digest(jti_digest(kind.namespace(claims), token.jti))
    return {
        # What an issuer wrote may hold line breaks, or what moves a terminal's cursor.
        **{name: ascii(claims[name]) for name in SHOWN if name in claims},
        **(
            {"exp": f"{iso(claims['exp'])}, in {claims['exp'] - now:.0f} s"}
            if "exp" in claims
            else {}
        ),
        "jti": f"{digest} (its digest)",
        "reserves": f"in cache {profile.cache!r}{until}",
    }
