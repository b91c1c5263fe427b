"""The rules that make a token good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .issuers import IssuerRule
from .keys import KeySource
from .types import TypeRule


@dataclass(frozen=True, slots=True)
class TokenRules:
    """
    What a token must be like. They know no request, cache or setting. Times are in seconds.

    - ``keys``: where the key comes from. None: each token brings its own (RFC 7515 4.1.3).
    - ``algorithms``: the accepted ``alg`` values (RFC 8725 3.1).
    - ``issuers``: None accepts any, and tokens without ``iss``.
    - ``audiences``: empty accepts any, and tokens without ``aud``.
    - ``leeway``: the clock skew that is accepted on ``exp``, ``nbf`` and ``iat``.
    - ``max_lifetime``: how long a token may live. None: as long as it likes.
    - ``types``: the accepted ``typ`` values.
    - ``jti``: whether a token needs a jti, is known by its digest without one, or may lack it.
    - ``requires_exp``: whether a token needs an ``exp``. One that has it is held to it.
    - ``judges_iat``: whether an ``iat`` that is there is held against the clock.
    - ``max_age``: how old ``iat`` may be, which is then required. None: not judged.
    """

    keys: KeySource | None
    algorithms: tuple[str, ...]
    issuers: IssuerRule | None
    audiences: tuple[str, ...]
    leeway: float
    max_lifetime: float | None
    types: TypeRule
    jti: Literal["required", "digest", "ignored"]
    requires_exp: bool = True
    judges_iat: bool = True
    max_age: float | None = None
