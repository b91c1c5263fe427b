"""The outcomes that hold for each kind of token, and by each guard: import all of it."""

from __future__ import annotations

from tests.rollback.test_commit_failures import (  # noqa: F401
    test_a_commit_that_is_refused_in_a_block_settles_nothing,
    test_a_commit_whose_reply_was_lost_leaves_the_token_used_up,
    test_a_connection_lost_at_commit_leaves_the_token_used_up,
    test_a_constraint_that_fails_at_commit_gives_the_token_back,
    test_a_rollback_that_is_interrupted_at_its_end_releases,
    test_a_serialization_failure_at_commit_gives_the_token_back,
    test_an_interrupted_commit_leaves_the_token_used_up,
)
from tests.rollback.test_on_commit import (  # noqa: F401
    test_a_callback_that_raises_after_the_commit_does_not_give_the_token_back,
    test_the_token_is_used_up_before_any_callback_runs,
)
from tests.rollback.test_outcomes import (  # noqa: F401
    test_a_swallowed_orm_error_gives_the_token_back,
    test_an_error_swallowed_around_an_inner_block_with_a_savepoint_uses_the_token_up,
    test_an_error_swallowed_around_an_inner_block_without_savepoint_gives_the_token_back,
    test_an_inner_commit_does_not_save_the_token_from_an_outer_rollback,
    test_on_postgresql_a_swallowed_sql_error_turns_commit_into_rollback_and_gives_back,
    test_set_rollback_and_a_normal_end_give_the_token_back,
    test_work_that_is_committed_uses_its_token_up,
    test_work_that_raises_gives_its_token_back,
)
from tests.rollback.test_savepoints import (  # noqa: F401
    test_a_rolled_back_savepoint_gives_back_at_once_what_was_reserved_in_it,
)
