"""A person at the browser whose clicks and typed texts are counted."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page

STORIES = Path(__file__).parents[2] / "docs" / "stories.md"


class Person:
    """Does with a page what a person does with a mouse and a keyboard."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.texts = page, 0, 0

    def click(self, target: Locator) -> None:
        """Press a button, a link or a choice."""
        target.click()
        self.clicks += 1

    def type(self, field: Locator, text: str) -> None:
        """Write into a field; it costs a click where the field does not wait for it."""
        if not field.evaluate("field => field === document.activeElement"):
            self.click(field)
        self.page.keyboard.type(text)
        self.texts += 1

    def assert_took_what_is_promised(self, story: str) -> None:
        """Fail unless this is what the table of docs/stories.md says of the story."""
        row = re.search(rf"^\| {re.escape(story)} \| (\d+) \| (\d+) \|$", STORIES.read_text(), re.M)
        assert row is not None, f"{STORIES} has no row of {story!r}"
        assert (self.clicks, self.texts) == (int(row[1]), int(row[2])), story
