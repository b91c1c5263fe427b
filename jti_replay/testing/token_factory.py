"""Good tokens for the tests of a project."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Self, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from jti_replay.kinds.client_assertion import ClientAssertion
from jti_replay.kinds.dpop import DPoP
from jti_replay.kinds.link import Link
from jti_replay.kinds.logout_token import EVENT as LOGOUT
from jti_replay.kinds.logout_token import LogoutToken
from jti_replay.kinds.security_event import SecurityEvent
from jti_replay.kinds.thumbprint import sha256_base64url, thumbprint
from jti_replay.kinds.uris import normalized_uri
from jti_replay.links import sign_claims
from jti_replay.profiles import Profile, get_profile, put_profile
from jti_replay.profiles.access_token import JudgedByRules
from jti_replay.tokens.rules import TokenRules

from .ephemeral_keys import EphemeralKey

F = TypeVar("F", bound=Callable[..., Any])

LIFETIME = 60
"""Seconds for which the tokens of a test live."""

CLAIMS: dict[type[Any], dict[str, Any]] = {
    ClientAssertion: {"iss": "client", "sub": "client"},
    LogoutToken: {"sub": "user", "sid": "session", "events": {LOGOUT: {}}},
    SecurityEvent: {"exp": None, "events": {"https://example.com/event": {}}},
}
"""The claims of a good token by its kind, beyond those that all have. None: it lacks it."""


class TokenFactory:
    """
    Makes tokens that a profile accepts, by a key of its own.

    It is a context manager, which gives the factory, and a decorator for sync and async
    functions. Inside, the key of the profile is another one, and nothing else changes: what
    was used stays used. Blocks may be nested.

    ::

        with TokenFactory("ci") as tokens:
            response = client.post("/exchange", **tokens.request(tokens.token(sub="job")))
    """

    def __init__(self, profile: str = "default") -> None:
        self._name = profile
        self._before: list[Profile] = []
        self._keys: dict[str, EphemeralKey] = {}

    def __enter__(self) -> Self:
        profile = get_profile(self._name)
        self._before.append(profile)
        put_profile(self._name, self._with_own_key(profile))
        return self

    def __exit__(self, *exception: object) -> None:
        put_profile(self._name, self._before.pop())

    def __call__(self, function: F) -> F:
        """Decorate a function, sync or async, so that it runs in the block."""
        if iscoroutinefunction(function):

            @wraps(function)
            async def inside(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def inside(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return cast("F", inside)

    def token(self, **claims: Any) -> str:
        """
        Return a new token with these claims, beside those that make it good. None leaves a
        claim out.

        For DPoP at a resource it is the access token, bound to the key of :meth:`proof`.
        """
        profile = self._profile()
        if isinstance(profile.kind, Link):
            return sign_claims(profile, self._claims(profile.rules, claims))
        if isinstance(profile.access_token, JudgedByRules):
            confirmation = {"cnf": {"jkt": thumbprint(self._proof_key().public_jwk())}}
            return self._sign(profile.access_token.rules, {**confirmation, **claims})
        if isinstance(profile.kind, DPoP):
            raise TypeError(
                f"The profile {self._name!r} takes proofs, and judges access tokens by a "
                "function or not at all. Use proof()."
            )
        return self._sign(profile.rules, {**CLAIMS.get(type(profile.kind), {}), **claims})

    def proof(
        self,
        method: str,
        url: str,
        access_token: str | None = None,
        nonce: str | None = None,
        **claims: Any,
    ) -> str:
        """
        Return a new DPoP proof (RFC 9449 4.2) for a request.

        ``url`` is the whole one, or the path at ``http://testserver``, as Django's client
        has it.
        """
        key = self._proof_key()
        target = url if "://" in url else f"http://testserver{url}"
        made = {
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": normalized_uri(target),
            "iat": int(time.time()),
            "ath": None if access_token is None else sha256_base64url(access_token),
            "nonce": nonce,
            **claims,
        }
        header = {"typ": "dpop+jwt", "alg": key.name, "jwk": key.public_jwk()}
        return key.sign(header, _present(made))

    def request(self, token: str | None, proof: str | None = None) -> dict[str, Any]:
        """
        Return the keyword arguments with which a client of Django's or of REST framework's
        sends a token: ``client.post(url, **tokens.request(token))``.
        """
        if proof is None:
            return self._profile().kind.carry(token or "")
        headers = {"DPoP": proof}
        if token is not None:
            headers["Authorization"] = f"DPoP {token}"
        return {"headers": headers}

    def _profile(self) -> Profile:
        if not self._before:
            raise RuntimeError("Use the factory in a with statement, or as a decorator.")
        return get_profile(self._name)

    def _with_own_key(self, profile: Profile) -> Profile:
        judge = profile.access_token
        if isinstance(judge, JudgedByRules):
            rules = replace(judge.rules, keys=self._key(judge.rules))
            return replace(profile, access_token=replace(judge, rules=rules))
        if isinstance(profile.kind, DPoP | Link):
            return profile  # A proof brings its key, and links are signed as ever.
        return replace(profile, rules=replace(profile.rules, keys=self._key(profile.rules)))

    def _key(self, rules: TokenRules) -> EphemeralKey:
        algorithm = rules.algorithms[0]
        return self._keys.setdefault(algorithm, EphemeralKey(algorithm))

    def _proof_key(self) -> EphemeralKey:
        algorithm = self._profile().kind.algorithms[0]
        return self._keys.setdefault(f"proof {algorithm}", EphemeralKey(algorithm))

    def _sign(self, rules: TokenRules, claims: Mapping[str, Any]) -> str:
        accepted = rules.types.accepted or {"JWT"}
        typ = sorted(accepted)[0].removeprefix("application/")
        key = self._key(rules)
        return key.sign({"typ": typ, "alg": key.name}, self._claims(rules, claims))

    def _claims(self, rules: TokenRules, claims: Mapping[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        names = rules.issuers.names if rules.issuers else ()
        lifetime = LIFETIME if rules.max_lifetime is None else min(LIFETIME, rules.max_lifetime)
        good = {
            "iss": names[0] if names else None,
            "aud": rules.audiences[0] if rules.audiences else None,
            "sub": "subject",
            "iat": now,
            "exp": now + lifetime,
            "jti": uuid.uuid4().hex,
        }
        return _present({**good, **claims})


def _present(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
