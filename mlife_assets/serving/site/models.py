"""The overview of a project's models as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.pages import Markup, element, page
from mlife_assets.core.pages.document import DASHBOARD, between, card_key, nav


@dataclass(frozen=True)
class ShownVersion:
    """A version; `outcome` is that of the gate, None when it was not judged."""

    model_version: str
    as_of_date: date
    examples: int
    outcome: str | None
    has_card: bool


@dataclass(frozen=True)
class ShownModel:
    """A model: who serves, where it stands in sentences, its versions, the newest first."""

    model_name: str
    champion: str | None
    sentences: tuple[str, ...]
    versions: tuple[ShownVersion, ...]


def overview(models: Sequence[ShownModel]) -> str:
    """Return the page."""
    body = [element("h1", "Models")]
    if not models:
        body.append(element("p", "Nothing was decided yet: launch the daily job of a model."))
    for model in models:
        body.append(element("h2", model.model_name, id=model.model_name))
        body.append(element("p", f"{model.champion} serves." if model.champion else "No model was promoted yet."))
        body.extend(element("p", sentence) for sentence in model.sentences)
        if model.versions:
            body.append(_table(model))
    return page("Models", element("article", *body, class_="card", id="models"), nav=nav(DASHBOARD))


def _table(model: ShownModel) -> Markup:
    head = element("tr", *(element("th", words) for words in ("version", "as of", "examples", "gate", "")))
    rows = [element("tr", *(element("td", cell) for cell in _cells(one, model.champion))) for one in model.versions]
    return element("table", element("thead", head), element("tbody", *rows))


def _cells(version: ShownVersion, champion: str | None) -> tuple[str | Markup, ...]:
    name: str | Markup = version.model_version
    if version.has_card:
        name = element("a", version.model_version, href=between(DASHBOARD, card_key(version.model_version)))
    serves = "serves" if version.model_version == champion else ""
    outcome = (version.outcome or "not judged").replace("_", " ")
    return name, str(version.as_of_date), f"{version.examples:,}", outcome, serves
