"""The code on which the security rests, and the tests that are about it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Tests(NamedTuple):
    """What is run for the mutants of a module: arguments of pytest."""

    quick: tuple[str, ...]
    """For each mutant."""
    more: tuple[str, ...] = ()
    """For those that have lived."""


WITHOUT_MARIADB = ("-k", "not mariadb")
"""To empty its tables takes longest."""

HOUSE = "tests/test_house.py"
"""About classes, which no test runs."""

CACHES = (
    "tests/backends/test_base.py",
    "tests/backends/test_claims.py",
    "tests/backends/test_conformance.py",
    "tests/backends/test_handler.py",
    "tests/backends/test_handover.py",
    "tests/backends/memory",
    "tests/decorator",
    "tests/reservation",
)

ROLLBACK = Tests(
    ("tests/rollback", "tests/backends/database/rollback", *WITHOUT_MARIADB),
    (HOUSE, "tests/backends/database", "tests/decorator"),
)

TESTS = {
    "jti_replay/tokens": Tests(
        (
            "tests/tokens",
            "tests/kinds/test_base.py",
            "tests/kinds/test_dpop_keys.py",
            "tests/kinds/test_dpop_nonces.py",
            "tests/kinds/test_dpop_proof.py",
        ),
        (HOUSE, "tests/docs/test_docs.py", "tests/checks", "tests/kinds"),
    ),
    "jti_replay/admission": Tests(
        ("tests/decorator", "tests/kinds", "tests/checks", "tests/contrib", *WITHOUT_MARIADB),
        (HOUSE, "tests/rollback", "tests/tokens", "tests/backends/database"),
    ),
    "jti_replay/rollback": ROLLBACK,
    "jti_replay/reservation/dispatch.py": ROLLBACK,
    "jti_replay/reservation/driver.py": ROLLBACK,
    "jti_replay/reservation/shield.py": ROLLBACK,
    "jti_replay/reservation": Tests(
        CACHES, (HOUSE, "tests/backends", "tests/kinds/test_cold_start.py")
    ),
    "jti_replay/steps.py": Tests(("tests/test_steps.py", *CACHES), ("tests/backends",)),
    "jti_replay/backends/base.py": Tests(CACHES, ("tests/backends", "tests/rollback")),
    "jti_replay/backends/redis/scripts.py": Tests(("tests/backends/redis",)),
    "jti_replay/backends/database/statements": Tests(("tests/backends/database",)),
}
"""By module or package. For others, ``--tests`` says which."""


def tests_for(path: Path) -> Tests:
    """Return the tests that are about a module: all of them, if nothing is known of it."""
    for module, tests in TESTS.items():
        if path.is_relative_to(module):
            return tests
    return Tests(("tests",))
