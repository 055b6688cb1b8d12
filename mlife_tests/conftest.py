"""Fixtures that every part of the suite may use. Kept few: most tests build what they need.

Belongs here: the browser, the folder of the repository. Does not belong here: data, which lives beside its tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return headless Chromium from Debian. Missing: a visible skip on a laptop, a failure in CI.

    Module scope, because Playwright keeps an event loop running for as long as it is started.
    """
    if not CHROMIUM.exists():
        message = f"no {CHROMIUM}: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()
