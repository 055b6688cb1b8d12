"""The anchor: the champion from which the losses of a chain of promotions are counted.

Belongs here: finding it in the events. Does not belong here: what it is for (`core.training.gate`), the fold of
promotions (`core.reigns`).

Concept: a challenger that is not inferior to the champion may be a little worse, and so may the next one. Each is
therefore held against the model that last had to win as well.
"""

from datetime import date

from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.model_events import PROMOTION_KIND
from mlife_assets.core.reigns import anchor_of
from mlife_assets.core.training.gate import NON_INFERIORITY


def anchor_version(platform: ModelPlatform, day: date) -> str | None:
    """Return the version that won last, or served first, as of the run of partition `day`; None without a champion."""
    now = platform.run_time(day)
    verdicts = [row for row in platform.model_events("promotion_decided", end=day) if row["observed_at"] <= now]
    kinds = {row["model_version"]: row[PROMOTION_KIND] for row in verdicts if row["outcome"] == "promoted"}
    not_inferior = {version for version, kind in kinds.items() if kind == NON_INFERIORITY}
    return anchor_of(platform.registry.history(now), not_inferior)
