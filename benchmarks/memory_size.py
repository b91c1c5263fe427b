"""How many bytes an entry takes: the growth of a fresh process (resident set size)."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .designs import DESIGNS, FLOOR, OURS
from .extent import Extent
from .method import fresh_jtis, progress

WARM_UP = 1000


def measure(scale: Extent) -> dict[str, Any]:
    """Return the bytes per entry, by design."""
    results = {}
    for name in DESIGNS if scale.all_sizes else (FLOOR, OURS):
        progress(f"bytes per entry at {scale.entries:,}: {name}")
        command = [sys.executable, "-m", "benchmarks.memory_size", name, str(scale.entries)]
        ended = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        results[name] = float(ended.stdout)
    return {f"bytes per entry, {scale.entries:,} live": results}


def _bytes_per_entry(name: str, live: int) -> float:
    design = DESIGNS[name](max(live + WARM_UP, 1_000_000))
    expiry = int(time.time()) + 600
    for jti in fresh_jtis(WARM_UP):
        design.reserve(jti, expiry)
    gc.collect()
    before = _resident()
    for number in range(live):
        design.reserve(fresh_jtis(1)[0], expiry + number % 300)
    gc.collect()
    return (_resident() - before) / live


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    print(_bytes_per_entry(sys.argv[1], int(sys.argv[2])))
