"""The bytes that an entry takes: the growth of a fresh process (resident set size)."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .designs import DESIGNS, FLOOR, OURS
from .extent import Extent
from .method import drawn_expiries, fresh_jtis, progress

WARM_UP = 1000

SHARES = (1, 0.5, 0.125)
"""How full the table is."""


def measure(scale: Extent) -> dict[str, Any]:
    """Return the bytes per entry, by design."""
    results = {}
    for share in SHARES:
        live = int(scale.entries * share)
        names = DESIGNS if scale.all_sizes and share == 1 else (FLOOR, OURS)
        table = f"bytes per entry, {live:,} live of {scale.entries:,}"
        results[table] = {name: _in_process(name, live, scale.entries) for name in names}
    return results


def _in_process(name: str, live: int, capacity: int) -> float:
    progress(f"bytes per entry at {live:,} of {capacity:,}: {name}")
    command = [sys.executable, "-m", "benchmarks.memory_size", name, str(live), str(capacity)]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    return float(ended.stdout)


def _bytes_per_entry(name: str, live: int, capacity: int) -> float:
    other = DESIGNS[name](WARM_UP)  # What all objects of a design share is loaded by it.
    for jti in fresh_jtis(WARM_UP):
        other.reserve(jti, time.time() + 400, namespace="")
    gc.collect()
    before = _resident()
    design = DESIGNS[name](capacity)
    for _ in range(live // WARM_UP):
        for jti, expiry in zip(fresh_jtis(WARM_UP), drawn_expiries(WARM_UP), strict=True):
            design.reserve(jti, int(expiry), namespace="")
    gc.collect()
    return (_resident() - before) / live


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    print(_bytes_per_entry(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
