"""What people do in a browser that many tests begin with."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.desk import PASSWORD


def sign_in_by_keyboard(page: Page, url: str, user: str) -> None:
    """Go to the desk at `url`, sign in without a mouse, and arrive at one's tasks."""
    page.goto(url)
    type_credentials(page, user)
    page.wait_for_url("**/tasks*")


def type_credentials(page: Page, user: str) -> None:
    """Fill in the sign-in page that is open, and send it, by keys only."""
    # The cursor goes to the first field by itself, but when the page is drawn: that may be after it has loaded.
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type(user)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
