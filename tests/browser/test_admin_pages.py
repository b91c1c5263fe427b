"""The admin of the example project, in the browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from jti_replay.reservation.digests import jti_digest, short_digest
from tests.browser.conftest import PASSWORD, Visitor


def test_an_operator_releases_a_link(visitor: Visitor) -> None:
    """The list is filtered, the release is asked about and logged, and the link works again."""
    page = visitor.open("/link/")
    visitor.press("Make a link", "a new token")
    visitor.press("Accept the invitation", "200")
    link = page.get_by_role("link", name="open the link").get_attribute("href")
    (jti,) = re.findall('"jti": "(.*)"', page.locator("#token").inner_text())
    digest = short_digest(jti_digest("link:invitation", jti))
    expect(page.locator("#reserved")).to_contain_text(digest)

    page.get_by_role("link", name="Admin").click()
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="link:invitation").first.click()
    page.get_by_role("link", name="Within a day").click()
    visitor.picture("admin")
    visitor.looks_right()
    page.locator("#searchbar").fill(digest)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_label("Select this object for an action").check()
    page.get_by_label("Action:").select_option("release")
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()
    expect(page.get_by_text(f"{digest} (link:invitation)")).to_be_visible()
    visitor.looks_right()
    page.get_by_role("button", name="Yes, release them").click()
    expect(page.get_by_text("Released 1 jti.")).to_be_visible()
    visitor.open("/admin/")
    expect(page.locator("#recent-actions-module")).to_contain_text(digest)

    visitor.open(str(link))
    page.get_by_role("button", name="Accept the invitation").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "You have accepted the invitation"
    )
