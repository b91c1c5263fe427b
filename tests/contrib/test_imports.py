"""The integrations, and the tools that each is for, are imported by who asks for them."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["jti_replay"], ROOT_URLCONF=(), JTI_REPLAY={"PROFILES": {"default": {}}}
)
django.setup()
from django.core.checks import run_checks
import jti_replay.decorators, jti_replay.links, jti_replay.testing
run_checks(include_deployment_checks=True)
from jti_replay.testing import TokenFactory, assert_consumed
tools = {"rest_framework", "rest_framework_simplejwt", "ninja", "pydantic", "celery", "pytest"}
print(sorted(m for m in sys.modules if m.startswith("jti_replay.contrib")))
print(sorted(tools & {m.partition(".")[0] for m in sys.modules}))
"""


def test_nothing_imports_the_integrations() -> None:
    """Not the checks, not the decorator, and not what tests use."""
    output = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert output.stdout == "[]\n[]\n", output.stderr
