"""The names that the tests of events tell of."""

from __future__ import annotations

from jti_replay.reservation.digests import jti_digest

JTI = "a jti that no reader may see"
NAMESPACE = "https://issuer.example\nforged: line\r\u2028\x1b[0m"
DIGEST = jti_digest(NAMESPACE, JTI).hex()[:16]
