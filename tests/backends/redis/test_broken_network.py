"""What the kernel would deliver late, when a network that was down is back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.redis.broken_network import CACHES
from tests.backends.redis.certificates import write_certificates
from tests.servers.redis import redis_executables

ALONE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
ROOT = Path(__file__).parents[3]


def has_network_of_its_own() -> bool:
    """Return whether a process can have one, in which the interface can be set down."""
    try:
        tried = subprocess.run([*ALONE, "ip", "link", "set", "lo", "up"], check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.skipif(not has_network_of_its_own(), reason="no network namespace: not root")
def test_what_was_given_up_does_not_arrive_later(tmp_path: Path) -> None:
    """The kernel sends a lost packet again, but not one of a connection that was reset."""
    write_certificates(tmp_path)
    for executable in redis_executables():
        command = [sys.executable, "-m", "tests.backends.redis.broken_network"]
        done = subprocess.run(
            [*ALONE, *command, executable, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "did not start" not in done.stderr:
            break  # The others were built without TLS.
    assert not done.returncode, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(CACHES, 1)
