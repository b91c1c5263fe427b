"""A process that only sleeps, and writes down for how many seconds it overslept."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time

TICK = 0.01
NOTABLE = 0.1
"""Seconds by which the process wakes up too late if the machine stood still."""

SECONDS = struct.Struct("d")


class Witness:
    """Knows for how long the machine stood still."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.truncate(SECONDS.size)
            self._process = subprocess.Popen(
                [sys.executable, "-S", __file__], stdin=subprocess.DEVNULL, stdout=file
            )
            self._lost = mmap.mmap(file.fileno(), SECONDS.size)
        while not self.lost():
            time.sleep(TICK)
        self.pid = self._process.pid

    def lost(self) -> float:
        """Return for how many seconds the machine has stood still so far, and one more."""
        return float(SECONDS.unpack(self._lost)[0])

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.terminate()
        self._lost.close()


def watch() -> None:
    """Be the process. Its standard output is the file that both of them see."""
    parent = os.getppid()
    with mmap.mmap(sys.stdout.fileno(), SECONDS.size) as lost:
        lost[:] = SECONDS.pack(1)  # It has begun.
        while os.getppid() == parent:
            start = time.monotonic()
            time.sleep(TICK)
            late = time.monotonic() - start - TICK
            if late > NOTABLE:
                lost[:] = SECONDS.pack(SECONDS.unpack(lost)[0] + late)


if __name__ == "__main__":
    watch()
