"""A published key (JWK; RFC 7517 4), and what it can verify."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

from .algorithms import ED25519, EDDSA, algorithm_named, known, same
from .quoting import cut, shown

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512", "ES521"),
    ("EC", "secp256k1"): ("ES256K",),
    ("OKP", "Ed25519"): (EDDSA, ED25519),
    ("OKP", "Ed448"): (EDDSA,),
}
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")

COORDINATE_BYTES = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32}

KNOWN_ALGORITHMS = frozenset(known())

ENCRYPTION_CURVES = ("X25519", "X448")
ENCRYPTION_ALGORITHMS = ("RSA1_5", "RSA-OAEP", "ECDH-", "dir", "A128", "A192", "A256", "PBES2")
"""The first letters of the names of algorithms that encrypt keys (RFC 7518 4.1)."""

PRIVATE_MEMBERS = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
"""The members of a private key or secret (RFC 7518 6.2.2, 6.3.2, 6.4)."""


class UnusableKey(Exception):
    """Raised for a key that cannot verify a signature. Its text says why."""


class PublishedKey(NamedTuple):
    """A key object for PyJWT, its id, and the ``alg`` values that it fits."""

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any
    too_short: str | None
    """What PyJWT says of its length, if it is not long enough."""


def read_key(jwk: Any, *, secrets: bool) -> PublishedKey | None:
    """
    Return the key that a JWK describes, or None for one that encrypts.

    A member that is null is as good as absent. ``secrets``: whether a symmetric key is one.
    Raises :exc:`UnusableKey`.
    """
    if not isinstance(jwk, dict):
        raise UnusableKey("It is no JSON object.")
    jwk = {name: value for name, value in jwk.items() if value is not None}
    if _encrypts(jwk):
        return None
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise UnusableKey(f"Its kid is not a string but {shown(kid)}.")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey(f"Its use is {shown(jwk['use'])}, not 'sig'.")
    family = _family(jwk, secrets)
    name, *_ = family  # Each of them reads the key in the same way.
    algorithm = algorithm_named(name, family)
    try:
        key = algorithm.from_jwk(_with_whole_coordinates(jwk))
        too_short = algorithm.check_key_length(key)
    except Exception as error:  # Its members may be anything.
        raise UnusableKey(cut(f"{type(error).__name__}: {error}")) from error
    return PublishedKey(kid, _fitting(jwk, family), key, too_short)


def _encrypts(jwk: dict[str, Any]) -> bool:
    algorithm, operations = jwk.get("alg"), jwk.get("key_ops")
    return (
        jwk.get("use") == "enc"
        or jwk.get("crv") in ENCRYPTION_CURVES
        or (isinstance(algorithm, str) and algorithm.startswith(ENCRYPTION_ALGORITHMS))
        or (
            isinstance(operations, list)
            and bool(operations)
            and not any(operation in ("verify", "sign") for operation in operations)
        )
    )


def _family(jwk: dict[str, Any], secrets: bool) -> tuple[str, ...]:
    """Return what a key can verify by its ``kty`` and ``crv`` (RFC 7518 6)."""
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "oct":
        if secrets:
            return SECRET_ALGORITHMS
        raise UnusableKey("It is a secret (kty oct), which is worth nothing once published.")
    if PRIVATE_MEMBERS & jwk.keys():
        raise UnusableKey("It is a private key, which anybody can sign with.")
    if kty == "RSA":
        return RSA_ALGORITHMS
    if kty not in ("EC", "OKP"):
        raise UnusableKey(f"Its kty is {shown(kty)}, not RSA, EC or OKP.")
    for (name, curve), algorithms in CURVE_ALGORITHMS.items():
        if (name, curve) == (kty, crv):
            return algorithms
    raise UnusableKey(f"Its crv is {shown(crv)}, which no known algorithm uses.")


def _fitting(jwk: dict[str, Any], family: tuple[str, ...]) -> tuple[str, ...]:
    algorithm = jwk.get("alg")
    if algorithm is None:
        return family
    if not isinstance(algorithm, str) or algorithm not in KNOWN_ALGORITHMS:
        raise UnusableKey(f"Its alg is {shown(algorithm)}, which is not known.")
    fitting = tuple(name for name in family if same(name, algorithm))
    if not fitting:
        raise UnusableKey(f"Its alg is {algorithm}, which does not fit its kty or crv.")
    return fitting


def _with_whole_coordinates(jwk: dict[str, Any]) -> dict[str, Any]:
    """
    Return an EC key whose coordinates are as long as RFC 7518 6.2.1.2 asks for.

    Some issuers leave out leading zeros, or add one. The number is the same, and a point that
    is not on the curve is refused as any other.
    """
    size = COORDINATE_BYTES.get(jwk["crv"]) if jwk["kty"] == "EC" else None
    if size is None:
        return jwk
    # Padding that is not needed is ignored.
    return jwk | {
        name: urlsafe_b64encode(
            urlsafe_b64decode(jwk[name] + "==").lstrip(b"\0").rjust(size, b"\0")
        ).decode()
        for name in ("x", "y")
    }
