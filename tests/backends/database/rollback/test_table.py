"""
The outcomes of tests/rollback, with a cache in the database itself. Those that are unknown to
any other cache are known to this one: see test_unknown.py.
"""

from __future__ import annotations

from tests.rollback.test_commit_failures import (  # noqa: F401
    pytestmark,
    test_a_constraint_that_fails_at_commit_gives_the_token_back,
    test_a_serialization_failure_at_commit_gives_the_token_back,
)
from tests.rollback.test_on_commit import (  # noqa: F401
    test_a_callback_is_not_needed_for_a_rollback_to_be_told,
    test_a_callback_that_raises_after_the_commit_does_not_give_the_token_back,
    test_the_token_is_used_up_before_any_callback_runs,
)
from tests.rollback.test_outcomes import (  # noqa: F401
    test_a_swallowed_orm_error_gives_the_token_back,
    test_an_error_swallowed_around_an_inner_block_with_a_savepoint_uses_the_token_up,
    test_an_inner_commit_does_not_save_the_token_from_an_outer_rollback,
    test_on_postgresql_a_swallowed_sql_error_turns_commit_into_rollback_and_gives_back,
    test_set_rollback_and_a_normal_end_give_the_token_back,
    test_work_that_is_committed_uses_its_token_up,
    test_work_that_raises_gives_its_token_back,
)
from tests.rollback.test_savepoints import (  # noqa: F401
    test_a_committed_savepoint_leaves_its_reservations_to_the_outer_one,
    test_a_reservation_bound_twice_stands_with_the_outer_one,
    test_a_rolled_back_savepoint_gives_back_at_once_what_was_reserved_in_it,
    test_a_savepoint_can_be_rolled_back_to_more_than_once,
    test_a_savepoint_made_by_hand_after_the_bind_keeps,
    test_a_savepoint_made_by_hand_before_the_bind_gives_back,
    test_a_swallowed_orm_error_in_a_savepoint_gives_back_what_was_reserved_in_it,
    test_a_view_within_a_savepoint_that_rolls_back_gives_its_token_back_at_once,
    test_of_nested_savepoints_each_gives_back_its_own,
)
