"""The benchmarks run, and tell of every target. What the figures are is not for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kind_cost import CASES as KINDS
from benchmarks.report import BEGIN, DOCUMENT, END, README, render, render_summary
from benchmarks.tables import tables
from benchmarks.targets import TARGETS, Target
from jti_replay.kinds.registry import BUILT_IN

ROOT = Path(__file__).parent.parent


def test_a_run_measures_each_section_and_prints_each_target(tmp_path: Path) -> None:
    found = tmp_path / "figures.json"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--smoke", "--json", found],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    last_table = ended.stdout.rpartition("Targets")[2].splitlines()
    outcomes = {
        target.name: line.split("  ")[-1].strip()
        for target in TARGETS
        for line in last_table
        if line.startswith(f"{target.name} ")
    }
    assert set(outcomes) == {target.name for target in TARGETS}
    assert {outcome.partition(":")[0] for outcome in outcomes.values()} <= {
        "held",
        "MISSED",
        "unclear",
        "not measured",
    }
    for kind in KINDS:
        outcome = outcomes[f"decorator, on a request that verifies a {kind}"]
        assert outcome in {"held", "MISSED"}
    assert "live entries" in ended.stderr  # What it is at.
    results = json.loads(found.read_text())
    assert list(results["memory"]) == [
        "new, 1,000 live",
        "replayed, 1,000 live",
        "new, 2,000 live",
        "replayed, 2,000 live",
    ]
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        render(results, document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    for title, _ in tables(results):
        assert text.count(f"### {title}\n") == 1


def test_a_section_can_be_measured_alone(tmp_path: Path) -> None:
    """What of the documents would be lost by it, it does not write."""
    found = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--section", "memory size"]
    subprocess.run(
        [*command, "--json", found], cwd=ROOT, capture_output=True, timeout=120, check=True
    )
    assert set(json.loads(found.read_text())) == {"machine", "memory size"}
    refused = subprocess.run(
        [*command, "--render"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "leave --section out" in refused.stderr


def test_each_kind_has_its_costs() -> None:
    """Bearer tokens and DPoP proofs have a section of their own."""
    assert set(KINDS) == set(BUILT_IN) - {"bearer", "dpop"}


@pytest.mark.parametrize(("document", "write"), [(DOCUMENT, render), (README, render_summary)])
def test_the_documents_say_what_was_measured_last(
    document: Path, write: Callable[..., None], tmp_path: Path
) -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "performance.json").read_text())
    copy = tmp_path / document.name
    copy.write_text(document.read_text())
    write(results, copy)
    assert copy.read_text() == document.read_text()


def test_a_page_without_a_place_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("text")
    with pytest.raises(ValueError, match="results"):
        render({"machine": "any"}, document)
    assert document.read_text() == "text"


@pytest.mark.parametrize(
    ("figure", "at_least", "outcome"),
    [(2.0, False, "held"), (2.1, False, "MISSED"), (2.0, True, "held"), (1.9, True, "MISSED")],
)
def test_a_target_is_held_up_to_its_limit(figure: float, at_least: bool, outcome: str) -> None:
    target = Target("cost", "x", 2, lambda results: figure, at_least)
    assert list(target.verdict({}).values())[-1] == outcome


@pytest.mark.parametrize(
    ("figure", "control", "outcome"),
    [(3, 2, "MISSED"), (3, 2.5, "unclear"), (2, 2.5, "held")],
)
def test_a_target_is_not_missed_where_the_machine_misses_it(
    figure: float, control: float, outcome: str
) -> None:
    target = Target("pause", "us", 2, lambda results: figure, control=lambda results: control)
    assert target.verdict({})[""].partition(":")[0] == outcome


def test_a_figure_that_is_missing_is_no_success() -> None:
    assert {target.verdict({})[""] for target in TARGETS} == {"not measured"}
