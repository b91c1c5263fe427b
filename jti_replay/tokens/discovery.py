"""The keys of issuers that are found by OpenID Connect Discovery, each issuer's for itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from jti_replay.conf.forks import new_lock
from jti_replay.exceptions import KeysUnavailable

from .fetch import FetchError
from .jwks import RemoteKeys
from .jwks_options import JwksOptions
from .locations import DiscoveredIssuer
from .parsing import UnverifiedToken
from .quoting import shown

MOST_ISSUERS = 100
"""How many issuers' keys are held."""

MOST_FETCHES = 20
"""How many issuers' keys are fetched at once, each in a thread."""


class DiscoveredKeys:
    """
    The keys of every issuer that the rules accept.

    Beyond :data:`MOST_ISSUERS`, the least recently used go; first those whose keys could not
    be had, so that made-up issuers do not push out real ones.
    """

    def __init__(self, options: JwksOptions) -> None:
        self._options = options
        self._lock = new_lock()
        self._issuers: OrderedDict[str, RemoteKeys] = OrderedDict()

    def get(self, token: UnverifiedToken) -> Sequence[Any]:
        """Return the keys of the token's issuer that fit it. Waits for a fetch if it must."""
        return self._keys_of(token).get(token)

    async def aget(self, token: UnverifiedToken) -> Sequence[Any]:
        """Async version of :meth:`get`."""
        return await self._keys_of(token).aget(token)

    @property
    def unusable(self) -> str:
        """The keys that cannot be used, of all issuers, with the reasons."""
        return " ".join(
            f"{shown(issuer)}: {keys.unusable}"
            for issuer, keys in self._issuers.copy().items()
            if keys.unusable
        )

    def _keys_of(self, token: UnverifiedToken) -> RemoteKeys:
        issuer = token.claims["iss"]
        with self._lock:
            keys = self._issuers.get(issuer)
            if keys is None:
                keys = self._issuers[issuer] = self._new(issuer)
            else:
                self._issuers.move_to_end(issuer)
            return keys

    def _new(self, issuer: str) -> RemoteKeys:
        location = DiscoveredIssuer(issuer, self._options)
        try:
            location.check()
        except FetchError as error:
            raise KeysUnavailable(
                f"The keys of the issuer {shown(issuer)} cannot be found. {error}"
            ) from error
        fetching = [name for name, keys in self._issuers.items() if keys.is_fetching]
        if len(fetching) >= MOST_FETCHES:
            raise KeysUnavailable(
                f"The keys of {MOST_FETCHES} issuers are being fetched. {shown(issuer)} has to "
                "wait."
            )
        if len(self._issuers) >= MOST_ISSUERS:
            self._make_room(fetching)
        return RemoteKeys(location, self._options)

    def _make_room(self, fetching: Sequence[str]) -> None:
        idle = [name for name in self._issuers if name not in fetching]
        without_keys = [name for name in idle if not self._issuers[name].has_keys]
        del self._issuers[(without_keys or idle)[0]]
