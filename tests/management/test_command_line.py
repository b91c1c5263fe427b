"""The commands as they are called in a shell: exit status, streams, and never a traceback."""

from __future__ import annotations

import json

from tests.tokens.tokens import PROFILE, signed

from .conftest import DATABASE, Manage


def test_an_error_is_exit_status_1_and_a_line(manage: Manage) -> None:
    setting = {"CACHES": {"default": {"BACKEND": DATABASE}}}
    done = manage(setting, "jti_replay", "doctor", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == 1  # The table is missing.
    assert done.stderr == "CommandError: 1 cache, 1 error, 1 warning.\n"


def test_a_token_goes_through_a_pipe(manage: Manage) -> None:
    setting = {"PROFILES": {"default": PROFILE}}
    done = manage(setting, "jti_replay", "verify", stdin=signed())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("default: accepted")


def test_a_missing_subcommand_is_told_with_the_known_ones(manage: Manage) -> None:
    done = manage({}, "jti_replay")
    assert done.returncode == 2
    assert "{doctor,stats,release,verify,purge,reset}" in done.stderr
    assert "Traceback" not in done.stderr
