"""How the graph runs: the only package that imports Dagster. A project of its own declares `ConversionModel`."""

import warnings
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mlife_assets.components.conversion_model import ConversionModel as ConversionModel

# Backfill policies, kinds and owners are beta in this Dagster release; they are relied on knowingly and pinned exactly.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

COMPONENT_TYPES = ("ConversionModel",)


def __getattr__(name: str) -> Any:
    """Return a component type: it is loaded when asked for, since modules below this package import one another."""
    if name in COMPONENT_TYPES:
        from mlife_assets.components import conversion_model

        return getattr(conversion_model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names of the package with its component types, which Dagster's registry looks for."""
    return sorted({*globals(), *COMPONENT_TYPES})
