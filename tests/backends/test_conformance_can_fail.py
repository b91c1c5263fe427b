"""The conformance test finds every flaw that it is there to find."""

from __future__ import annotations

import unittest
from typing import ClassVar

import pytest
import time_machine
from django.test import SimpleTestCase

from jti_replay.backends.base import BaseReplayCache
from jti_replay.testing import ReplayCacheTests
from tests.backends import flawed, flawed_claims


def run(
    backend: type[BaseReplayCache],
    *names: str,
    down: type[BaseReplayCache] = flawed.Down,
) -> tuple[set[str], unittest.TestResult]:
    """Return the tests that failed, of those named or of all."""

    class Tests(ReplayCacheTests, SimpleTestCase):
        cache_settings: ClassVar = {"BACKEND": f"{backend.__module__}.{backend.__name__}"}
        unreachable_settings: ClassVar = {"BACKEND": f"{flawed.__name__}.{down.__name__}"}
        longest_wait = 1

        def setUp(self) -> None:
            super().setUp()
            self.traveller = self.enterContext(time_machine.travel(0x77777777, tick=True))

        def pass_time(self, seconds: float) -> None:
            self.traveller.shift(seconds)

    loader, result = unittest.TestLoader(), unittest.TestResult()
    suite = loader.loadTestsFromTestCase(Tests) if not names else unittest.TestSuite()
    suite.addTests(Tests(name) for name in names)
    suite.run(result)
    failed = {
        getattr(case, "test_case", case)._testMethodName
        for case, _ in [*result.failures, *result.errors]
    }
    return failed, result


def test_a_sound_cache_passes_all_of_it() -> None:
    failed, result = run(flawed.Sound)
    assert failed == set()
    assert result.skipped == []
    assert result.testsRun > 20


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        (flawed.AlwaysNew, "a_new_jti_is_reserved_and_a_seen_one_is_not"),
        (flawed.AlwaysNew, "one_thread_wins_a_race_for_a_jti"),
        (flawed.NeverNewAgain, "an_entry_lives_until_its_deadline_and_is_then_forgotten"),
        (flawed.ForgetsAtExpiry, "an_entry_lives_until_its_deadline_and_is_then_forgotten"),
        (flawed.VouchesForThePast, "a_cold_start_can_be_refused"),
        (flawed.RoundsDown, "the_shown_expiry_is_the_promised_one"),
        (flawed.RoundsDown, "an_entry_lives_until_its_deadline_and_is_then_forgotten"),
        (flawed.RoundsUpTooFar, "the_shown_expiry_is_the_promised_one"),
        (flawed.ReleasesWhoever, "a_reservation_never_frees_the_entry_of_another"),
        (flawed.ReleasesWhoever, "an_entry_lives_until_its_deadline_and_is_then_forgotten"),
        (flawed.ReleasesByJTI, "a_reservation_never_frees_the_entry_of_another"),
        (flawed.AlwaysSaysThatItReleased, "a_reservation_is_released_once"),
        (flawed.AlwaysSaysThatItReleased, "a_jti_is_released_by_its_name"),
        (flawed.FailsToReleaseWhatIsNotThere, "a_reservation_is_released_once"),
        (flawed.FailsToReleaseWhatIsNotThere, "a_jti_is_released_by_its_name"),
        (flawed_claims.ClaimsWhatWasTaken, "an_event_that_was_taken_is_not_claimed"),
        (
            flawed_claims.ClaimsTheJTI,
            "an_event_is_claimed_by_one_at_a_time",
        ),
        (flawed_claims.ClaimsForEver, "a_claim_lapses"),
        (flawed_claims.ClaimsTwice, "one_thread_wins_a_race_for_a_claim"),
        (flawed.KnowsNoNamespace, "pairs_of_namespace_and_jti_never_collide"),
        (flawed.JoinsNamespaceAndJTI, "pairs_of_namespace_and_jti_never_collide"),
        (flawed.JoinsNamespaceAndJTIWithNUL, "pairs_of_namespace_and_jti_never_collide"),
        (flawed.IgnoresCase, "jtis_are_compared_by_code_point"),
        (flawed.Normalises, "jtis_are_compared_by_code_point"),
        (flawed.CannotEncodeSurrogates, "jtis_are_compared_by_code_point"),
        (flawed.ReplacesSurrogates, "jtis_are_compared_by_code_point"),
        (flawed.CutsOffLongJTIs, "a_jti_may_be_of_any_length"),
        (flawed.TakesAnyJTI, "what_is_no_jti_or_namespace_is_refused"),
        (flawed.TakesAnyExpiry, "what_is_no_expiry_is_refused_and_loses_nothing"),
        (flawed.ReservesBeforeItLooks, "what_is_no_expiry_is_refused_and_loses_nothing"),
        (flawed.ChecksThenSets, "one_thread_wins_a_race_for_a_jti"),
        (flawed.ChecksThenSets, "one_task_wins_a_race_for_a_jti"),
        (flawed.ComparesThenDeletes, "one_thread_wins_a_race_to_release"),
        (flawed.RemembersPerThread, "one_thread_wins_a_race_for_a_jti"),
        (flawed.RemembersPerFlavour, "a_new_jti_is_reserved_and_a_seen_one_is_not"),
        (flawed.RemembersPerFlavour, "event_loops_share_what_is_remembered"),
        (flawed.EvictsWhenItHoldsMany, "threads_with_jtis_of_their_own_all_win"),
        (flawed.EvictsWhenItHoldsMany, "tasks_with_jtis_of_their_own_all_win"),
        (flawed.ForgetsWhenClosed, "close_forgets_nothing"),
        (flawed.ForgetsWhenClosedAsynchronously, "close_forgets_nothing"),
        (flawed.CountsReplays, "count_is_exact_or_none"),
        (flawed.CountsNothingAsynchronously, "count_is_exact_or_none"),
        (flawed.Complains, "good_settings_pass_the_checks"),
        (flawed.GivesReservationsThatAreFalse, "a_reservation_tells_what_it_holds"),
        (flawed.GivesReservationsThatAreFalse, "a_reservation_cannot_be_changed"),
    ],
)
def test_a_flaw_is_found(backend: type[BaseReplayCache], name: str) -> None:
    failed, _ = run(backend, f"test_{name}")
    assert failed == {f"test_{name}"}


@pytest.mark.parametrize(
    "down",
    [
        flawed.SaysNewWhenDown,
        flawed.SaysSeenWhenDown,
        flawed.SaysReleasedWhenDown,
        flawed.WaitsLongWhenDown,
    ],
)
def test_a_failure_that_is_hidden_or_late_is_found(down: type[BaseReplayCache]) -> None:
    name = "test_a_failure_of_the_store_is_an_error"
    failed, _ = run(flawed.Sound, name, down=down)
    assert failed == {name}
