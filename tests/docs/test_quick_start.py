"""The quick start and the tutorial work as they are pasted, and print what they show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, blocks_of, text_of

SEND = """
import sys
from django.test import Client
client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
client.raise_request_exception = False
for token in sys.stdin.read().split() * 2:
    answer = client.post("/exchange", headers={"Authorization": f"Bearer {token}"})
    print(answer.status_code, answer.content.decode()[:90].replace("\\n", " "))
"""
TUTORIAL = "docs/tutorial/index.md"


class Project:
    """What a reader has made of a page."""

    def __init__(self, folder: Path, page: str) -> None:
        self._folder = folder
        self._variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._variables.pop("DJANGO_SETTINGS_MODULE", None)
        self.python("-m", "django", "startproject", "mysite", ".")
        for name in ("settings", "urls"):
            with (folder / "mysite" / f"{name}.py").open("a") as file:
                file.write(blocks_of(page, f"# {name}.py")[0])
        (folder / "mint.py").write_text(blocks_of(page, "# mint.py")[0])

    def python(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env=self._variables,
            input=stdin,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def send_twice(self, token: str = "") -> list[str]:
        """Send one token twice. Return the last two lines: Django prints some above."""
        token = token or self.python("mint.py")
        return self.python("manage.py", "shell", "-c", SEND, stdin=token).splitlines()[-2:]

    def remember_in_the_database(self) -> None:
        with (self._folder / "mysite" / "settings.py").open("a") as file:
            file.write(blocks_of(TUTORIAL, "# settings.py")[1])

    def change_the_view(self, before: str, after: str) -> None:
        urls = self._folder / "mysite" / "urls.py"
        urls.write_text(urls.read_text().replace(before, after))


@pytest.mark.parametrize("page", ["README.md", TUTORIAL])
def test_a_token_passes_once_as_the_page_shows(page: str, tmp_path: Path) -> None:
    """What is pasted passes the checks, and the second request is refused."""
    project = Project(tmp_path, page)
    assert "no issues" in project.python("manage.py", "check")
    project.python("manage.py", "migrate", "--verbosity", "0")
    first, second = project.send_twice()
    assert first == '200 {"hello": "job 42"}'
    assert second.startswith("401 ")
    assert "already been used" in second
    if page == TUTORIAL:
        shown = [line for line in text_of(page).splitlines() if line.startswith('{"')]
        good, used = first[4:], second[4:]
        assert shown == [good, used, good, good, used, good]


def test_a_failed_view_leaves_the_token_good(tmp_path: Path) -> None:
    """As the tutorial says; the store is the database, which outlives the process."""
    project = Project(tmp_path, TUTORIAL)
    project.remember_in_the_database()
    project.python("manage.py", "migrate", "--verbosity", "0")
    (failure,) = re.findall(r"^    raise .*\n", text_of(TUTORIAL), re.MULTILINE)
    project.change_the_view("    return", f"{failure}    return")
    token = project.python("mint.py")
    assert [line[:3] for line in project.send_twice(token)] == ["500", "500"]
    project.change_the_view(failure, "")
    assert [line[:3] for line in project.send_twice(token)] == ["200", "401"]
    assert [line[:3] for line in project.send_twice(token)] == ["401", "401"]


def test_the_tutorial_asks_for_at_most_15_lines() -> None:
    """Of one's own, up to a refused replay that the database remembers."""
    blocks = [blocks_of(TUTORIAL, f"# {name}.py")[0] for name in ("settings", "urls", "mint")]
    blocks.append(blocks_of(TUTORIAL, "# settings.py")[1])
    lines = [line for block in blocks for line in block.splitlines()[1:] if line.strip()]
    assert len(lines) == 15
