"""The oracle: it compares what was done, by the audit table, with what clients were told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .setups import CLIENTS_GO_AWAY, REDIS_FAILED_OVER, REQUESTS_INTERRUPTED
from .shared_state import (
    ACCEPTED,
    COLD,
    REPLAYED,
    ROLLED_BACK,
    UNANSWERED,
    UNCOMMITTED,
    UNDECIDED,
    UNRELEASED,
    WENT_AWAY,
    SharedState,
)

CAUSES = {
    UNRELEASED: "rolled back while the store was away",
    UNCOMMITTED: "the database was lost",
    UNANSWERED: "a worker was killed with the token in hand",
    UNDECIDED: "the store answered too late",
}
"""Why a jti may be reserved although no work was done, the most certain cause first."""

FAULT_CAUSES = {
    REDIS_FAILED_OVER: {ROLLED_BACK: "rolled back, and the failover forgot the release"},
    REQUESTS_INTERRUPTED: {UNCOMMITTED: "COMMIT was interrupted"},
    CLIENTS_GO_AWAY: {WENT_AWAY: "the client went away while the view ran"},
}
"""More causes, each of one fault alone."""


@dataclass
class Verdict:
    """What became of the tokens of a run."""

    tokens: int = 0
    requests: int = 0
    failures: int = 0
    """Requests that were answered 500 or 503, or not at all."""

    accepted_twice: int = 0
    """Tokens whose work was done more than once, or was said to be."""

    hangs: int = 0
    """Requests, and children of workers, that had not ended after 10 seconds."""

    lost_work: int = 0
    """Honest clients who were told that the work was done, and it was not."""

    refused: dict[str, int] = field(default_factory=dict)
    """Honest clients who were refused for good although no work was done, by the cause."""

    unexplained: int = 0
    """Those of them for whom there is no cause."""

    unfinished: int = 0
    """Honest clients who were still trying at the end, or gave up."""

    renewed: int = 0
    """Honest clients who had to get a new token, because of a cold start."""

    stall: float = 0.0
    """The longest time in seconds until an honest client had a final answer."""


def judge(state: SharedState, audited: dict[str, int], fault: str = "") -> Verdict:
    """Compare what clients were told with what the audit table says was accepted."""
    causes = CAUSES | FAULT_CAUSES.get(fault, {})
    twice = {jti for jti, times in audited.items() if times > 1}
    twice |= {f"{token}.0" for token in range(state.tokens) if state.times_told(token) > 1}
    verdict = Verdict(
        tokens=state.tokens,
        requests=sum(state.requests),
        failures=sum(state.failures),
        accepted_twice=len(twice),
        hangs=sum(state.hung),
        stall=max(state.stall) / 1000,
    )
    worked = Counter(int(jti.partition(".")[0]) for jti in audited)
    for token in range(state.tokens):
        outcome, befell = state.outcome[token], state.befell(token)
        if not state.entered[token]:
            befell &= ~WENT_AWAY  # The jti was not reserved yet, or has been given back.
        verdict.renewed += bool(befell & COLD)
        if worked[token]:
            continue
        if outcome == ACCEPTED:
            verdict.lost_work += 1
        elif outcome == REPLAYED:
            for bit, cause in causes.items():
                if befell & bit:
                    verdict.refused[cause] = verdict.refused.get(cause, 0) + 1
                    break
            else:
                verdict.unexplained += 1
        else:
            verdict.unfinished += 1
    return verdict
