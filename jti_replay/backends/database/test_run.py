"""Whether the tests of a project run in this process."""

from __future__ import annotations

import sys


def is_test_run() -> bool:
    """Return whether :func:`django.test.utils.setup_test_environment` is in effect."""
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")
