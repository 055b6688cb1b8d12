"""mlife: a model of a table, a verdict on it that can be defended, and scores.

    model = mlife.train(table, mlife.Roles(entity=..., time=..., label=..., label_time=..., features=[...]))
    mlife.score(model, new_rows)

These names are the promised ones; docs/python.md shows each at work. Everything else, `mlife_assets` too, may change.

Concept: a name is imported when it is used, so `import mlife` costs nothing.

Belongs here: names that are handed on. Does not belong here: anything that does something, as `mlife_assets` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlife_assets.cli.opened import open  # noqa: A004 - the name is promised
    from mlife_assets.components import ConversionModel
    from mlife_assets.core.examples import Roles
    from mlife_assets.studies.adopting import load
    from mlife_assets.studies.drifting import drift
    from mlife_assets.studies.replaying import backtest
    from mlife_assets.studies.scoring import judge, score
    from mlife_assets.studies.training import check, train

__all__ = ["ConversionModel", "Roles", "backtest", "check", "drift", "judge", "load", "open", "score", "train"]

_MODULES = {
    "ConversionModel": "mlife_assets.components",
    "Roles": "mlife_assets.core.examples",
    "backtest": "mlife_assets.studies.replaying",
    "check": "mlife_assets.studies.training",
    "drift": "mlife_assets.studies.drifting",
    "judge": "mlife_assets.studies.scoring",
    "load": "mlife_assets.studies.adopting",
    "open": "mlife_assets.cli.opened",
    "score": "mlife_assets.studies.scoring",
    "train": "mlife_assets.studies.training",
}


def __getattr__(name: str) -> Any:
    """Load and return a promised name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the promised names."""
    return __all__
