"""Who computes the statistics of monitoring, as the UI shows it.

Concept: without NannyML the numbers are the same and come from our own calculators. A badge that says otherwise would
be a lie, and a person who compares installations has to see which is which.
"""

from mlife_assets.adapters.nannyml_calculators.engine import computed_by, has_nannyml
from mlife_assets.core.monitoring import quality


def badges() -> set[str]:
    """Return the kinds of an asset whose numbers the calculators give."""
    return {"nannyml"} if has_nannyml() else {"scikitlearn"}


def computed_by_entry(report: str) -> dict[str, str]:
    """Return who computed a report as metadata; nothing for quality, which has rules of its own."""
    return {} if report == quality.REPORT else {"computed_by": computed_by()}
