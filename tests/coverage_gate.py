"""
Report the coverage of the package. All of it must be covered, unless tests had to be skipped
for want of a server.
"""

import subprocess
import sys
from pathlib import Path

MISSING_SERVERS = Path(__file__).parent.parent / ".coverage-missing-servers"
"""Written by a test run that skipped tests for want of a server."""


def main() -> int:
    report = [sys.executable, "-m", "coverage", "report"]
    if MISSING_SERVERS.exists():
        print(f"Not all was tested: {MISSING_SERVERS.read_text()}")
        MISSING_SERVERS.unlink()
        report.append("--fail-under=0")
    return subprocess.run(report, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
