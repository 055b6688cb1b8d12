"""The Dagster graph: the only package that imports Dagster. Instances of its types are `defs.yaml` files.

Belongs here: assets, checks, jobs, sensors and their resources. Does not belong here: decisions (`core`, `recruiting`),
effects (`adapters`).
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlife_assets.components.conversion_model import ConversionModel as ConversionModel
    from mlife_assets.components.platform_model import Application as Application
    from mlife_assets.components.platform_model import PlatformModel as PlatformModel

# Backfill policies, kinds and owners are beta in this Dagster release, which is pinned exactly. The filters name the
# warnings' words, since their classes would import Dagster into commands that only read a home.
warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview), and may have breaking changes")

COMPONENT_TYPES = {
    "ConversionModel": "conversion_model",
    "PlatformModel": "platform_model",
    "Application": "platform_model",
}
"""Component types and their modules."""


def __getattr__(name: str) -> Any:
    """Load and return a component type on demand, since modules below this package import one another."""
    if name in COMPONENT_TYPES:
        return getattr(import_module(f"{__name__}.{COMPONENT_TYPES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *COMPONENT_TYPES})
