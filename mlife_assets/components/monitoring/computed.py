"""The library behind monitoring's statistics, as the UI shows it.

Concept: without NannyML our own calculators give the same numbers. The badge must be true, so that people can tell
installations apart.
"""

from mlife_assets.adapters.nannyml_calculators.engine import computed_by, has_nannyml
from mlife_assets.core.monitoring import quality


def badges() -> set[str]:
    return {"nannyml"} if has_nannyml() else {"scikitlearn"}


def computed_by_entry(report: str) -> dict[str, str]:
    """Return the library of a report as metadata; empty for quality, which has its own rules."""
    return {} if report == quality.REPORT else {"computed_by": computed_by()}
