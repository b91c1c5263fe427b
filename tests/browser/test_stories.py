"""The pages of the example project, as a person sees them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

TIMES = "\N{MULTIPLICATION SIGN}"
FAIL = "Send a new one whose work fails"
RACE = "Send a new one eight times at once"


def test_the_first_page_leads_to_each_kind(visitor: Visitor) -> None:
    """Each kind of token has a page behind a link."""
    page = visitor.open("/")
    visitor.fits()
    links = page.locator(".cards a").evaluate_all("links => links.map(link => link.href)")
    assert len(links) == 7
    for link in links:
        assert page.request.get(link).ok


@pytest.mark.parametrize(
    ("slug", "accepted", "refused"),
    [
        ("bearer", 200, 401),
        ("client-assertion", 200, 400),
        ("jwt-bearer-grant", 200, 400),
        ("logout-token", 200, 400),
    ],
)
def test_a_token_is_good_once(visitor: Visitor, slug: str, accepted: int, refused: int) -> None:
    """It is used, refused, given back with its failed work, and wins one race."""
    page = visitor.open(f"/{slug}/")
    visitor.press("Mint a token", "a new token")
    expect(page.locator("#token")).to_contain_text('"jti"')
    visitor.press("Send it", f"{accepted} The view ran")
    visitor.press("Send it again", f"{refused} The token has already been used.")
    visitor.press(FAIL, "500 The work failed")
    visitor.press("Send that one again", f"{accepted} The view ran")
    visitor.press(RACE, f"1 {TIMES} {accepted}, 7 {TIMES} {refused}")
    events = page.locator("#events")
    for name in ("jti_reserved", "jti_replayed", "jti_released", "transaction_rolled_back"):
        expect(events).to_contain_text(name)
    expect(events).to_contain_text("Refused a replayed jti")
    expect(page.locator("#reserved tr").first).to_contain_text("min")
    expect(page.locator("code", has_text="@reserve_jti").first).to_be_visible()
    if slug == "bearer":
        visitor.picture("bearer")
    visitor.fits()


def test_a_security_event_is_taken_once(visitor: Visitor) -> None:
    """A duplicate is answered 202 as well, and the view does not run."""
    page = visitor.open("/security-event/")
    visitor.press("Mint a token", "a new token")
    visitor.press("Send it", "202")
    visitor.press("Send it again", "202")
    expect(page.locator("#events")).to_contain_text("jti_replayed")
    visitor.press(FAIL, "500 The work failed")
    visitor.press("Send that one again", "202")
    visitor.press(RACE, f"8 {TIMES} 202")
    visitor.fits()


def test_a_proof_that_the_browser_signs_is_good_once(visitor: Visitor) -> None:
    """WebCrypto makes the key and the proof; the access token stays good."""
    page = visitor.open("/dpop/")
    visitor.press("Make a key and a proof", "a new token")
    expect(page.locator("#token")).to_contain_text('"jkt"')
    visitor.press("Send the proof", "200 The view ran")
    visitor.press("Replay the proof", "401 The token has already been used.")
    visitor.press("Send a new proof", "200 The view ran")
    visitor.press("Send a proof whose work fails", "500 The work failed")
    visitor.press("Send that proof again", "200 The view ran")
    visitor.press("Send a proof eight times at once", f"1 {TIMES} 200, 7 {TIMES} 401")
    visitor.fits()


def test_the_buttons_of_a_link(visitor: Visitor) -> None:
    """A mail scanner uses nothing up, a person does."""
    page = visitor.open("/link/")
    visitor.press("Make a link", "a new token")
    visitor.press("Let a mail scanner fetch it", "GET /invitation → 200")
    visitor.press("Accept the invitation", "POST /invitation → 200")
    visitor.press("Send it again", "410")
    visitor.press("Accept a new one, and let the work fail", "500 The work failed")
    visitor.press("Accept that one again", "200")
    visitor.press("Accept a new one eight times at once", f"1 {TIMES} 200, 7 {TIMES} 410")
    expect(page.locator("#events")).to_contain_text("jti_released")
    visitor.fits()


def test_a_person_opens_a_link(visitor: Visitor) -> None:
    """The form of a page without a referrer passes the CSRF check."""
    page = visitor.open("/link/")
    visitor.press("Make a link", "a new token")
    page.get_by_role("link", name="open the link").click()
    expect(page).to_have_title(re.compile("An invitation"))
    visitor.looks_right()
    page.get_by_role("button", name="Accept, and let the work fail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The work failed")
    visitor.looks_right()
    page.go_back()
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button", name="Accept the invitation").click()
    assert sent.value.all_headers()["origin"] == visitor.url
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "You have accepted the invitation"
    )
    visitor.looks_right()
    page.go_back()
    page.get_by_role("button", name="Accept the invitation").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The link has been used")
    visitor.fits()


def test_the_pages_can_be_used_with_the_keyboard(visitor: Visitor) -> None:
    """Tab reaches the content past the navigation, and Enter presses each button in turn."""
    page = visitor.open("/bearer/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    buttons = page.locator("#story button")
    assert buttons.count() == 6
    for number in range(6):
        page.keyboard.press("Tab")
        button = buttons.nth(number)
        expect(button).to_be_focused()
        assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.locator("#answers li")).to_have_count(number + 1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("log")).to_be_focused()


def test_nothing_moves_for_those_who_ask_for_it(visitor: Visitor) -> None:
    """A new answer is marked by an animation, but not with reduced motion."""
    page = visitor.open("/bearer/")
    visitor.press("Mint a token", "a new token")
    answer = page.locator("#answers li")
    for motion, animation in (("reduce", "none"), ("no-preference", "new")):
        page.emulate_media(reduced_motion=motion)
        name = answer.evaluate("answer => getComputedStyle(answer).animationName")
        assert name == animation


def test_no_other_site_and_no_inline_code(visitor: Visitor) -> None:
    """The policy of each page names this server alone, and the browser obeys it."""
    page = visitor.page
    answer = page.goto(f"{visitor.url}/bearer/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"
