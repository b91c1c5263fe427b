"""The outcomes of tests/rollback, by the guards of REST framework and of Ninja."""

from __future__ import annotations

from tests.rollback.table import *  # noqa: F403
from tests.rollback.test_connections import (  # noqa: F401
    pytestmark,
    test_a_connection_lost_before_commit_gives_the_token_back,
    test_a_connection_lost_in_a_savepoint_gives_the_token_back,
    test_a_lost_connection_whose_error_is_swallowed_gives_the_token_back,
)
