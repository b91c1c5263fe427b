"""How much is measured: all of it, a minute of it, or next to nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """The sizes of a run."""

    sizes: tuple[int, ...]
    """Live entries at which all designs are compared."""

    more_sizes: tuple[int, ...]
    """Live entries at which only those are compared that a target names."""

    wide_sizes: tuple[int, ...]
    """The same, in a cache whose ``max_entries`` is 8 million."""

    rounds: int
    small_rounds: int
    """Rounds where a round is short."""

    entries: int
    """Live entries whose bytes are counted."""

    all_sizes: bool
    """Whether they are counted for all designs, and not just for the floor and ours."""

    pauses: tuple[tuple[int, int], ...]
    """Live entries and inserts, in this order, of each search for pauses."""

    threads: tuple[int, ...]

    databases: tuple[str, ...] = ("SQLite", "PostgreSQL")


FULL = Extent(
    sizes=(1_000, 100_000, 1_000_000),
    more_sizes=(4_000_000,),
    wide_sizes=(1_000, 1_000_000, 4_000_000),
    rounds=40,
    small_rounds=60,
    entries=1_000_000,
    all_sizes=True,
    pauses=((10_000, 300_000), (100_000, 300_000), (1_000_000, 2_000_000)),
    threads=(1, 2, 8),
)

QUICK = Extent(
    sizes=(1_000, 100_000),
    more_sizes=(1_000_000,),
    wide_sizes=(),
    rounds=15,
    small_rounds=15,
    entries=1_000_000,
    all_sizes=False,
    pauses=((10_000, 50_000), (100_000, 200_000)),
    threads=(1, 8),
)

SMOKE = Extent(
    sizes=(1_000,),
    more_sizes=(2_000,),
    wide_sizes=(),
    rounds=2,
    small_rounds=2,
    entries=2_000,
    all_sizes=False,
    pauses=((1_000, 2_000),),
    threads=(1, 2),
    databases=("SQLite",),
)
