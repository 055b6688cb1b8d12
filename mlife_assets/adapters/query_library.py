"""The query library: SQL that answers a question, one file a question, below `mlife_assets/sql`.

Belongs here: finding a file, and what its head says. Does not belong here: running it (`sql_session`), what the marts
hold (`dbt_project/`).

Concept: a file is written once, in the words that DuckDB and Athena (Trino) share, so the same text runs on both, and
nothing is translated at run time. Its head says the question and each column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.quoting import quoted

FOLDER = Path(__file__).resolve().parents[1] / "sql"
_COLUMN = re.compile(r"-- (?P<name>[a-z][a-z0-9_]*) {2,}(?P<meaning>\S.*)")


@dataclass(frozen=True)
class Query:
    """A file of the library.

    Attributes:
        name: of the file, without its suffix.
        question: what it answers, in one sentence.
        columns: column -> what it holds, with its unit, in the order of the answer.
        text: all of the file.
    """

    name: str
    question: str
    columns: dict[str, str]
    text: str


def query_names() -> list[str]:
    """Return the names of the library, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def read_query(name: str) -> Query:
    """Return a query. Raises NotFoundError where there is none of that name; names those that there are."""
    known = query_names()
    if name not in known:
        raise NotFoundError(f"there is no query {quoted(name)}; use one of {', '.join(known)}")
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    question, *rest = text.splitlines()
    columns: dict[str, str] = {}
    for line in rest:
        if not line.startswith("--"):
            break
        if (match := _COLUMN.fullmatch(line)) is not None:
            columns[match["name"]] = match["meaning"]
        elif columns:
            last = next(reversed(columns))
            columns[last] += " " + line.removeprefix("--").strip()
    return Query(name, question.removeprefix("-- "), columns, text)
