"""
Report the coverage of the package. All of it must be covered, unless tests had to be skipped
for want of a server, or no Python is here whose run measures it.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

MISSING_SERVERS = ROOT / ".coverage-missing-servers"
"""Written by a test run that skipped tests for want of a server."""


def main() -> int:
    if not any(ROOT.glob(".coverage.*")):
        print("No run has measured the coverage: it takes Python 3.13 or later.")
        return int(os.environ.get("CI") == "true")
    subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet"], check=True)
    report = [sys.executable, "-m", "coverage", "report"]
    if MISSING_SERVERS.exists():
        print(f"Not all was tested: {MISSING_SERVERS.read_text()}")
        MISSING_SERVERS.unlink()
        report.append("--fail-under=0")
    return subprocess.run(report, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
