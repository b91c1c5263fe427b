"""The torture run: that it can tell a set-up that forgets from one that does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.torture import matrix, report, setups, shared_state
from benchmarks.torture.databases import SQLite
from benchmarks.torture.oracle import judge
from benchmarks.torture.run import Plan, run
from benchmarks.torture.setups import SETUPS
from benchmarks.torture.shared_state import SharedState
from tests.servers import missing
from tests.servers.redis import MISSING, redis_executable

ROOT = Path(__file__).parent.parent
PAGE = report.PAGE.read_text()
SMALL = Plan(150, 300, late=0.4)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SharedState]:
    """A shared state by which every client was told that its token was accepted."""
    with SharedState(tmp_path / "state", 4) as state:
        for token in range(4):
            state.outcome[token] = shared_state.ACCEPTED
        yield state


def once(tokens: int) -> dict[str, int]:
    return {f"{token}.0": 1 for token in range(tokens)}


def test_a_run_without_a_double_use_is_as_promised(state: SharedState) -> None:
    """A run in which each token was accepted once has nothing that is wrong."""
    verdict = judge(state, once(4))
    assert (verdict.tokens, verdict.accepted_twice, verdict.lost_work) == (4, 0, 0)
    assert (verdict.refused, verdict.unexplained, verdict.unfinished) == ({}, 0, 0)
    assert verdict.hangs == 0


def test_the_oracle_sees_work_that_was_done_twice(state: SharedState) -> None:
    """A token with two rows in the audit table was accepted twice."""
    assert judge(state, once(4) | {"2.0": 2}).accepted_twice == 1


def test_the_oracle_sees_work_that_was_promised_twice(state: SharedState) -> None:
    """A token was accepted twice if two clients were told so, and one row is there."""
    state.told[0][2] = state.told[3][2] = 1
    assert judge(state, once(4)).accepted_twice == 1


def test_a_new_token_of_the_same_client_is_another_token(state: SharedState) -> None:
    """A client that had to get a new token has not used one twice."""
    state.fate[0][1] = shared_state.COLD
    verdict = judge(state, once(4) | {"1.1": 1})
    assert (verdict.accepted_twice, verdict.renewed) == (0, 1)


def test_the_oracle_sees_work_that_is_lost(state: SharedState) -> None:
    """Work that a client was promised is in the audit table, or lost."""
    assert judge(state, once(3)).lost_work == 1


def test_the_oracle_asks_why_a_client_was_refused(state: SharedState) -> None:
    """A client that was refused for good has a cause, or is unexplained."""
    state.outcome[3] = shared_state.REPLAYED
    assert judge(state, once(3)).unexplained == 1
    state.fate[5][3] = shared_state.UNANSWERED  # Another client saw it.
    verdict = judge(state, once(3))
    assert verdict.refused == {"a worker was killed with the token in hand": 1}
    assert verdict.unexplained == 0


def test_a_client_that_goes_away_is_refused_only_from_the_view(state: SharedState) -> None:
    """A client that went away before the view ran has no cause to be refused."""
    state.outcome[3] = shared_state.REPLAYED
    state.fate[0][3] = shared_state.WENT_AWAY
    assert judge(state, once(3), setups.CLIENTS_GO_AWAY).unexplained == 1
    state.entered[3] = 1
    assert judge(state, once(3), setups.CLIENTS_GO_AWAY).unexplained == 0
    assert judge(state, once(3), setups.WORKERS_FORK).unexplained == 1


def test_a_client_without_an_answer_is_unfinished(state: SharedState) -> None:
    """A client that gave up, or still tries at the end, is unfinished."""
    state.outcome[0], state.outcome[1] = shared_state.GAVE_UP, shared_state.PENDING
    verdict = judge(state, {"2.0": 1, "3.0": 1})
    assert verdict.unfinished == 2


def test_no_set_up_may_hang(state: SharedState) -> None:
    """A request that did not end in time is not as promised."""
    state.hung[2] = 1
    verdict = judge(state, once(4))
    assert verdict.hangs == 1
    assert not report.is_as_promised(asdict(verdict) | {"promised": True})


def test_a_tiny_run_finds_out_that_a_set_up_forgets(tmp_path: Path) -> None:
    """The others are run by ``python -m benchmarks.torture --quick``."""
    if redis_executable() is None:
        missing(MISSING)
    result = run(SETUPS[0], setups.REDIS_FLUSHED, SQLite(tmp_path), tmp_path, SMALL)
    assert result is not None
    assert result["faults"] > 0
    assert result["requests"] >= 3 * result["tokens"]
    assert (result["lost_work"], result["unexplained"], result["unfinished"]) == (0, 0, 0)
    assert result["accepted_twice"] > 0
    assert report.is_as_promised(result)
    assert not report.is_as_promised(result | {"promised": True})


def test_the_page_shows_the_figures_of_the_last_run() -> None:
    """The tables of the page are those of the figures."""
    assert report.rendered(PAGE, json.loads(report.FIGURES.read_text())) == PAGE


def test_the_last_run_was_of_everything_and_as_promised() -> None:
    """The figures are of each set-up, fault and transport, and as promised."""
    results = json.loads(report.FIGURES.read_text())["results"]
    assert all(report.is_as_promised(result) for result in results)
    assert {(result["setup"], result["fault"], result["through"]) for result in results} == {
        (setup.name, fault, "HTTP" if plan.http else "direct")
        for setup, fault, plan in matrix.full()
    }


def test_each_row_of_the_page_names_a_proof_that_there_is() -> None:
    """Each row of what survives what names a test, or a fault of the torture run."""
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \*\*.*(`tests|torture:)", line)]
    assert len(rows) >= 10
    for row in rows:
        proofs = re.findall(r"`(tests/\S+)`|torture: ([^;|]+)", row)
        for test, fault in proofs:
            if fault:
                assert fault.strip() in {f for setup in SETUPS for f in setup.faults}, fault
            else:
                path, _, name = test.partition("::")
                assert f"def {name}(" in (ROOT / path).read_text(), test
