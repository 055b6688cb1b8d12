"""The whole card.

Belongs here: the document around the sections and their order. Does not belong here: sections, style.

Concept: one string in, one file out. The page loads nothing and runs nothing, which its own content security policy
enforces; the same facts give the same bytes.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.markup import element
from mlife_assets.core.training.model_card.facts import ModelCard
from mlife_assets.core.training.model_card.judgement import (
    calibration_section,
    comparison_section,
    fairness_section,
    verdict_section,
)
from mlife_assets.core.training.model_card.sections import (
    data_section,
    features_section,
    header,
    limits_section,
    method_section,
    policies_section,
    provenance_section,
)
from mlife_assets.core.training.model_card.style import CARD_STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_model_card(facts: ModelCard) -> str:
    """Return the card as one self-contained HTML document (UTF-8, no network, no script, light and dark)."""
    title = element("title", f"{facts.title}: model card of {facts.model_version}")
    body = element(
        "main",
        header(facts),
        limits_section(facts),
        verdict_section(facts),
        comparison_section(facts),
        calibration_section(facts),
        fairness_section(facts),
        data_section(facts),
        features_section(facts),
        method_section(facts),
        policies_section(facts),
        provenance_section(facts),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"{title}\n<style>{CARD_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
