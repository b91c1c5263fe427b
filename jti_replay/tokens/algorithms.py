"""
The signature algorithms (``alg``; RFC 7518 3.1), those of PyJWT and ``Ed25519``.

``Ed25519`` (RFC 9864 2.2) names what ``EdDSA`` with the curve of that name always was. Each
of the two names serves the other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import Algorithm, OKPAlgorithm

EDDSA, ED25519 = "EdDSA", "Ed25519"


class Ed25519Algorithm(OKPAlgorithm):
    """EdDSA with the curve Ed25519, and no other one."""

    def prepare_key(self, key: Any) -> Any:
        """Return the key object. Raises :exc:`jwt.InvalidKeyError` for another curve."""
        prepared = super().prepare_key(key)
        if not isinstance(prepared, Ed25519PublicKey):
            raise jwt.InvalidKeyError("The key is no public key of the curve Ed25519.")
        return prepared

    def verify(self, msg: str | bytes, key: Any, sig: str | bytes) -> bool:
        """Return whether a key of this curve made a signature."""
        return isinstance(key, Ed25519PublicKey) and super().verify(msg, key, sig)


def known() -> list[str]:
    """Return the names of all algorithms, in order."""
    return sorted({*jwt.PyJWS().get_algorithms(), ED25519} - {"none"})


@cache
def accepted(algorithms: tuple[str, ...]) -> frozenset[str]:
    """Return the ``alg`` values that are accepted where these algorithms are."""
    names = frozenset(algorithms)
    return names | {EDDSA, ED25519} if names & {EDDSA, ED25519} else names


def same(one: str, other: str) -> bool:
    """Return whether two names can mean one algorithm."""
    return one == other or {one, other} == {EDDSA, ED25519}


@cache
def algorithm_named(name: str, algorithms: tuple[str, ...]) -> Algorithm:
    """Return the algorithm that a name means where ``algorithms`` are accepted."""
    if name == ED25519 or (name == EDDSA and EDDSA not in algorithms):
        return Ed25519Algorithm()
    return jwt.get_algorithm_by_name(name)
