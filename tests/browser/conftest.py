"""A real Chromium, and the example project that it visits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.test_example import VARIABLES, demo

SCREENSHOTS = "JTI_REPLAY_SCREENSHOTS"
"""The environment variable that asks for new pictures in docs/images."""

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SCHEMES = ("dark", "light")
AXE = """
(isOurs) => axe.run(
  isOurs ? document : {exclude: ['#searchbar', '.breadcrumbs']},
  {resultTypes: ['violations'], rules: {'target-size': {enabled: isOurs}}})
"""

SETTLED = """
() => new Promise(requestAnimationFrame).then(
  () => Promise.all(document.getAnimations().map((animation) => animation.finished)))
"""
"""The links of Django's admin change their colour gradually."""

PASSWORD = "of the operator in a test"
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-lcd-text",  # Its coloured edges double the size of a picture.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing(what: str) -> NoReturn:
    """Skip a test for want of a program, or fail where it is to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but there is no {what}", pytrace=False)
    pytest.skip(f"no {what}")


@dataclass
class Visitor:
    """A page of a browser, and what it is asked about."""

    page: Any
    url: str
    scheme: str

    def open(self, path: str) -> Any:
        """Open a page of the site."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def press(self, label: str, answer: str) -> None:
        """Press a button, and expect that the next answer begins so."""
        answers = self.page.locator("#answers li")
        before = answers.count()
        self.page.get_by_role("button", name=label, exact=True).click()
        expect(answers).to_have_count(before + 1)
        expect(answers.nth(before)).to_contain_text(answer)

    def looks_right(self) -> None:
        """Let axe-core look at the page.

        In the admin without what is Django's own: a search box whose label is a picture,
        links in text without lines, and small links in the filter.
        """
        self.page.evaluate(SETTLED)
        found = self.page.evaluate(AXE, "/admin/" not in self.page.url)["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []

    def fits(self) -> None:
        """Look at the page in a wide and a narrow window, which need no scrolling sideways."""
        before = self.page.viewport_size
        for width in (before["width"], 320):
            self.page.set_viewport_size({"width": width, "height": before["height"]})
            assert self.page.evaluate("document.documentElement.scrollWidth") <= width
            self.looks_right()
        self.page.set_viewport_size(before)

    def picture(self, name: str) -> None:
        """Take a picture for the docs in each scheme, if asked to: twice the same content."""
        if self.scheme != SCHEMES[0] or not os.environ.get(SCREENSHOTS):
            return
        for scheme in (*SCHEMES[1:], SCHEMES[0]):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(SETTLED)
            self.page.screenshot(path=IMAGES / f"{name}-{scheme}.png")


@pytest.fixture(scope="package")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The example project with an operator, served by a process of its own."""
    variables = {k: v for k, v in VARIABLES.items() if k != "JTI_REPLAY_REDIS_URL"}
    variables["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    project = demo.Example(sys.executable, variables, tmp_path_factory.mktemp("example"))
    with project.running():
        operator = ("--username=operator", "--email=operator@example.com")
        project.run("createsuperuser", "--noinput", *operator)
        yield project


@pytest.fixture(scope="package")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of axe-core."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "pack", "axe-core@4", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    archives = list(folder.glob("*.tgz"))
    if not archives:
        missing(f"axe-core: {done.stderr}")
    script = folder / "axe.min.js"
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member
        script.write_bytes(member.read())
    return script


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """The browser."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*SWITCHES])
        yield browser
        browser.close()


@pytest.fixture(params=SCHEMES)
def visitor(
    request: pytest.FixtureRequest, chromium: Any, example: Any, axe: Path
) -> Iterator[Visitor]:
    """A person with a browser, in each colour scheme. Nothing on a page fails unseen."""
    context = chromium.new_context(
        color_scheme=request.param,
        reduced_motion="reduce",
        viewport={"width": 1280, "height": 800},
    )
    context.add_init_script(path=axe)
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text)
            if message.type == "error" and "the server responded with" not in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(example.url) else faults.append(asked.url),
    )
    yield Visitor(page, example.url, request.param)
    context.close()
    assert faults == []
