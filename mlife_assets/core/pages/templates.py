"""Pages made of words and tables: Jinja2 templates, escaped by default.

Belongs here: the one environment and the filters that templates may use. Does not belong here: what a page says (its
package prepares that), drawings (`charts`).

Concept: Python chooses, counts, sorts and words; a template lays out. A name that was not given is an error and no
blank, so that a page cannot lose a part in silence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from mlife_assets.core.pages.charts.scales import format_day, format_value
from mlife_assets.core.pages.markup import Markup, text, writable

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "mlife_assets.core.pages"


def render(template: str, *, package: str = PACKAGE, **context: Any) -> Markup:
    """Return a template of `<package>/templates`, or of those that all pages share, with its names filled in."""
    return Markup(_environment(package).get_template(template).render(context))


@cache
def packaged(name: str) -> str:
    """Return a file of this package as it is: the style sheet, the script."""
    from jinja2 import PackageLoader

    loader = PackageLoader(PACKAGE, "")
    return loader.get_source(_environment(PACKAGE), name)[0]


def breakable(name: str) -> Markup:
    """Return a name that may be broken after `_`, `.` and `/` where a column is narrow."""
    return Markup(re.sub(r"([_./])(?=[^\W\d_])", r"\1<wbr>", str(text(name))))


def _clean(value: Any) -> Any:
    return writable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(breakable=breakable, day=format_day, value=format_value)
    return environment
