"""The code on which the security rests, and the tests that are about it."""

from __future__ import annotations

from pathlib import Path

TESTS: dict[str, tuple[str, ...]] = {
    "jti_replay/tokens": ("tests/tokens", "tests/kinds", "tests/checks"),
    "jti_replay/admission": (
        "tests/decorator",
        "tests/kinds",
        "tests/checks",
        "tests/contrib",
        "tests/rollback",
    ),
    "jti_replay/rollback": ("tests/rollback", "tests/decorator", "tests/backends/database"),
    "jti_replay/reservation": (
        "tests/reservation",
        "tests/rollback",
        "tests/backends",
        "tests/decorator",
    ),
    "jti_replay/steps.py": ("tests/test_steps.py", "tests/backends", "tests/decorator"),
    "jti_replay/backends/base.py": ("tests/backends", "tests/decorator"),
    "jti_replay/backends/redis/scripts.py": ("tests/backends/redis",),
    "jti_replay/backends/database/statements": ("tests/backends/database",),
}
"""By module or package. For others, ``--tests`` says which."""


def tests_for(path: Path) -> tuple[str, ...]:
    """Return the tests that are about a module: all of them, if nothing is known of it."""
    for module, tests in TESTS.items():
        if path.is_relative_to(module):
            return tests
    return ("tests",)
