"""The whole card.

Belongs here: what the template is given, and where the page stands among the others. Does not belong here: the layout
(`core/pages/templates/model_card.html`), words and figures of single parts (`judgement`, `sections`).

Concept: one string in, one file out. The page loads nothing and runs nothing; the same facts give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.core.pages import Link, page, render
from mlife_assets.core.training.model_card.facts import ModelCard
from mlife_assets.core.training.model_card.judgement import calibration_view, comparison_view, fairness_view
from mlife_assets.core.training.model_card.limits import derived_limits
from mlife_assets.core.training.model_card.sections import OUTCOMES, importance_rows, metric_rows, tiles


def render_model_card(facts: ModelCard, nav: Sequence[Link] = ()) -> str:
    """Return the card as one self-contained HTML document; `nav` links to other pages where there are any."""
    is_judged = facts.outcome in OUTCOMES
    body = render(
        "model_card.html",
        card=facts,
        kind=facts.outcome if is_judged else "not_judged",
        outcome=OUTCOMES[facts.outcome or ""] if is_judged else "not judged by a gate",
        tiles=tuple(tiles(facts)),
        limits=(*facts.limits, *derived_limits(facts)),
        comparison=comparison_view(facts),
        calibration=calibration_view(facts),
        fairness=fairness_view(facts),
        importance=tuple(importance_rows(facts)),
        metrics=metric_rows(facts),
    )
    return page(f"{facts.title}: model card of {facts.model_version}", body, nav=nav)
