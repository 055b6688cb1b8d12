"""Pages: their document skeleton, style sheet, templates, charts and addresses.

Tools for drawing:

- A page is words and tables, laid out by a template (Jinja2, escaped by default: `render`), inside the one document
  skeleton (`page`).
- A drawing on a page is inline SVG from `charts`: it takes the colours of the page, light or dark, stays sharp on paper
  and needs no script. Dashboard, model cards and backtests share these charts.
- In the metadata of the Dagster UI, which shows no HTML, a key figure is a glance (`core.glances`: SVG so short that
  the UI shows it at once), and a picture is a PNG by matplotlib behind a link, inline in Markdown (the `plots` modules
  beside the results that they draw).
- SHAP values are drawn by shap as people know them (`core.training.explain`), on a page, too: as PNG.
- A command's terminal output is drawn by rich (`cli`).

`style.css` is the only style and `reading.js` the only script; a page is complete without the script.
"""

from __future__ import annotations

from mlife_assets.core.pages.document import Link, page, reading_script, render
from mlife_assets.core.pages.markup import Markup, element, join, text

__all__ = ["Link", "Markup", "element", "join", "page", "reading_script", "render", "text"]
