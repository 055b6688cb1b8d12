"""Display of results in the Dagster UI.

Concept: people look at metadata. Plots are inline, tables are tables; both are small. A browser cannot follow a link to
a file of this machine, so a link is an address of the site that `mlife dev` and `mlife open` serve (`MLIFE_PAGES_PORT`,
`MLIFE_PAGES_URL`).
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import dagster as dg

from mlife_assets.core.pages.document import RUNBOOKS
from mlife_assets.deployments.ports import HomePorts
from mlife_assets.recruiting.places import MESSAGES

TABLE_ROWS_MAXIMUM = 50


def plot(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return rows (the first of many) as a table; all rows have the keys of the first."""
    if not rows:
        return dg.MetadataValue.text("no rows")
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows[:TABLE_ROWS_MAXIMUM]]
    columns = [dg.TableColumn(name=name, type=_column_type(rows, name)) for name in rows[0]]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def wide_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return rows with long words as a Markdown table, which the UI opens over the page.

    An inline table would stretch the page and clip its neighbours.
    """
    if not rows:
        return dg.MetadataValue.text("no rows")
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_words(value) for value in row.values()] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))


def sentences(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"- {_plain(line)}" for line in lines))


def verbatim(text: str) -> str:
    """Return strangers' text as one line of Markdown without markup or links."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _words(value: Any) -> str:
    """Return a value as the cell of a Markdown table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else _plain(str(value))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"([\\`*\[\]<>|!])", r"\\\1", text).split())


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return round(value, 6)
    return str(value)


def _column_type(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    kinds = {type(row[name]) for row in rows if row[name] is not None}
    if kinds and kinds <= {bool}:
        return "bool"
    if kinds and kinds <= {int}:
        return "int"
    return "float" if kinds and kinds <= {int, float} else "string"


def page_link(home: HomePorts, key: str) -> dg.UrlMetadataValue:
    """Return the link to a page by its key in the lake, or its path on the site."""
    return dg.MetadataValue.url(f"{home.settings.pages_address}/{key}")


def worded_link(home: HomePorts, key: str, words: str) -> dg.MarkdownMetadataValue:
    """Return the link to a page under words: a long address would clip its neighbours."""
    return dg.MetadataValue.md(f"[{words}]({home.settings.pages_address}/{key})")


def runbook_link(home: HomePorts, page: str) -> dg.UrlMetadataValue | dg.TextMetadataValue:
    """Return the link to a runbook by its path in the repository; the path if no pages are served."""
    if not home.settings.serves_pages:
        return dg.MetadataValue.text(f"{page} of mlife")
    return page_link(home, RUNBOOKS + PurePosixPath(page).stem)


def message_links(home: HomePorts, messages: Iterable[tuple[str, str]]) -> dg.MarkdownMetadataValue:
    """Return messages (id, words) as a list, each with the link to its trace."""
    place = f"{home.settings.pages_address}/{MESSAGES}"
    return dg.MetadataValue.md("\n".join(f"- [{one}]({place}{one}): {verbatim(words)}" for one, words in messages))
