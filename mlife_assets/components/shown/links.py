"""Links from the Dagster UI to pages.

Belongs here: the address of a page as metadata. Does not belong here: the pages, where they are kept
(`core.pages.document`), serving them.

Concept: a browser follows no link to a file of this machine, so a person's way from an asset to its page is an address
of the site that `mlife dev` and `mlife open` serve (`MLIFE_PAGES_PORT`, `MLIFE_PAGES_URL`).
"""

from collections.abc import Iterable
from pathlib import PurePosixPath

import dagster as dg

from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.shown.metadata import verbatim
from mlife_assets.core.pages.document import RUNBOOKS
from mlife_assets.recruiting.places import MESSAGES


def page_link(platform: ModelPlatform, key: str) -> dg.UrlMetadataValue:
    """Return the link to a page by its key in the lake, or its place on the site."""
    return dg.MetadataValue.url(f"{platform.settings.pages_address}/{key}")


def worded_link(platform: ModelPlatform, key: str, words: str) -> dg.MarkdownMetadataValue:
    """Return the link to a page under words: an address that is wider than its column clips what stands beside it."""
    return dg.MetadataValue.md(f"[{words}]({platform.settings.pages_address}/{key})")


def runbook_link(platform: ModelPlatform, page: str) -> dg.UrlMetadataValue | dg.TextMetadataValue:
    """Return the link to a runbook by its path in the repository; where no pages are served, that path."""
    if not platform.settings.serves_pages:
        return dg.MetadataValue.text(f"{page} of mlife")
    return page_link(platform, RUNBOOKS + PurePosixPath(page).stem)


def message_links(platform: ModelPlatform, messages: Iterable[tuple[str, str]]) -> dg.MarkdownMetadataValue:
    """Return messages (id, words) as a list, each with the link to its trace."""
    place = f"{platform.settings.pages_address}/{MESSAGES}"
    return dg.MetadataValue.md("\n".join(f"- [{one}]({place}{one}): {verbatim(words)}" for one, words in messages))
