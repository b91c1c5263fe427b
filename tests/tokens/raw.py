"""Parts of tokens as bytes, which a library would not write."""

from __future__ import annotations

import json
from typing import Any

from .tokens import good_claims

HEADER = b'{"alg":"HS256","typ":"JWT"}'

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The number of points on the curve P-256."""


def payload(**claims: Any) -> bytes:
    return json.dumps(good_claims(**claims)).encode()
