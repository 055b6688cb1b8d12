"""Draws the picture of the README: the first screen of a card, as a small PNG.

Run it after a change of the card, with the folder of the README's training:
`python -m mlife_tests.docs.make_picture var/flights/card.html docs/pictures/card.png`.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1000, 660
COLOURS = 128


def picture(page: Path) -> bytes:
    """Return the first screen of a page as a PNG of few colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.goto(page.resolve().as_uri())
        drawn = tab.screenshot()
        browser.close()
    packed = io.BytesIO()
    Image.open(io.BytesIO(drawn)).convert("RGB").quantize(COLOURS).save(packed, "png", optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    arguments.target.write_bytes(picture(arguments.page))
