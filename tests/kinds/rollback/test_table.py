"""The table of outcomes, for a token of each kind."""

from __future__ import annotations

import pytest

from tests.rollback.table import *  # noqa: F403

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
