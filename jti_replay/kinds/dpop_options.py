"""The ``OPTIONS`` of a profile for DPoP proofs, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from jti_replay.conf.rules import wrong_type

from .uris import normalized_origin

RESOURCE, TOKEN_ENDPOINT = "resource", "token_endpoint"

KNOWN = frozenset({"at", "access_token", "origin", "nonces"})


def is_for_resource(options: Mapping[str, Any]) -> bool:
    """Return whether the proofs are for a resource, where each comes with an access token."""
    return options.get("at") != TOKEN_ENDPOINT


def origins(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the schemes and hosts that proofs may name, in their normal form."""
    value = options.get("origin", ())
    return tuple(map(normalized_origin, [value] if isinstance(value, str) else value))


def check_options(where: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Refuse options that cannot work, except for ``access_token``."""
    messages: list[CheckMessage] = []
    if options.get("at", RESOURCE) not in (RESOURCE, TOKEN_ENDPOINT):
        messages.append(
            Error(
                f'{where}["at"] must be {RESOURCE!r} or {TOKEN_ENDPOINT!r}.',
                hint=f"Set {RESOURCE!r} where access tokens are used, and {TOKEN_ENDPOINT!r} "
                "where they are issued.",
                id="jti_replay.E014",
            )
        )
    if not isinstance(options.get("nonces", False), bool):
        messages.append(wrong_type(f'{where}["nonces"]', options["nonces"], "a bool"))
    if "origin" in options:
        messages += _check_origin(f'{where}["origin"]', options["origin"])
    return messages


def deployment_warnings(where: str, params: Mapping[str, Any]) -> Iterable[CheckMessage]:
    """Warn of a scheme and host that are the request's own, where any host is accepted."""
    options = params.get("OPTIONS", {})
    any_host = any(host.startswith(("*", ".")) for host in settings.ALLOWED_HOSTS)
    if any_host and isinstance(options, Mapping) and "origin" not in options:
        yield Warning(
            f'{where}["OPTIONS"] has no "origin" while ALLOWED_HOSTS has a wildcard: a proof '
            "that was made for another host is accepted if the request claims to be for it.",
            hint="Set 'origin' to the scheme and host that clients use.",
            id="jti_replay.W030",
        )


def _check_origin(where: str, value: Any) -> list[CheckMessage]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return [wrong_type(where, value, "a str or a list of str")]
    wrong = [name for name in names if not _is_origin(name)]
    if names and not wrong:
        return []
    problem = f"holds {wrong[0]!r}, which is no scheme and host" if wrong else "is empty"
    return [
        Error(
            f"{where} {problem}.",
            hint="Name what stands before the path in the URLs that clients use, such as "
            "'https://api.example.com', without a slash at the end.",
            id="jti_replay.E051",
        )
    ]


def _is_origin(name: str) -> bool:
    try:
        normalized_origin(name)
    except ValueError:
        return False
    return True
